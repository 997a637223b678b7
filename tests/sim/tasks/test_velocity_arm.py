"""An arm whose actuators take velocities: Jaco, through the same task as SO-101."""

import numpy as np
import pytest

from trirl_robot.sim.env import make_env

PERIOD_S = 0.04


@pytest.fixture
def env():
    env = make_env("jaco-reach", num_envs=2, randomisation="none", autoreset=False)
    env.reset()
    return env


def test_joints_turn_at_the_commanded_speed(env):
    action = np.zeros((2, 6))
    action[0, 0], action[1, 5] = 0.5, -1.0
    for _ in range(15):
        env.step(action)
    before = env.task.arm.joint_position
    for _ in range(25):
        env.step(action)
    speed = (env.task.arm.joint_position - before) / (25 * PERIOD_S)
    scale = np.array(env.contract.action[0].scale)
    np.testing.assert_allclose(speed, action * scale, atol=0.02)


def test_a_speed_is_reached_no_faster_than_the_limit_of_acceleration(env):
    limit = env.contract.limits[0].acceleration
    velocities = []
    for _ in range(5):
        env.step(np.ones((2, 6)))
        velocities.append(env.task.simulation.ctrl[0, 0])
    changes = np.diff([0.0, *velocities])
    assert (changes <= limit * PERIOD_S + 1e-9).all()
    assert velocities[-1] == pytest.approx(env.contract.action[0].scale[0])


def test_commands_start_from_where_the_joint_is(env):
    for _ in range(10):
        env.step(np.ones((2, 6)))
    np.testing.assert_array_equal(env.task.command, env.task.arm.measured_joint_position)
    for _ in range(200):
        env.step(np.ones((2, 6)))
    high = [limit.position_max for limit in env.contract.limits]
    assert (env.task.arm.joint_position <= np.array(high) + 0.05).all()


def test_an_arm_without_commands_stays(env):
    before = env.task.arm.joint_position
    for _ in range(50):
        env.step(np.zeros((2, 6)))
    np.testing.assert_allclose(env.task.arm.joint_position, before, atol=0.01)
