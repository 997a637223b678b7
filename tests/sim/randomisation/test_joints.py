"""Drawn joints are seen by physics."""

import numpy as np
import pytest
from dynamics_world import WEIGHTLESS, constant, uniform, world

SLIDER = """<worldbody><body name="cart">
  <joint name="rail" type="slide" axis="1 0 0" {}/>
  <geom type="box" size=".1 .1 .1" mass="2" contype="0" conaffinity="0"/></body></worldbody>
  <actuator><motor name="motor" joint="rail"/></actuator>"""


def slider(*terms, attributes="", **rest):
    return world(WEIGHTLESS, SLIDER.format(attributes), *terms, **rest)


def test_damping_slows_a_cart_exponentially():
    """The velocity goes with exp(-b t / m)."""
    cart = slider(constant("joint_damping", 3.0), attributes='damping="4"')
    cart.qvel[:] = 1.0
    cart.step(200)
    np.testing.assert_allclose(cart.qvel[0, 0], np.exp(-12.0 * 0.2 / 2.0), rtol=5e-3)


def test_damping_can_be_added_to_a_joint_that_has_none():
    cart = slider(constant("joint_damping", 12.0, operation="add"))
    cart.qvel[:] = 1.0
    cart.step(200)
    np.testing.assert_allclose(cart.qvel[0, 0], np.exp(-12.0 * 0.2 / 2.0), rtol=5e-3)


def test_armature_adds_to_the_inertia():
    for factor in (1.0, 3.0):
        cart = slider(constant("joint_armature", factor), attributes='armature="0.5"')
        expected = 1.0 / (2.0 + 0.5 * factor)
        np.testing.assert_allclose(cart.acceleration(1.0)[0, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_friction_loss_decelerates_by_force_over_mass(factor):
    cart = slider(constant("joint_friction_loss", factor), attributes='frictionloss="0.4"')
    cart.qvel[:] = 1.0
    cart.step(100)
    np.testing.assert_allclose(cart.qvel[0, 0], 1.0 - 0.4 * factor / 2.0 * 0.1, rtol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_stiffness_sets_the_period(factor):
    """A quarter of the period 2 pi sqrt(m / k) after its release, a cart passes the middle."""
    cart = slider(constant("joint_stiffness", factor), attributes='stiffness="50"')
    cart.qpos[:] = 0.1
    quarter = 0.5 * np.pi * np.sqrt(2.0 / (50.0 * factor))
    cart.step(round(quarter / 0.001))
    np.testing.assert_allclose(cart.qpos[0, 0], 0.0, atol=2e-3)
    assert cart.qvel[0, 0] < 0.0


def test_the_reference_is_where_the_spring_rests():
    cart = slider(constant("joint_reference", 0.05), attributes='stiffness="50" damping="20"')
    cart.step(3000)
    np.testing.assert_allclose(cart.qpos[0, 0], 0.05, atol=1e-6)


@pytest.mark.parametrize(("side", "sign"), [("joint_range_high", 1.0), ("joint_range_low", -1.0)])
def test_a_cart_stops_at_the_end_of_its_range(side, sign):
    """The limit is soft: it gives way by the same as at the model's own end."""
    places = []
    for shift in (0.0, 0.1):
        cart = slider(
            constant(side, sign * shift), attributes='limited="true" range="-.2 .2" damping="20"'
        )
        cart.step(4000, ctrl=sign * 5.0)
        places.append(cart.qpos[0, 0])
    np.testing.assert_allclose(np.diff(places), [sign * 0.1], atol=1e-6)
    np.testing.assert_allclose(places[0], sign * 0.2, atol=0.02)


def test_the_force_limit_of_a_joint_caps_its_acceleration():
    attributes = 'actuatorfrclimited="true" actuatorfrcrange="-1 1"'
    for sign in (-1.0, 1.0):
        cart = slider(constant("joint_force_limit", 0.5), attributes=attributes)
        np.testing.assert_allclose(cart.acceleration(sign * 5.0)[0, 0], sign * 0.25, rtol=1e-12)


def test_starts_are_shifted_within_the_range():
    cart = slider(
        uniform("initial_joint_position", -0.3, 0.3),
        uniform("initial_joint_velocity", -2.0, 2.0),
        attributes='limited="true" range="-.2 .2"',
        num_envs=200,
    )
    drawn = np.array([cart.randomiser.drawn(i)["initial_joint_position/rail"] for i in range(200)])
    np.testing.assert_array_equal(cart.qpos[:, 0], np.clip(drawn, -0.2, 0.2))
    assert np.abs(drawn).max() > 0.25
    assert 1.8 < np.abs(cart.qvel).max() <= 2.0


def test_starts_are_kept_within_the_drawn_range():
    cart = slider(
        uniform("initial_joint_position", 0.2, 0.9),
        uniform("joint_range_high", -0.1, 0.1),
        attributes='limited="true" range="-.2 .2"',
        num_envs=50,
    )
    ends = [cart.randomiser.drawn(i)["joint_range_high/rail"] + 0.2 for i in range(50)]
    starts = [cart.randomiser.drawn(i)["initial_joint_position/rail"] for i in range(50)]
    np.testing.assert_allclose(cart.qpos[:, 0], np.minimum(starts, ends), atol=1e-12)


def test_a_start_can_be_set():
    cart = slider(constant("initial_joint_position", 0.07, operation="set"))
    assert cart.qpos[0, 0] == 0.07
