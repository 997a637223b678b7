import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trirl_robot.command import ActionMapping
from trirl_robot.errors import ContractError

SHARED_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
ACTIONS = arrays(np.float64, (12, 2), elements=st.floats(-3.0, 3.0))
KINDS = st.sampled_from(["joint_position_delta", "joint_position", "joint_velocity"])
TINY = 1e-9

MASKS = ("action_clipped", "position_limited", "velocity_limited", "acceleration_limited")


def mapping_of(make_contract, kind="joint_position_delta", scale=(0.1, 0.02), offset=(0.0, 0.0)):
    contract = make_contract()
    field = dataclasses.replace(contract.action[0], kind=kind, scale=scale, offset=offset)
    contract = dataclasses.replace(contract, action=(field,))
    return contract, ActionMapping(contract)


def limits_of(contract):
    columns = ("position_min", "position_max", "velocity", "acceleration")
    return (np.array([getattr(limit, c) for limit in contract.limits]) for c in columns)


@SHARED_FIXTURE
@given(actions=ACTIONS, kind=KINDS, start=st.tuples(st.floats(-2.0, 2.5), st.floats(0.0, 0.3)))
def test_no_sequence_of_actions_passes_a_limit(make_contract, actions, kind, start):
    contract, mapping = mapping_of(make_contract, kind, scale=(1.0, 0.3))
    low, high, fastest, steepest = limits_of(contract)
    position, velocity = np.array(start), np.zeros(2)
    for action in actions:
        command = mapping.command(action, position, velocity)
        assert np.all(command.position >= low)
        assert np.all(command.position <= high)
        assert np.all(np.abs(command.velocity) <= fastest + TINY)
        change = np.abs(command.velocity - velocity)
        binds = (command.position <= low) | (command.position >= high)
        assert np.all(binds | (change <= steepest * contract.control_period_s + TINY))
        np.testing.assert_allclose(
            command.position - position, command.velocity * contract.control_period_s, atol=1e-12
        )
        position, velocity = command.position, command.velocity


@SHARED_FIXTURE
@given(
    wish=st.floats(0.05, 0.25),
    back=st.floats(0.01, 0.05),
    velocity=st.floats(-0.4, 0.4),
)
def test_position_then_velocity_then_acceleration(make_contract, wish, back, velocity):
    """Any other order gives another command where two limits bind at once.

    Velocity and acceleration do so where the last command was faster than the limit: it then has
    to brake at the limit of acceleration, and not at once.
    """
    contract, mapping = mapping_of(make_contract, "joint_position", (1.0, 1.0), (0.0, 0.15))
    _, high, fastest, steepest = (column[1] for column in limits_of(contract))
    period = contract.control_period_s
    last = high - back
    limited = min(high, last + wish)
    wished = min((limited - last) / period, fastest)
    expected = np.clip(wished, velocity - steepest * period, velocity + steepest * period)
    action = np.array([0.0, last + wish - 0.15])
    command = mapping.command(action, np.array([0.0, last]), np.array([0.0, velocity]))
    assert command.position[1] == pytest.approx(min(high, last + expected * period), abs=1e-12)
    assert command.position_limited[1] == (last + wish > high)
    assume(abs((limited - last) / period - fastest) > TINY)
    assert command.velocity_limited[1] == ((limited - last) / period > fastest)
    assume(abs(abs(wished - velocity) - steepest * period) > TINY)
    assert command.acceleration_limited[1] == (abs(wished - velocity) > steepest * period)


def test_a_free_command_is_the_scaled_action_and_reports_nothing(make_contract):
    _, mapping = mapping_of(make_contract, scale=(0.02, 0.001), offset=(0.004, 0.0))
    command = mapping.command(np.array([0.5, -1.0]), np.array([0.1, 0.2]), np.zeros(2))
    np.testing.assert_allclose(command.position, [0.1 + 0.01 + 0.004, 0.2 - 0.001])
    for mask in MASKS:
        assert not getattr(command, mask).any(), mask


def test_a_velocity_is_commanded_as_such_and_as_the_position_that_it_leads_to(make_contract):
    contract, mapping = mapping_of(make_contract, "joint_velocity", (0.4, 0.02), (0.1, 0.0))
    start, moving = np.array([0.1, 0.2]), np.array([0.3, -0.02])
    command = mapping.command(np.array([0.5, -1.0]), start, moving)
    np.testing.assert_allclose(command.velocity, [0.5 * 0.4 + 0.1, -0.02])
    np.testing.assert_allclose(
        command.position, start + contract.control_period_s * command.velocity, atol=1e-15
    )
    assert not command.velocity_limited.any()


def test_a_velocity_meets_every_limit_in_turn(make_contract):
    contract, mapping = mapping_of(make_contract, "joint_velocity", scale=(9.0, 9.0))
    _, high, fastest, steepest = limits_of(contract)
    period, full = contract.control_period_s, np.ones(2)
    start = np.array([0.0, 0.1])
    from_rest = mapping.command(full, start, np.zeros(2))
    np.testing.assert_allclose(from_rest.velocity, steepest * period)
    assert from_rest.acceleration_limited.all()
    at_speed = mapping.command(full, start, fastest)
    np.testing.assert_allclose(at_speed.velocity, fastest)
    assert at_speed.velocity_limited.all()
    near = high - 0.5 * fastest * period
    at_the_end = mapping.command(full, near, fastest)
    np.testing.assert_allclose(at_the_end.velocity, 0.5 * fastest)
    assert at_the_end.position_limited.all()


def test_an_action_outside_its_range_is_clipped_and_said(make_contract):
    _, mapping = mapping_of(make_contract, scale=(0.02, 0.001))
    start = np.array([0.0, 0.1])
    command = mapping.command(np.array([7.0, 1.0]), start, np.zeros(2))
    assert command.action_clipped.tolist() == [True, False]
    np.testing.assert_array_equal(
        command.position, mapping.command(np.ones(2), start, np.zeros(2)).position
    )


def test_a_batch_gives_what_each_row_gives(make_contract):
    _, mapping = mapping_of(make_contract)
    random = np.random.default_rng(0)
    action, position = random.uniform(-2, 2, (9, 2)), random.uniform(0, 0.3, (9, 2))
    velocity = random.uniform(-0.2, 0.2, (9, 2))
    batch = mapping.command(action, position, velocity)
    for i in range(9):
        single = mapping.command(action[i], position[i], velocity[i])
        for name in ("position", "velocity", *MASKS):
            np.testing.assert_array_equal(getattr(batch, name)[i], getattr(single, name))


@SHARED_FIXTURE
@given(action=arrays(np.float64, 2, elements=st.floats(-1.0, 1.0)), kind=KINDS)
def test_action_towards_inverts_a_free_command(make_contract, action, kind):
    _, mapping = mapping_of(make_contract, kind, scale=(0.02, 0.001), offset=(0.001, 0.1))
    start = np.array([0.0, 0.1])
    wish = action * np.array([0.02, 0.001]) + np.array([0.001, 0.1])
    if kind == "joint_velocity":
        wish = wish * make_contract().control_period_s
    if kind != "joint_position":
        wish = wish + start
    np.testing.assert_allclose(mapping.action_towards(wish, start), action, atol=1e-9)
    assert np.all(np.abs(mapping.action_towards(wish + 5.0, start)) <= 1.0)


def test_controls_of_simulated_actuators_are_no_command(make_contract):
    with pytest.raises(ContractError, match=r"'planar' sets the controls .* run it in simulation"):
        mapping_of(make_contract, "actuator_control")
