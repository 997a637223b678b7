import dataclasses

import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.sim.tasks.registry import load_task

HOLD_STEPS = 13  # 0.5 s at 25 Hz, rounded up


def test_success_is_to_rest_on_the_pad_untouched(stage):
    stage = stage("so101-place")
    stage.put(stage.target + np.array([0.0, 0.019, 0.0]))
    steps = [stage.step() for _ in range(HOLD_STEPS)]
    assert [bool(step.success[0]) for step in steps] == [False] * (HOLD_STEPS - 1) + [True]
    assert steps[-1].reward[0] == 1.0


@pytest.mark.parametrize(
    ("offset", "height", "quat"),
    [
        ((0.021, 0.0), None, (1.0, 0.0, 0.0, 0.0)),  # beside the pad
        ((0.0, 0.0), 0.03, (1.0, 0.0, 0.0, 0.0)),  # above it
        ((0.0, 0.0), 0.0212, (np.cos(np.pi / 8), np.sin(np.pi / 8), 0.0, 0.0)),  # on an edge
    ],
)
def test_nothing_less_will_do(stage, offset, height, quat):
    stage = stage("so101-place")
    stage.put(stage.target[:2] + offset, height=height, quat=quat)
    assert not stage.task.fulfilled()[0]


def test_any_face_will_do(stage):
    stage = stage("so101-place")
    stage.put(stage.target, quat=(np.cos(np.pi / 4), np.sin(np.pi / 4), 0.0, 0.0))
    assert stage.task.fulfilled()[0]


def test_a_moving_cube_does_not_rest(stage):
    stage = stage("so101-place")
    stage.put(stage.target)
    dof = stage.task.simulation.model.joint("cube").dofadr[0]
    stage.task.simulation.qvel[0, dof] = 0.1
    assert not stage.task.resting[0]


def test_carrying_is_worth_more_near_the_pad_and_letting_go_most(stage):
    far = stage("so101-place")
    far.put_into_gripper()
    near = stage("so101-place")
    near.put_into_gripper()
    near.task.target_position[0] = near.task.cube.position[0]
    beside = stage("so101-place")
    placed = stage("so101-place")
    placed.put(placed.target)
    rewards = [each.step().reward[0] for each in (beside, far, near, placed)]
    assert rewards[0] < 0.2 < rewards[1] < rewards[2] < 0.8 < rewards[3] == 1.0


def test_a_pad_under_the_cube_is_refused():
    with pytest.raises(ConfigError, match="the cube would start on its pad"):
        dataclasses.replace(load_task("so101-place"), pad_distance_m=(0.0, 0.2))
