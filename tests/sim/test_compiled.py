"""Compiled loops do what the same lines do in Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.command import ActionMapping
from trirl_robot.kinematics import ForwardKinematics
from trirl_robot.sim.arm import MOVE_TIPS
from trirl_robot.sim.compiled import distances
from trirl_robot.sim.env import make_env
from trirl_robot.sim.joint_loops import write_controls
from trirl_robot.sim.tasks.arm import LIMIT_COMMANDS
from trirl_robot.sim.wiring import Wiring


@pytest.fixture(scope="module")
def contract():
    return make_env("so101-reach", num_envs=1, randomisation="none").contract


@given(seed=st.integers(0, 2**32 - 1), lost=st.booleans())
def test_a_robot_and_a_simulation_are_commanded_alike_to_the_last_bit(contract, seed, lost):
    generator = np.random.default_rng(seed)
    action, position, velocity = generator.uniform(-2.0, 2.0, (3, 4, 5))
    if lost:
        action[0, 0] = np.nan
    plain = ActionMapping(contract).command(action, position, velocity)
    fast = ActionMapping(contract, loop=LIMIT_COMMANDS).command(action, position, velocity)
    for name in ("position", "velocity", "velocities", "positions", "actions"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(fast, name))


@given(seed=st.integers(0, 2**32 - 1))
def test_a_robot_and_a_simulation_find_the_hand_at_the_same_place_to_the_last_bit(contract, seed):
    joints = np.random.default_rng(seed).uniform(-3.0, 3.0, (4, 5))
    plain = ForwardKinematics(contract.kinematics, contract.joint_names)
    fast = ForwardKinematics(contract.kinematics, contract.joint_names, loop=MOVE_TIPS)
    np.testing.assert_array_equal(
        plain.end_effector_position(joints), fast.end_effector_position(joints)
    )


def test_distances_are_euclidean():
    first, second = np.random.default_rng(0).normal(size=(2, 6, 3))
    np.testing.assert_allclose(
        distances(first, second), np.linalg.norm(first - second, axis=1), rtol=1e-15
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_the_controls_of_a_batch_are_those_of_its_wiring(seed):
    generator = np.random.default_rng(seed)
    nowhere = np.zeros(0, dtype=np.intp)
    # three joints; the last actuator is a finger that follows the gripper, the second takes speed
    wiring = Wiring(
        joint_names=("a", "b", "gripper"),
        qpos_index=nowhere,
        dof_index=nowhere,
        position_index=nowhere,
        position_source=nowhere,
        position_ratio=np.zeros(0),
        control_index=np.array([4, 0, 2, 3]),
        control_source=np.array([0, 1, 2, 2]),
        control_ratio=np.array([1.0, 1.0, 1.0, -0.5]),
        takes_velocity=np.array([False, True, False, False]),
    )
    position, velocity = generator.normal(size=(2, 6, 3))
    ctrl = np.full((6, 5), 7.0)
    write_controls(
        *(position, velocity, np.zeros((6, 3)), wiring.control_source, wiring.takes_velocity),
        *(wiring.control_ratio, wiring.control_index, ctrl),
    )
    expected = np.full((6, 5), 7.0)
    expected[:, wiring.control_index] = wiring.controls(position, velocity)
    np.testing.assert_array_equal(ctrl, expected)
