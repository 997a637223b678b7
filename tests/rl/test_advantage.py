import numpy as np
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


def slow_reference(reward, value, next_value, terminated, truncated, gamma, gae_lambda):
    advantage = np.zeros_like(reward)
    for start in range(len(reward)):
        weight = 1.0
        for t in range(start, len(reward)):
            bootstrap = 0.0 if terminated[t] else gamma * next_value[t]
            advantage[start] += weight * (reward[t] + bootstrap - value[t])
            if terminated[t] or truncated[t]:
                break
            weight *= gamma * gae_lambda
    return advantage


@given(seed=st.integers(0, 10_000), gamma=st.floats(0.5, 1.0), gae_lambda=st.floats(0.0, 1.0))
def test_against_a_sum_written_out(seed, gamma, gae_lambda):
    random = np.random.default_rng(seed)
    reward, value, next_value = random.normal(size=(3, 12))
    terminated, truncated = random.random((2, 12)) < 0.15
    expected = slow_reference(reward, value, next_value, terminated, truncated, gamma, gae_lambda)
    advantage = generalised_advantage(
        reward=torch.from_numpy(reward)[:, None],
        value=torch.from_numpy(value)[:, None],
        next_value=torch.from_numpy(next_value)[:, None],
        terminated=torch.from_numpy(terminated)[:, None],
        truncated=torch.from_numpy(truncated)[:, None],
        gamma=gamma,
        gae_lambda=gae_lambda,
    )
    np.testing.assert_allclose(advantage[:, 0].numpy(), expected, atol=1e-5)
