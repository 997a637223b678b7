import dataclasses

import mujoco
import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.sim.env import BatchEnv, make_env
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX
from trirl_robot.sim.tasks.registry import load_task


def rollout(env, steps, seed=0):
    generator = np.random.default_rng(seed)
    observation = [env.reset()]
    for _ in range(steps):
        step = env.step(generator.uniform(-1, 1, (env.num_envs, env.contract.action_size)))
        observation.append(step.observation)
    return np.array(observation)


def test_trajectories_do_not_depend_on_threads():
    runs = [rollout(make_env("so101-reach", num_envs=6, seed=3, nthread=n), 120) for n in (1, 2, 4)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_a_task_without_allowed_poses_is_refused_and_does_not_hang():
    task = dataclasses.replace(load_task("so101-reach"), minimum_height_m=5.0)
    with pytest.raises(ConfigError, match=r"at least 5\.0 m high \(minimum_height_m\)"):
        BatchEnv(task, 2, randomisation=load_randomisation("none"), seed=0).reset()


def test_another_seed_is_another_trajectory():
    first, second = (rollout(make_env("so101-reach", num_envs=2, seed=s), 3) for s in (0, 1))
    assert not np.allclose(first, second)


def test_a_restored_environment_goes_on_bit_for_bit():
    env = make_env("so101-reach", num_envs=5, seed=1)
    rollout(env, 130)
    state = env.get_state()
    other = make_env("so101-reach", num_envs=5, seed=99)
    other.reset()
    other.set_state(state)
    generator = np.random.default_rng(5)
    for _ in range(120):
        action = generator.uniform(-1, 1, (5, 5))
        first, second = env.step(action), other.step(action)
        np.testing.assert_array_equal(first.observation, second.observation)
        np.testing.assert_array_equal(first.success, second.success)
    assert env.drawn(2) == other.drawn(2)


def test_episodes_end_by_time_and_keep_their_final_observation():
    env = make_env("so101-reach", num_envs=3, seed=0)
    env.reset()
    for _ in range(env.max_episode_steps - 1):
        assert not env.step(np.zeros((3, 5))).done.any()
    target = env.target_position.copy()
    step = env.step(np.zeros((3, 5)))
    assert step.truncated.all()
    assert not step.terminated.any()
    assert not np.allclose(step.observation, step.final_observation)
    place = env.contract.observation_slices
    seen = (
        step.final_observation[:, place["end_effector_position"]]
        + step.final_observation[:, place["end_effector_to_target"]]
    )
    np.testing.assert_allclose(seen, target)


def test_staggered_episodes_end_at_different_times():
    env = make_env("so101-reach", num_envs=10, seed=0)
    env.reset()
    env.stagger()
    ends = [int(env.step(np.zeros((10, 5))).done.sum()) for _ in range(100)]
    assert max(ends) == 1
    assert sum(ends) == 10


def place_at_target(env):
    env.task.target_position[:] = env.task.arm.end_effector_position


def test_success_needs_the_whole_hold_time():
    env = make_env("so101-reach", num_envs=1, randomisation="none", autoreset=False)
    env.reset()
    place_at_target(env)
    # 0.5 s at 25 Hz are 12.5 periods
    success = [bool(env.step(np.zeros((1, 5))).success[0]) for _ in range(13)]
    assert success == [False] * 12 + [True]
    env.task.target_position[:] += 0.03
    assert not env.step(np.zeros((1, 5))).success[0]
    place_at_target(env)
    assert not env.step(np.zeros((1, 5))).success[0]


def test_starts_touch_nothing_and_targets_are_above_the_table():
    env = make_env("so101-reach", num_envs=400, randomisation="none", seed=7)
    env.reset()
    assert (env.target_position[:, 2] >= env.task_config.minimum_height_m - 1e-9).all()
    contacts = 0
    for sim in range(env.num_envs):
        data = env.task.simulation.batch.get_data(sim)
        mujoco.mj_fwdPosition(env.task.simulation.model, data)
        contacts += data.ncon
    assert contacts == 0


def test_commands_respect_the_joint_ranges_of_the_model():
    env = make_env("so101-reach", num_envs=4, randomisation="none", autoreset=False)
    env.reset()
    for _ in range(99):
        env.step(np.ones((4, 5)))
    for i, name in enumerate(env.contract.joint_names):
        high = env.task.simulation.model.joint(PREFIX + name).range[1]
        assert (env.task.command[:, i] <= high + 1e-12).all()
        assert (env.task.command[:, i] >= high - 0.5).all()


def test_unknown_names_offer_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'so101'"):
        load_robot("so100")
    with pytest.raises(ConfigError, match="did you mean 'so101-reach'"):
        load_task("so101-reech")
    with pytest.raises(ConfigError, match="did you mean 'shifted'"):
        make_env("so101-reach", num_envs=1, randomisation="shiftd")
