import dataclasses

import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.sim.env import load_task, make_env

LAYOUTS = {"point-maze": 1.0, "point-maze-flipped": -1.0}
"""Side of the gap, by layout."""


def layout(name, num_envs=4):
    env = make_env(name, num_envs=num_envs, randomisation="none", nthread=1, autoreset=False)
    env.reset()
    return env


def place(env, position):
    ids = np.arange(env.num_envs)
    env.task.place(ids, np.tile(position, (env.num_envs, 1)), np.zeros((env.num_envs, 2)))
    env.task.begin(ids)


def steer(env, waypoint):
    """Return actions that go straight to a waypoint, from the observation alone."""
    position, velocity = np.split(env.task.observe()[:, :4], 2, axis=1)
    return np.clip(8.0 * (waypoint - position) - 2.0 * velocity, -1.0, 1.0)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_way_leads_through_the_gap(name):
    env, side = layout(name), LAYOUTS[name]
    goal, gap = np.array([0.0, 0.3]), np.array([0.38 * side, 0.0])
    through = np.zeros((4, 1), dtype=bool)
    for _ in range(env.max_episode_steps):
        through |= np.linalg.norm(env.task.observe()[:, :2] - gap, axis=1, keepdims=True) < 0.04
        step = env.step(steer(env, np.where(through, goal, gap)))
        assert not step.terminated.any()
    assert step.success.all()
    assert step.truncated.all()
    assert env.task.distance().max() < 0.05
    np.testing.assert_array_equal(env.target_position, np.tile([*goal, 0.0], (4, 1)))


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("x", [-0.38, 0.0, 0.38])
def test_the_wall_is_open_on_one_side_alone(name, x):
    env = layout(name)
    place(env, [x, -0.3])
    for _ in range(60):
        env.step(steer(env, np.array([x, 0.3])))
    passed = env.task.observe()[:, 1] > 0.0
    assert passed.all() == (x * LAYOUTS[name] > 0.0)
    # it stops where the sphere of 3 cm touches the wall of 2 cm half thickness
    if not passed.any():
        np.testing.assert_allclose(env.task.observe()[:, 1], -0.05, atol=2e-3)


def test_the_layouts_are_mirror_images():
    one, other = (layout(name) for name in LAYOUTS)
    random = np.random.default_rng(0)
    starts = random.uniform(-0.4, -0.1, (4, 2))
    mirror = np.array([-1.0, 1.0])
    ids, still = np.arange(4), np.zeros((4, 2))
    for env, start in ((one, starts), (other, starts * mirror)):
        env.task.place(ids, start, still)
        env.task.begin(ids)
    for _ in range(80):
        action = random.uniform(-1.0, 1.0, (4, 2))
        first, second = one.step(action), other.step(action * mirror)
        np.testing.assert_allclose(
            first.observation, second.observation * np.tile(mirror, 3), atol=1e-9
        )
        np.testing.assert_allclose(first.reward, second.reward, atol=1e-9)


def test_a_policy_may_go_from_one_layout_to_the_other():
    one, other = (layout(name) for name in LAYOUTS)
    assert one.contract == other.contract
    assert one.contract.observation_slices["position_to_goal"] == slice(4, 6)


def test_reward_is_the_distance_and_the_cost_of_control():
    env = layout("point-maze")
    place(env, [0.0, -0.3])
    step = env.step(np.full((4, 2), 0.5))
    distance = np.linalg.norm(np.array([0.0, 0.3]) - step.observation[:, :2], axis=1)
    np.testing.assert_allclose(step.reward, -distance - 1e-3 * 0.5, atol=1e-12)
    np.testing.assert_allclose(step.observation[:, 4:], [0.0, 0.3] - step.observation[:, :2])


def test_starts_are_spread_over_their_square():
    env = layout("point-maze", num_envs=500)
    offset = env.task.observe()[:, :2] - [0.0, -0.3]
    assert np.abs(offset).max() <= 0.1
    np.testing.assert_allclose(offset.std(axis=0), 0.2 / np.sqrt(12), rtol=0.1)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"gap_width_m": 0.05}, "gap_width_m is 0.05"),
        ({"gap_width_m": 1.0}, "less than the box's width"),
        ({"goal_m": (0.0, 0.49)}, "goal_m is .* not inside the box"),
        ({"start_noise_m": 0.3}, "start_m is .* not inside the box"),
        ({"mass_kg": 0.0}, "mass_kg is 0.0, expected more than 0"),
    ],
)
def test_a_maze_that_does_not_fit_is_refused(replaced, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(load_task("point-maze"), **replaced)
