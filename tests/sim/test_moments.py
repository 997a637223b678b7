import numpy as np
import pytest

from trirl_robot.errors import DatasetError
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.moments import Moments

EVERY = 7


def recorded(task, randomisation="none", steps=60):
    """Return an episode under smooth actions, of one environment: moments and actions."""
    env = make_batch(task, num_envs=1, randomisation=randomisation, seed=4)
    observation, random = env.reset(), np.random.default_rng(0)
    rows, action = [], np.zeros((1, env.contract.action_size))
    for step in range(steps):
        action = np.clip(0.8 * action + random.normal(0.0, 0.3, action.shape), -1.0, 1.0)
        rows.append((env.state_vector(0), observation[0], env.target_position[0], step, action[0]))
        taken = env.step(action)
        observation = taken.observation
        if taken.done[0]:
            break
    state, seen, target, step, actions = (np.array(column) for column in zip(*rows, strict=True))
    return Moments(state=state, observation=seen, target=target, step=step), actions


@pytest.mark.parametrize("task", ["hopper", "half-cheetah", "walker2d", "point-maze"])
def test_an_episode_that_goes_on_from_a_moment_runs_as_the_recorded_one_did(task):
    moments, actions = recorded(task)
    env = make_batch(task, num_envs=8, randomisation="none", seed=9)
    env.go_on_from(moments, 1.0)
    observation = env.reset()
    begun = env.elapsed_steps.copy()
    assert len(set(begun.tolist())) > 3
    for step in range(len(moments)):
        going_on = np.flatnonzero(begun + step < len(moments))
        if not len(going_on):
            break
        at = begun[going_on] + step
        np.testing.assert_allclose(observation[going_on], moments.observation[at], atol=1e-7)
        action = actions[np.minimum(begun + step, len(moments) - 1)]
        observation = env.step(action).observation


@pytest.mark.parametrize("task", ["so101-reach", "so101-push", "so101-lift", "so101-place"])
def test_an_arm_goes_on_from_where_it_and_the_cube_were(task):
    moments, _ = recorded(task)
    env = make_batch(task, num_envs=16, randomisation="none", seed=9)
    env.go_on_from(moments, 1.0)
    observation = env.reset()
    at = env.elapsed_steps
    np.testing.assert_array_equal(env.task.simulation.motion, moments.state[at, 1:])
    np.testing.assert_array_equal(env.target_position, moments.target[at])
    place = env.contract.observation_slices
    # what is not measured, and so has no noise
    for field in ("joint_command", "previous_action"):
        found, expected = observation[:, place[field]], moments.observation[at, place[field]]
        np.testing.assert_allclose(found, expected, atol=5e-3, err_msg=field)
    if task == "so101-push":
        mark = env.task.simulation.batch.bind("mocap_pos")[:, 0, :2]
        np.testing.assert_array_equal(mark, moments.target[at, :2])


def test_an_arm_that_goes_on_is_not_jerked_from_where_it_was():
    moments, actions = recorded("so101-reach")
    env = make_batch("so101-reach", num_envs=16, randomisation="none", seed=9)
    env.go_on_from(moments, 1.0)
    env.reset()
    begun = env.elapsed_steps.copy()
    inner = begun < len(moments) - 1
    env.step(actions[begun])
    motion = env.task.simulation.motion[inner]
    joints = motion.shape[1] // 2
    step = np.abs(np.diff(moments.state[:, 1 : 1 + joints], axis=0)).max()
    error = np.abs(motion - moments.state[begun[inner] + 1, 1:])[:, :joints].max()
    assert error < 0.25 * step


def test_a_share_of_the_episodes_goes_on_and_is_as_old_as_the_recorded_one_was():
    moments, _ = recorded("so101-reach")
    late = moments[np.arange(EVERY, len(moments))]
    env = make_batch("so101-reach", num_envs=400, randomisation="none", seed=0)
    env.go_on_from(late, 0.25)
    env.reset()
    old = env.elapsed_steps >= EVERY
    assert 0.18 < old.mean() < 0.32
    assert (env.elapsed_steps[~old] == 0).all()
    # the others begin as they would have begun
    plain = make_batch("so101-reach", num_envs=400, randomisation="none", seed=0)
    plain.reset()
    np.testing.assert_array_equal(
        env.task.simulation.motion[~old], plain.task.simulation.motion[~old]
    )


def test_dynamics_are_those_that_the_episode_has_drawn():
    moments, _ = recorded("so101-push")
    env, plain = (
        make_batch("so101-push", num_envs=4, randomisation="strong", seed=0) for _ in range(2)
    )
    env.go_on_from(moments, 1.0)
    env.reset()
    plain.reset()
    assert [env.drawn(sim) for sim in range(4)] == [plain.drawn(sim) for sim in range(4)]
    bias = env.task.arm.encoder_position(np.arange(4), np.zeros((4, 1)))
    lead = env.task.command - env.task.arm.joint_position - bias
    place = env.contract.observation_slices
    seen = moments.observation[env.elapsed_steps]
    expected = seen[:, place["joint_command"]] - seen[:, place["joint_position"]]
    np.testing.assert_allclose(lead, expected, atol=1e-12)


def test_states_of_another_scene_are_refused():
    moments, _ = recorded("so101-reach")
    env = make_batch("so101-push", num_envs=2, randomisation="none", seed=0)
    with pytest.raises(DatasetError, match="13 values, expected 26"):
        env.go_on_from(moments, 0.5)
