import numpy as np
import pytest

from teleop.ik import InverseKinematics, pointing_down, tilt_of, yaw_of
from trirl_robot.kinematics import ForwardKinematics
from trirl_robot.sim.env import make_env
from trirl_robot.sim.robots import load_robot


@pytest.fixture(scope="module")
def ik():
    return InverseKinematics(load_robot("so101"))


@pytest.fixture(scope="module")
def env():
    return make_env("so101-reach", num_envs=1, randomisation="none", nthread=1)


def test_agrees_with_the_contract(ik, env):
    """Two descriptions of the arm, one of mink's and one of the contract's screws."""
    forward = ForwardKinematics(env.contract.kinematics, env.contract.joint_names)
    for pose in env.task.sample_poses(20, np.random.default_rng(0)):
        np.testing.assert_allclose(
            ik.end_effector_position(pose), forward.end_effector_position(pose), atol=1e-6
        )


def test_reaches_every_place_from_everywhere(ik, env):
    generator = np.random.default_rng(1)
    starts, goals = (env.task.sample_poses(40, generator) for _ in range(2))
    errors = []
    for start, goal in zip(starts, goals, strict=True):
        target = ik.end_effector_position(goal)
        found = ik.solve(start, target)
        errors.append(np.linalg.norm(ik.end_effector_position(found) - target))
        limits = env.contract.limits
        assert all(
            limit.position_min <= q <= limit.position_max
            for limit, q in zip(limits, found, strict=True)
        )
    assert np.median(errors) < 1e-3
    assert max(errors) < 3e-3


def test_out_of_reach_gives_the_nearest_place(ik):
    found = ik.solve(np.zeros(5), np.array([3.0, 0.0, 0.2]))
    assert np.isfinite(found).all()
    # it stretches out towards the target
    assert ik.end_effector_position(found)[0] > 0.35


def test_the_hand_points_down_and_opens_where_it_should(ik):
    hand = load_robot("so101").end_effector.hand
    generator = np.random.default_rng(0)
    for _ in range(20):
        radius, azimuth = generator.uniform([0.18, -0.7], [0.28, 0.7])
        target = np.array([radius * np.cos(azimuth), radius * np.sin(azimuth), 0.014])
        yaw = azimuth + generator.uniform(-1.2, 1.2)
        found = ik.solve_pose(np.zeros(5), target, pointing_down(hand, yaw))
        place, orientation = ik.end_effector_pose(found)
        assert np.linalg.norm(place - target) < 2e-3
        assert tilt_of(hand, orientation) < 0.1
        assert abs(yaw_of(hand, orientation) - yaw) < 0.05


def test_orientation_gives_way_to_position(ik):
    hand = load_robot("so101").end_effector.hand
    # so high and far the hand cannot point down
    target = np.array([0.3, 0.0, 0.15])
    place, orientation = ik.end_effector_pose(
        ik.solve_pose(np.zeros(5), target, pointing_down(hand, 0.0))
    )
    assert tilt_of(hand, orientation) > 0.2
    assert np.linalg.norm(place - target) < 0.01
