import dataclasses

import numpy as np
import pytest

from trirl_robot.config import find_config
from trirl_robot.errors import ConfigError
from trirl_robot.sim.env import make_env
from trirl_robot.sim.randomisation.config import RandomisationTerm
from trirl_robot.sim.tasks.registry import load_task

HOLD_STEPS = 13  # 0.5 s at 25 Hz, rounded up


@pytest.fixture
def gripping(stage):
    """The gripper at its home pose, 7 cm high and more, with the cube in it."""
    stage = stage("so101-lift", lift_height_m=0.05)
    stage.put_into_gripper()
    return stage


def test_success_is_to_hold_the_cube_up(gripping):
    assert gripping.task.grasped[0]
    assert gripping.task.touched[0]
    assert gripping.task.distance()[0] == 0.0
    successes = [bool(gripping.step().success[0]) for _ in range(HOLD_STEPS - 1)]
    assert successes == [False] * (HOLD_STEPS - 2) + [True]


def creep(stage):
    """Return how far the cube moves in the hand within three seconds, m."""
    offset = []
    for steps in (25, 75):
        stage.step(steps)
        offset.append(stage.task.cube.position[0] - stage.task.arm.end_effector_position[0])
    return float(np.linalg.norm(offset[1] - offset[0]))


def test_a_held_cube_stays_where_it_is(stage, gripping):
    """Contact settings: with MuJoCo's own ratio of impedances, a cube creeps out of the grip."""
    config = load_task("so101-lift").cube
    contacts = dataclasses.replace(config.contacts, friction_to_normal_impedance=1.0)
    other = stage("so101-lift", cube=dataclasses.replace(config, contacts=contacts))
    other.put_into_gripper()
    ours, theirs = creep(gripping), creep(other)
    assert ours < 2e-4
    assert theirs > 2.0 * ours


def test_height_counts_in_the_gripper_alone(gripping):
    task = gripping.task
    held = gripping.step().reward[0]
    assert held == 1.0
    gripping.put([0.25, 0.2], height=0.2)
    flying = gripping.step().reward[0]
    assert task.cube.clearance[0] > 0.05
    assert not gripping.task.grasped[0]
    assert not gripping.task.fulfilled()[0]
    assert flying < 0.2


def test_a_grasp_is_worth_more_than_a_touch_and_height_more_than_a_grasp(stage):
    low, high = (stage("so101-lift", lift_height_m=height) for height in (0.5, 0.15))
    for each in (low, high):
        each.put_into_gripper()
    beside = stage("so101-lift")
    rewards = [each.step().reward[0] for each in (beside, low, high)]
    assert rewards[0] < 0.2 < rewards[1] < rewards[2] < 1.0


def test_on_the_table_all_the_height_is_missing(stage):
    stage = stage("so101-lift")
    stage.put([0.2, 0.0])
    assert stage.task.distance()[0] == pytest.approx(0.1, abs=1e-9)
    assert stage.target[2] == pytest.approx(0.1 + 0.015)


def test_the_gripper_is_the_last_joint():
    env = make_env("so101-lift", num_envs=2, nthread=1)
    observation = env.reset()
    assert env.contract.joint_names[-1] == env.contract.gripper.joint == "gripper"
    assert observation.shape == (2, env.contract.observation_size) == (2, 4 * 6 + 16)


def test_observes_the_cube_as_a_camera_would(stage):
    terms = tuple(
        RandomisationTerm(
            quantity="sensor_noise", where=(where,), distribution="constant", value=value
        )
        for where, value in (("object_position.*", 0.002), ("object_orientation.*", 0.05))
    )
    stage = stage("so101-lift", terms)
    stage.put([0.2, 0.1], quat=(-np.cos(0.2), 0.0, 0.0, -np.sin(0.2)))
    place = stage.env.contract.observation_slices
    seen = [stage.step().observation[0] for _ in range(60)]
    orientation = np.array(seen)[:, place["object_orientation"]]
    np.testing.assert_allclose(np.linalg.norm(orientation, axis=1), 1.0)
    # of two quaternions that mean the same, the one that a learner has seen
    assert (orientation[:, 0] > 0.0).all()
    np.testing.assert_allclose(np.median(2 * np.arcsin(orientation[:, 3])), 0.4, atol=0.05)
    position = np.array(seen)[:, place["object_position"]]
    assert 0.0015 < position[:, :2].std(axis=0).mean() < 0.0025
    offset = np.array(seen)[:, place["end_effector_to_object"]]
    effector = np.array(seen)[:, place["end_effector_position"]]
    np.testing.assert_allclose(offset + effector, position, atol=1e-12)


def test_a_restored_environment_goes_on_bit_for_bit():
    first, second = (make_env("so101-lift", num_envs=3, seed=s, nthread=1) for s in (1, 9))
    generator = np.random.default_rng(0)
    first.reset(), second.reset()
    for _ in range(70):
        first.step(generator.uniform(-1, 1, (3, 6)))
    second.set_state(first.get_state())
    for _ in range(70):
        action = generator.uniform(-1, 1, (3, 6))
        ours, theirs = first.step(action), second.step(action)
        np.testing.assert_array_equal(ours.observation, theirs.observation)
        np.testing.assert_array_equal(ours.reward, theirs.reward)


def test_a_robot_without_a_gripper_is_refused(tmp_path):
    text = find_config("robots", "so101").read_text()
    start, end = text.index("gripper:"), text.index("end_effector:")
    robot = tmp_path / "handless.yaml"
    robot.write_text((text[:start] + text[end:]).replace("name: so101", "name: handless"))
    task = tmp_path / "lift.yaml"
    for kind in ("lift", "push"):
        text = find_config("tasks", f"so101-{kind}").read_text()
        task.write_text(text.replace("robot: so101", f"robot: {robot}"))
        if kind == "push":  # needs none
            assert make_env(str(task), num_envs=1, nthread=1).contract.action_size == 5
            continue
        with pytest.raises(ConfigError, match="'so101-lift' needs a gripper, and robot 'handless'"):
            make_env(str(task), num_envs=1, nthread=1)


def test_a_region_beyond_where_the_cube_is_lost_is_refused():
    with pytest.raises(ConfigError, match="expected more than the region's greatest radius"):
        dataclasses.replace(load_task("so101-lift"), maximum_radius_m=0.2)
