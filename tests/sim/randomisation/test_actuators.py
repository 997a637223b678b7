"""Drawn actuators are seen by physics."""

import numpy as np
import pytest
from dynamics_world import WEIGHTLESS, constant, uniform, world

CART = """<worldbody><body name="cart"><joint name="rail" type="slide" axis="1 0 0" {}/>
  <geom type="box" size=".1 .1 .1" mass="2" contype="0" conaffinity="0"/></body></worldbody>
  <actuator>{}</actuator>"""
MOTOR = '<motor name="a" joint="rail"/>'
SERVO = '<position name="a" joint="rail" kp="50" kv="20"/>'
VELOCITY = '<velocity name="a" joint="rail" kv="20"/>'


def cart(actuator, *terms, joint="", **rest):
    return world(WEIGHTLESS, CART.format(joint, actuator), *terms, **rest)


def test_twice_the_gain_of_a_motor_doubles_the_acceleration():
    for factor in (1.0, 2.0, 0.0):
        strong = cart(MOTOR, constant("actuator_gain", factor))
        np.testing.assert_allclose(strong.acceleration(3.0)[0, 0], factor * 1.5, rtol=1e-12)


@pytest.mark.parametrize("operation", ["scale", "set", "add"])
def test_the_gain_of_a_position_servo_leaves_its_target_where_it_is(operation):
    value = {"scale": 2.0, "set": 100.0, "add": 50.0}[operation]
    strong = cart(SERVO, constant("actuator_gain", value, operation=operation))
    np.testing.assert_allclose(strong.acceleration(0.1)[0, 0], 100.0 * 0.1 / 2.0, rtol=1e-12)
    strong.qpos[:] = 0.1
    np.testing.assert_allclose(strong.acceleration(0.1), 0.0, atol=1e-12)


def test_a_stronger_servo_is_bent_less():
    spring = 'stiffness="10"'
    for factor in (1.0, 4.0):
        bent = cart(SERVO, constant("actuator_gain", factor), joint=spring)
        bent.step(3000, ctrl=0.1)
        kp = 50.0 * factor
        np.testing.assert_allclose(bent.qpos[0, 0], 0.1 * kp / (kp + 10.0), rtol=1e-6)


def test_the_gain_of_a_velocity_servo_leaves_its_target_where_it_is():
    strong = cart(VELOCITY, constant("actuator_gain", 3.0))
    np.testing.assert_allclose(strong.acceleration(0.5)[0, 0], 60.0 * 0.5 / 2.0, rtol=1e-12)
    strong.qvel[:] = 0.5
    np.testing.assert_allclose(strong.acceleration(0.5), 0.0, atol=1e-12)


def test_a_bias_shifts_where_a_servo_rests_by_torque_over_gain():
    shifted = cart(SERVO, constant("actuator_bias", 0.5))
    shifted.step(3000, ctrl=0.0)
    np.testing.assert_allclose(shifted.qpos[0, 0], 0.5 / 50.0, rtol=1e-4)


def test_the_damping_of_a_servo_brakes():
    for factor in (1.0, 2.0):
        braked = cart(SERVO, constant("actuator_damping", factor))
        braked.qvel[:] = 1.0
        np.testing.assert_allclose(braked.acceleration(0.0)[0, 0], -20.0 * factor / 2.0)


def test_the_force_limit_caps_the_acceleration_both_ways():
    limited = MOTOR.replace("/>", ' forcelimited="true" forcerange="-1 1"/>')
    for sign in (-1.0, 1.0):
        capped = cart(limited, constant("actuator_force_limit", 0.5))
        np.testing.assert_allclose(capped.acceleration(sign * 9.0)[0, 0], sign * 0.25)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_the_time_constant_is_that_of_the_response_to_a_step(factor):
    """A filtered motor's force goes with 1 - exp(-t / T)."""
    slow = '<general name="a" joint="rail" dyntype="filterexact" dynprm="0.05" gainprm="1"/>'
    filtered = cart(slow, constant("actuator_time_constant", factor))
    filtered.step(60, ctrl=1.0)
    expected = 1.0 - np.exp(-0.060 / (0.05 * factor))
    np.testing.assert_allclose(filtered.simulation.batch.bind("act")[0, 0], expected, rtol=1e-9)


# latency


def first_motion(late, steps=40):
    """Return how many physics steps pass before each simulation first moves."""
    late.simulation.ctrl[:] = 1.0
    moved = np.full(late.simulation.num_envs, -1)
    for i in range(steps):
        late.simulation.advance(1)
        fresh = (moved < 0) & (late.qvel[:, 0] > 0)
        moved[fresh] = i
    return moved


@pytest.mark.parametrize("latency", [0.0, 0.001, 0.007, 0.02])
def test_a_command_acts_after_exactly_its_latency(latency):
    late = cart(MOTOR, constant("command_latency_s", latency))
    assert first_motion(late).tolist() == [round(latency / 0.001)]


@pytest.mark.parametrize(("latency", "physics_steps"), [(0.5, 2), (1.0, 4), (1.25, 5), (3.0, 12)])
def test_latencies_may_be_fractions_of_a_control_step(latency, physics_steps):
    late = cart(MOTOR, constant("command_latency_steps", latency), substeps=4)
    assert first_motion(late).tolist() == [physics_steps]


def test_latency_adds_up_over_terms():
    terms = (
        constant("command_latency_s", 0.004),
        constant("command_latency_steps", 2.0, operation="add"),
    )
    assert first_motion(cart(MOTOR, *terms, substeps=3)).tolist() == [10]


def test_jitter_spreads_the_latency_anew_at_every_control_step():
    terms = constant("command_latency_s", 0.05), constant("command_latency_jitter_s", 0.004)
    late = cart(MOTOR, *terms, num_envs=500, substeps=5)
    delay = late.simulation.batch.expand("actuator_delay")
    seen = []
    for _ in range(20):
        late.step(ctrl=0.0)
        seen.append(delay[:, 0].copy())
    seen = np.array(seen)
    np.testing.assert_allclose(seen.mean(), 0.05, atol=2e-4)
    np.testing.assert_allclose(seen.std(), 0.004, rtol=0.03)
    # neither the simulations nor the steps go together
    correlation = np.corrcoef(seen)
    assert np.abs(correlation - np.eye(len(seen))).max() < 0.2
    # and the command arrives when this says
    late.reset()
    late.randomiser.advance(late.steps)
    arrival = first_motion(late, 80)
    np.testing.assert_allclose(arrival, delay[:, 0] / 0.001, atol=1.0)
    assert len(np.unique(arrival)) > 5


def test_joints_that_one_message_commands_are_late_together():
    two = MOTOR + '<motor name="b" joint="rail"/>'
    terms = constant("command_latency_s", 0.05), constant("command_latency_jitter_s", 0.004)
    late = cart(two, *terms, num_envs=20, substeps=5).step(3)
    delay = late.simulation.batch.expand("actuator_delay")
    np.testing.assert_array_equal(delay[:, 0], delay[:, 1])
    assert len(np.unique(delay[:, 0])) == 20


def test_jitter_never_makes_a_latency_negative():
    late = cart(MOTOR, uniform("command_latency_jitter_s", 0.0, 0.2), num_envs=100)
    delay = late.simulation.batch.expand("actuator_delay")
    for _ in range(70):
        late.step()
        assert (delay >= 0.0).all()
        assert (delay <= 0.2).all()
    assert (delay > 0.0).any()
