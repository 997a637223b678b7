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
from trirl_robot.sim.tasks.arm import LIMIT_COMMANDS


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
