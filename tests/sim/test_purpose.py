"""Training, evaluation and recording with the same seed meet different episodes."""

import itertools

import numpy as np
import pytest

from trirl_robot.sim.env import make_batch
from trirl_robot.sim.episode_random import EpisodeKey, Purpose


def targets(purpose, task, episodes=5):
    env = make_batch(task, num_envs=8, randomisation="light", seed=0, purpose=purpose)
    found = []
    for _ in range(episodes):
        env.reset()
        state = [env.state_vector(i) for i in range(8)]
        found += [(tuple(s), tuple(env.drawn(i).items())) for i, s in enumerate(state)]
    return set(found)


@pytest.mark.parametrize("task", ["so101-reach", "half-cheetah"])
def test_no_two_purposes_share_an_episode(task):
    met = {purpose: targets(purpose, task) for purpose in Purpose}
    assert all(len(episodes) == 40 for episodes in met.values())
    for first, second in itertools.combinations(met.values(), 2):
        assert not first & second


def test_the_same_purpose_meets_the_same_episodes_again():
    first = targets(Purpose.EVALUATION, "so101-reach")
    assert targets(Purpose.EVALUATION, "so101-reach") == first


def test_recordings_are_built_with_their_purpose():
    from teleop.backends.mujoco import MujocoBackend

    backend = MujocoBackend("so101-reach", randomisation="light", seed=0)
    key = backend._env.episode_key(0)
    assert key.environment == int(Purpose.RECORDING) << 32
    assert np.isfinite(backend._env.target_position).all()


def test_foreign_episodes_have_seeds_of_their_own():
    from trirl_robot.sim.foreign.env import _episode_seed

    keys = [
        EpisodeKey(seed=seed, environment=(int(purpose) << 32) + env, episode=episode)
        for seed in range(3)
        for purpose in Purpose
        for env in range(3)
        for episode in range(6)
    ]
    assert len({tuple(_episode_seed(key)) for key in keys}) == len(keys)
