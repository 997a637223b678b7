"""The scripted operators that push, lift and place."""

import dataclasses

import numpy as np
import pytest

from teleop.backends.mujoco import MujocoBackend
from teleop.devices import open_device
from teleop.devices.base import DeviceContext
from teleop.operators.hand import Movement
from trirl_robot.errors import ConfigError
from trirl_robot.sim.tasks.registry import load_task

EPISODES = 24
TASKS = ("so101-push", "so101-lift", "so101-place")


@pytest.fixture(scope="module", params=TASKS)
def performed(request, perform):
    return perform(request.param, 5, EPISODES)


def test_solves_the_task_under_the_training_randomisation(performed):
    assert performed.success.mean() >= 0.9


def test_moves_smoothly_and_each_time_otherwise(performed):
    action = performed.action
    # seldom at the limit; no command jumps, and no two episodes are alike
    assert (np.abs(action) >= 0.999).any(axis=-1).mean() < 0.12
    assert np.median(np.abs(np.diff(action, axis=1))) < 0.1
    assert np.abs(action[0] - action[1]).max() > 0.2


def test_rewards_rise_to_success(performed):
    good = performed.reward[performed.success]
    assert (good >= 0.0).all()
    assert (good <= 1.0).all()
    assert (good[:, -12:] == 1.0).all()
    assert good[:, 0].max() < 0.5


def test_a_seed_fixes_a_demonstration(perform):
    first, again = (perform("so101-place", 7, 1) for _ in range(2))
    np.testing.assert_array_equal(first.action, again.action)


def context_of(task):
    backend = MujocoBackend(task, randomisation="none", seed=0)
    return DeviceContext(
        contract=backend.contract, robot=backend.robot, task=backend.task_config, seed=(0,)
    )


def test_a_robot_that_does_not_say_how_its_hand_points_is_refused():
    context = context_of("so101-push")
    effector = dataclasses.replace(context.robot.end_effector, hand=None)
    robot = dataclasses.replace(context.robot, end_effector=effector)
    with pytest.raises(ConfigError, match="does not say how its hand points"):
        open_device("scripted", dataclasses.replace(context, robot=robot))


def test_a_task_that_nobody_knows_is_refused():
    context = dataclasses.replace(context_of("so101-reach"), task=load_task("hopper"))
    with pytest.raises(ConfigError, match="does not know tasks of the kind 'hopper'; it knows"):
        open_device("scripted", context)


def test_a_movement_passes_its_points_at_a_bell_shaped_speed():
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    movement = Movement(start_s=1.0, duration_s=2.0, path=path)
    np.testing.assert_array_equal(movement.at(0.5), path[0])
    np.testing.assert_allclose(movement.at(2.0), path[1])
    np.testing.assert_allclose(movement.at(np.inf), path[2])
    times = np.linspace(1.0, 3.0, 81)
    way = np.abs(np.diff([movement.at(t) for t in times], axis=0)) @ [1.0, 0.5]
    assert way[0] < 0.01 * way.max()
    assert way[-1] < 0.01 * way.max()
    assert np.argmax(way) in (39, 40)
    # minimum jerk: the greatest speed is 15/8 of the mean
    assert way.max() == pytest.approx(15 / 8 * way.mean(), rel=0.01)
