import dataclasses

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch, make_env
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


# resets and diverging simulations leave the others alone


def driven(env, steps, seed=0):
    """Drive at random; yield the number of each step, and what it returned."""
    actions = np.random.default_rng(seed).uniform(
        -1, 1, (steps, env.num_envs, env.contract.action_size)
    )
    for i, action in enumerate(actions):
        yield i, env.step(action)


@given(ids=st.sets(st.integers(0, 5), min_size=1), when=st.integers(0, 20))
@settings(max_examples=8)
@pytest.mark.parametrize("task", ["so101-reach", "hopper"])
def test_a_reset_leaves_the_others_untouched(task, ids, when):
    reset, kept = twins(task)
    others = sorted(set(range(6)) - ids)
    for (i, first), (_, second) in zip(driven(reset, 40), driven(kept, 40), strict=True):
        same(first, second, others)
        if i == when:
            reset.reset(np.array(sorted(ids)))
    np.testing.assert_array_equal(
        reset.task.simulation.batch.state[others], kept.task.simulation.batch.state[others]
    )
    assert [reset.drawn(i) for i in others] == [kept.drawn(i) for i in others]


MADE = {}


def twins(task):
    """Two equal environments of six under `strong`, before their first step."""
    if task not in MADE:
        MADE[task] = [
            make_batch(task, num_envs=6, randomisation="strong", nthread=2) for _ in range(2)
        ]
    for env in MADE[task]:
        env.reseed(3)
        env.reset()
    return MADE[task]


def same(first, second, rows):
    for name in ("observation", "final_observation", "reward", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(first, name)[rows], getattr(second, name)[rows])


@pytest.mark.parametrize("task", ["so101-reach", "so101-lift", "half-cheetah", "ant", "hopper"])
@pytest.mark.parametrize("poison", [np.nan, 1e12])
def test_a_diverging_simulation_is_reset_counted_named_and_not_noticed(task, poison, caplog):
    ill, well = twins(task)
    before, key, drawn = ill.num_diverged, ill.episode_key(2), ill.drawn(2)
    others = [0, 1, 3, 4, 5]
    for (i, first), (_, second) in zip(driven(ill, 60), driven(well, 60), strict=True):
        same(first, second, others)
        assert np.isfinite(first.observation).all()
        assert np.isfinite(first.reward).all()
        if i == 7:
            key, drawn = ill.episode_key(2), ill.drawn(2)
            seen = first.observation[2].copy()
            ill.task.simulation.qvel[2, 0] = poison
        if i == 8:
            assert first.truncated[2]
            assert not first.terminated[2]
            assert not first.success[2]
            np.testing.assert_array_equal(first.final_observation[2], seen)
            assert ill.episode_key(2).episode == key.episode + 1
    assert ill.num_diverged == before + 1
    assert well.num_diverged == 0
    (record,) = (r for r in caplog.records if "diverged" in r.message)
    assert record.message.startswith("simulation 2 diverged in EpisodeKey(")
    assert str(key) in record.message
    assert str(drawn) in record.message
    np.testing.assert_array_equal(
        ill.task.simulation.batch.state[others], well.task.simulation.batch.state[others]
    )


@pytest.mark.parametrize("task", ["so101-lift", "ant"])
def test_strong_randomisation_does_not_depend_on_threads(task):
    runs = [
        rollout(make_batch(task, num_envs=6, seed=3, nthread=n, randomisation="strong"), 60)
        for n in (1, 2, 4)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@pytest.mark.parametrize("task", ["so101-reach", "half-cheetah"])
def test_an_environment_restored_under_strong_goes_on_bit_for_bit(task):
    env = make_batch(task, num_envs=4, seed=1, randomisation="strong")
    rollout(env, 90)
    other = make_batch(task, num_envs=4, seed=99, randomisation="strong")
    other.reset()
    other.set_state(env.get_state())
    for (_, first), (_, second) in zip(driven(env, 120), driven(other, 120), strict=True):
        same(first, second, slice(None))
    assert [env.drawn(i) for i in range(4)] == [other.drawn(i) for i in range(4)]
