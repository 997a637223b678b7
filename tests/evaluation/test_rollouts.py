from types import SimpleNamespace

import numpy as np
import pytest

from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.evaluation.rollouts import RandomPolicy, evaluate

pytest.importorskip("mujoco")
from trirl_robot.sim.env import make_env
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.sim.interface import Step
from trirl_robot.sim.randomisation.events import Event


class CountingEnv:
    """Environment i runs episodes of lengths[i] steps; short ones fail and long ones succeed."""

    autoreset = True

    def __init__(self, lengths):
        self.lengths = np.array(lengths)
        self.num_envs = len(lengths)
        self.contract = SimpleNamespace(action_size=1)
        self.age = np.zeros(self.num_envs, dtype=int)
        self.episode = np.full(self.num_envs, -1)

    def distance(self):
        return self.episode.astype(float)

    @property
    def target_position(self):
        return np.zeros((self.num_envs, 3))

    def drawn(self, sim):
        return {"env": float(sim), "episode": float(self.episode[sim])}

    def episode_key(self, sim):
        return EpisodeKey(seed=0, environment=int(sim), episode=int(self.episode[sim]))

    def events(self, sim):
        return [Event(step=int(self.age[sim]), drawn={"env": float(sim)})]

    def reset(self, ids=None):
        ids = np.arange(self.num_envs) if ids is None else ids
        self.age[ids] = 0
        self.episode[ids] += 1
        return self.age[:, None].astype(float)

    def step(self, action):
        assert not self.autoreset
        self.age += 1
        done = self.age >= self.lengths
        observation = self.age[:, None].astype(float)
        return Step(
            observation=observation,
            final_observation=observation,
            reward=np.ones(self.num_envs),
            terminated=np.zeros(self.num_envs, dtype=bool),
            truncated=done,
            success=self.lengths > 5,
        )


def still(observation):
    return np.zeros((len(observation), 1))


@pytest.mark.parametrize("episodes", [1, 3, 4, 5, 11])
def test_short_episodes_are_not_favoured(episodes):
    env = CountingEnv([1, 2, 50, 60])
    result = evaluate(still, env, episodes)
    share = [episodes // 4 + (i < episodes % 4) for i in range(4)]
    expected = np.repeat([1, 2, 50, 60], share)
    np.testing.assert_array_equal(result.length, expected)
    np.testing.assert_array_equal(result.episode_return, expected)
    np.testing.assert_array_equal(result.success, expected > 5)
    # dynamics and distance belong to the same episode, not to the one after it
    numbers = np.concatenate([np.arange(count) for count in share])
    assert [d["episode"] for d in result.dynamics] == numbers.tolist()
    np.testing.assert_array_equal(result.final_distance_m, numbers)
    assert [key.episode for key in result.keys] == numbers.tolist()
    assert [key.environment for key in result.keys] == [d["env"] for d in result.dynamics]
    assert [events[0].step for events in result.events] == expected.tolist()
    assert env.autoreset


def test_progress_adds_up():
    counted = []
    evaluate(still, CountingEnv([1, 3]), 7, progress=counted.append)
    assert sum(counted) == 7


def test_the_rate_comes_with_its_interval():
    rate = evaluate(still, CountingEnv([2, 9]), 10).success_rate
    assert (rate.value, rate.n) == (0.5, 10)
    assert 0.2 < rate.low < 0.5 < rate.high < 0.8


def test_a_policy_that_is_wrong_is_refused():
    env = CountingEnv([2, 2])
    with pytest.raises(ConfigError, match=r"shape \(2, 3\), expected \(2, 1\)"):
        evaluate(lambda o: np.zeros((2, 3)), env, 1)
    with pytest.raises(NonFiniteError):
        evaluate(lambda o: np.full((2, 1), np.nan), env, 1)
    with pytest.raises(ConfigError, match="got 0 episodes"):
        evaluate(still, env, 0)
    assert env.autoreset


def test_random_actions_fill_the_range_and_follow_their_seed():
    actions = RandomPolicy(5, seed=1)(np.zeros((4000, 26)))
    assert actions.shape == (4000, 5)
    assert np.abs(actions).max() <= 1.0
    np.testing.assert_allclose(actions.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(actions.var(axis=0), 1 / 3, atol=0.02)
    np.testing.assert_array_equal(actions, RandomPolicy(5, seed=1)(np.zeros((4000, 26))))


def test_the_reach_task_with_a_random_policy():
    results = []
    for _ in range(2):
        env = make_env("so101-reach", num_envs=6, randomisation="light", seed=0, nthread=2)
        results.append(evaluate(RandomPolicy(5), env, 9, seed=4))
        # a second evaluation in the same environments with the same seed sees the same episodes
        results.append(evaluate(RandomPolicy(5), env, 9, seed=4))
    first = results[0]
    assert (first.length == 100).all()
    assert first.success_rate.value < 0.5
    assert len({tuple(d.values()) for d in first.dynamics}) == 9
    assert "body_mass/shoulder" in " ".join(first.dynamics[0])
    assert (first.final_distance_m > 0).all()
    for other in results[1:]:
        np.testing.assert_array_equal(other.final_distance_m, first.final_distance_m)
        assert other.dynamics == first.dynamics
