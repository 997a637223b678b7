import dataclasses

import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.sim.env import make_env
from trirl_robot.sim.tasks.registry import load_task

HOLD_STEPS = 13  # 0.5 s at 25 Hz, rounded up


def test_success_is_to_stay_at_the_goal(stage):
    stage = stage("so101-push")
    stage.put(stage.target + np.array([0.021, 0.0, 0.0]))
    steps = [stage.step() for _ in range(HOLD_STEPS)]
    assert [bool(step.success[0]) for step in steps] == [False] * (HOLD_STEPS - 1) + [True]
    assert steps[-1].reward[0] == 1.0
    # a moment away from it, and the time counts anew
    stage.put(stage.target + np.array([0.0, 0.024, 0.0]))
    assert stage.task.distance()[0] == pytest.approx(0.024, abs=1e-9)
    assert not stage.step().success[0]
    stage.put(stage.target)
    assert not stage.step().success[0]


def test_reward_rises_with_the_cube_towards_the_goal_and_the_hand_towards_the_cube(stage):
    stage = stage("so101-push")
    rewards = []
    for distance in (0.2, 0.1, 0.03, 0.01):
        stage.put(stage.target - [distance, 0.0, 0.0])
        rewards.append(stage.step().reward[0])
    assert (np.diff(rewards) > 0.0).all()
    hand = stage.task.arm.end_effector_position[0]
    away = stage.target + 0.1 * (stage.target - hand) / np.linalg.norm(stage.target - hand)
    towards = stage.target - 0.1 * (stage.target - hand) / np.linalg.norm(stage.target - hand)
    pair = []
    for place in (away, towards):
        stage.put(place)
        pair.append(stage.step().reward[0])
    assert pair[0] < pair[1]


def test_a_cube_out_of_reach_ends_the_episode_without_success(stage):
    stage = stage("so101-push")
    stage.put([0.49, 0.0])
    assert not stage.step().terminated[0]
    stage.put([0.36, 0.36])
    step = stage.step()
    assert step.terminated[0]
    assert not step.truncated[0]
    assert not step.success[0]


def test_starts_are_in_the_region_and_goals_at_their_distance():
    env = make_env("so101-push", num_envs=300, nthread=1, seed=4)
    env.reset()
    config, start, goal = env.task_config, env.task.cube.position, env.target_position
    for places in (start, goal):
        radius, azimuth = np.hypot(*places.T[:2]), np.arctan2(places[:, 1], places[:, 0])
        assert (radius > config.region.radius_m[0] - 1e-9).all()
        assert (radius < config.region.radius_m[1] + 1e-9).all()
        assert (np.abs(azimuth) < config.region.azimuth_rad[1] + 1e-9).all()
    distance = env.task.distance()
    assert (distance >= config.goal_distance_m[0]).all()
    assert (distance <= config.goal_distance_m[1]).all()
    # nobody starts where another does, nor in success
    assert len(np.unique(start.round(6), axis=0)) == 300
    assert not env.task.fulfilled().any()


def test_the_gripper_is_not_commanded():
    env = make_env("so101-push", num_envs=1, nthread=1)
    assert env.contract.action_size == 5
    assert env.contract.gripper is None


def test_a_goal_within_success_of_the_start_is_refused():
    with pytest.raises(ConfigError, match="the cube would start at its goal"):
        dataclasses.replace(load_task("so101-push"), goal_distance_m=(0.01, 0.2))
