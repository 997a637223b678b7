import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.rl.advantage import generalised_advantage


def column(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)[:, None]


def test_a_case_worked_by_hand():
    # gamma 0.5, lambda 0.5; the second step times out, the third terminates
    advantage = generalised_advantage(
        reward=column(1.0, 2.0, 3.0, 4.0),
        value=column(1.0, 1.0, 2.0, 2.0),
        next_value=column(1.0, 4.0, 8.0, 2.0),
        terminated=column(False, False, True, False, dtype=torch.bool),
        truncated=column(False, True, False, False, dtype=torch.bool),
        gamma=0.5,
        gae_lambda=0.5,
    )
    # deltas: 1+.5-1 = .5 | 2+2-1 = 3 (bootstraps) | 3-2 = 1 (does not) | 4+1-2 = 3
    np.testing.assert_allclose(advantage[:, 0], [0.5 + 0.25 * 3.0, 3.0, 1.0, 3.0])


def test_the_absorbing_state_goes_on_for_ever_worked_by_hand():
    # gamma 0.5: a step there earns 3, so the state is worth 3 / (1 - 0.5) = 6, whatever the critic
    # says of the last observation; a time-out is worth what the critic says of its last observation
    advantage = generalised_advantage(
        reward=column(1.0, 2.0, 4.0),
        value=column(1.0, 2.0, 3.0),
        next_value=column(2.0, 100.0, 8.0),
        terminated=column(False, True, False, dtype=torch.bool),
        truncated=column(False, False, True, dtype=torch.bool),
        gamma=0.5,
        gae_lambda=0.5,
        absorbing_value=6.0,
    )
    # deltas: 1+1-1 = 1 | 2+.5*6-2 = 3 | 4+.5*8-3 = 5
    np.testing.assert_allclose(advantage[:, 0], [1.0 + 0.25 * 3.0, 3.0, 5.0])


def test_an_infinitely_long_episode_is_worth_the_same_as_its_absorbing_state():
    # 400 steps of reward 3 after a termination, written out, instead of the value of the state
    gamma, steps = 0.9, 400
    flags = torch.zeros(steps, 1, dtype=torch.bool)
    zeros = torch.zeros(steps, 1)
    written_out = generalised_advantage(
        reward=torch.full((steps, 1), 3.0),
        value=zeros,
        next_value=zeros,
        terminated=flags,
        truncated=flags,
        gamma=gamma,
        gae_lambda=1.0,
    )
    ended = generalised_advantage(
        reward=column(3.0),
        value=column(0.0),
        next_value=column(0.0),
        terminated=column(True, dtype=torch.bool),
        truncated=column(False, dtype=torch.bool),
        gamma=gamma,
        gae_lambda=1.0,
        absorbing_value=3.0 / (1.0 - gamma),
    )
    assert float(ended) == pytest.approx(float(written_out[0]), rel=1e-5)


def slow_reference(episodes, gamma, gae_lambda, absorbing_value):
    """Return the sum over k of (gamma lambda)^k delta, episode by episode (equation 16).

    Written as the mixture of k-step advantages that it stands for (equations 11 to 16), which
    shares no arithmetic with the recursion.
    """
    advantages = []
    for reward, value, next_value, ending in episodes:
        last = absorbing_value if ending == "terminated" else next_value[-1]
        bootstrap = [*next_value[:-1], last]
        for start in range(len(reward)):
            left, mixture, weight = len(reward) - start, 0.0, 1.0 - gae_lambda
            for k in range(1, left + 1):
                discounts = gamma ** np.arange(k)
                k_step = discounts @ reward[start : start + k] - value[start]
                k_step += gamma**k * bootstrap[start + k - 1]
                # all longer ones are the longest that there is
                mixture += (gae_lambda ** (k - 1) if k == left else weight) * k_step
                weight *= gae_lambda
            advantages.append(mixture)
    return np.array(advantages)


@st.composite
def episodes(draw):
    """Episodes one after the other, of which only the last may be cut by the rollout's end."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    endings = [draw(st.sampled_from(["terminated", "truncated"])) for _ in lengths]
    endings[-1] = draw(st.sampled_from(["terminated", "truncated", "cut"]))
    result = []
    for length, ending in zip(lengths, endings, strict=True):
        reward, value = random.normal(size=(2, length))
        # the next value is that of the next observation, save where the episode ends
        next_value = np.append(value[1:], random.normal())
        result.append((reward, value, next_value, ending))
    return result


@given(
    drawn=st.lists(episodes(), min_size=1, max_size=3),
    gamma=st.floats(0.5, 1.0),
    gae_lambda=st.floats(0.0, 1.0),
    absorbing_value=st.floats(-10.0, 10.0),
)
def test_against_the_mixture_of_k_step_advantages(drawn, gamma, gae_lambda, absorbing_value):
    steps = min(sum(len(reward) for reward, *_ in parts) for parts in drawn)
    columns, expected = [], []
    for parts in drawn:
        cut = _first(parts, steps)
        expected.append(slow_reference(cut, gamma, gae_lambda, absorbing_value))
        columns.append(_columns(cut))
    reward, value, next_value, terminated, truncated = (
        torch.from_numpy(np.stack(arrays, axis=1)) for arrays in zip(*columns, strict=True)
    )
    advantage = generalised_advantage(
        reward=reward,
        value=value,
        next_value=next_value,
        terminated=terminated,
        truncated=truncated,
        gamma=gamma,
        gae_lambda=gae_lambda,
        absorbing_value=absorbing_value,
    )
    np.testing.assert_allclose(advantage.numpy(), np.stack(expected, axis=1), atol=1e-5)


def _first(parts, steps):
    """Return the first steps of some episodes, the last of which a rollout's end may cut."""
    kept = []
    for reward, value, next_value, ending in parts:
        whole = len(reward) <= steps
        kept.append((reward[:steps], value[:steps], next_value[:steps], ending if whole else "cut"))
        steps -= len(kept[-1][0])
        if not steps:
            break
    return kept


def _columns(parts):
    reward, value, next_value = (
        np.concatenate(arrays) for arrays in list(zip(*parts, strict=True))[:3]
    )
    ends = np.cumsum([len(part[0]) for part in parts]) - 1
    flags = [np.zeros(len(reward), dtype=bool) for _ in range(2)]
    for end, (*_, ending) in zip(ends, parts, strict=True):
        flags[0][end], flags[1][end] = ending == "terminated", ending == "truncated"
    return reward, value, next_value, *flags
