import dataclasses

import numpy as np
import pytest

from trirl_robot.demos.dataset import load_demonstrations
from trirl_robot.errors import ConfigError, DatasetError
from trirl_robot.runs.starts import begin_in_demonstrations
from trirl_robot.sim.env import make_batch, make_env


def test_every_episode_begins_where_some_demonstration_has_been(demonstrations):
    read = load_demonstrations(demonstrations).subset(3, every=5)
    env = make_batch("so101-reach", num_envs=30, randomisation="none", seed=1)
    begin_in_demonstrations(env, read, 1.0)
    env.reset()
    demo = np.repeat(np.arange(3), read.lengths)
    for motion, age, target in zip(
        env.task.simulation.motion, env.elapsed_steps, env.target_position, strict=True
    ):
        (row,) = np.flatnonzero((read.state[:, 1:] == motion).all(axis=1))
        assert read.step[row] == age
        assert read.task_parameters[demo[row]]["target_position"] == target.tolist()


def test_demonstrations_of_a_real_robot_are_refused(demonstrations):
    read = load_demonstrations(demonstrations)
    real = dataclasses.replace(read, state=np.zeros((len(read.step), 0)))
    env = make_batch("so101-reach", num_envs=2, randomisation="none", seed=1)
    with pytest.raises(DatasetError, match=r"demos\.hdf5: .* real robot; set demonstrated_st"):
        begin_in_demonstrations(env, real, 0.5)
    begin_in_demonstrations(env, real, 0.0)


def test_demonstrations_that_do_not_tell_their_targets_are_refused(demonstrations):
    read = load_demonstrations(demonstrations)
    vague = dataclasses.replace(read, task_parameters=({}, *read.task_parameters[1:]))
    env = make_batch("so101-reach", num_envs=2, randomisation="none", seed=1)
    with pytest.raises(DatasetError, match="where the target of every demonstration was"):
        begin_in_demonstrations(env, vague, 0.5)


def test_the_ages_of_episodes_that_go_on_are_not_staggered(demonstrations):
    env = make_batch("so101-reach", num_envs=30, randomisation="none", seed=1)
    begin_in_demonstrations(env, load_demonstrations(demonstrations), 0.5)
    env.reset()
    before = env.elapsed_steps.copy()
    env.stagger()
    went_on = before > 0
    assert 0 < went_on.sum() < 30
    assert (env.elapsed_steps[went_on] == before[went_on]).all()
    assert len(set(env.elapsed_steps[~went_on])) > 1


def test_an_environment_of_dm_control_is_refused(demonstrations):
    env = make_env("dm_control:cartpole-balance", num_envs=1, randomisation="none")
    with pytest.raises(ConfigError, match=r"demonstrated_starts is 0\.5"):
        begin_in_demonstrations(env, load_demonstrations(demonstrations), 0.5)
