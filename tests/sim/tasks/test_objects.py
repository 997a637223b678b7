import dataclasses

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.tasks.objects import ContactConfig, RegionConfig, first_apart, nearness

FLOATS = st.floats(0.0, 1.0, exclude_max=True)


def test_a_cube_slides_as_far_as_its_friction_says(stage):
    stage = stage("so101-push")
    stage.put([0.15, 0.3])
    dof = stage.task.simulation.model.joint("cube").dofadr[0]
    stage.task.simulation.qvel[0, dof] = 0.7
    stage.step(20)
    # v^2 / (2 mu g)
    expected = 0.7**2 / (2.0 * 0.3 * 9.81)
    assert stage.task.cube.position[0, 0] - 0.15 == pytest.approx(expected, rel=0.04)


def test_clearance_is_that_of_the_lowest_corner(stage):
    stage, generator = stage("so101-push"), np.random.default_rng(0)
    corners = 0.015 * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    for _ in range(10):
        quat, rotation = generator.standard_normal(4), np.zeros(9)
        quat /= np.linalg.norm(quat)
        mujoco.mju_quat2Mat(rotation, quat)
        stage.put([0.2, 0.1], height=0.1, quat=quat)
        lowest = (0.1 + corners @ rotation.reshape(3, 3).T[:, 2]).min()
        assert stage.task.cube.clearance[0] == pytest.approx(lowest, abs=1e-9)


@given(uniform=st.tuples(FLOATS, FLOATS))
def test_a_region_holds_what_is_placed_in_it(uniform):
    region = RegionConfig(radius_m=(0.1, 0.3), azimuth_rad=(-0.5, 1.0))
    x, y = region.place(np.array(uniform))
    assert 0.1 - 1e-9 <= np.hypot(x, y) <= 0.3 + 1e-9
    assert -0.5 - 1e-9 <= np.arctan2(y, x) <= 1.0 + 1e-9


def test_the_first_allowed_candidate_is_taken_or_the_nearest_to_allowed():
    place = np.zeros((2, 2))
    candidates = np.array(
        [[[0.05, 0.0], [0.0, 0.12], [0.1, 0.0]], [[0.3, 0.0], [0.0, 0.25], [0.01, 0.0]]]
    )
    chosen = first_apart(place, candidates, 0.1, 0.2)
    np.testing.assert_array_equal(chosen, [[0.0, 0.12], [0.0, 0.25]])


def test_nearness_falls_from_one_to_nothing():
    values = nearness(np.array([0.0, 0.05, 0.1, 0.3, 2.0]))
    assert values[0] == 1.0
    assert (np.diff(values) < 0.0).all()
    assert values[-1] < 1e-6


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sliding_friction", 0.0, "sliding_friction is 0.0, expected more than 0"),
        ("impedance", (0.99, 0.9), "expected two rising numbers"),
        ("friction_to_normal_impedance", 0.5, "expected at least 1"),
    ],
)
def test_contacts_without_meaning_are_refused(name, value, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(ContactConfig(), **{name: value})


def test_a_reset_of_all_in_another_order_measures_each_cube_where_it_is():
    env = make_batch("so101-lift", num_envs=4, randomisation="none", seed=1)
    env.reset(np.array([2, 0, 3, 1]))
    np.testing.assert_array_equal(env.task.arm.measured_objects[:, :3], env.task.cube.position)
