"""What is drawn for sensors is what they do."""

import numpy as np
import pytest
from dynamics_world import World, constant, mjcf, uniform
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.sim.sensors import Sensors

POINT = '<worldbody><body><joint type="slide"/><geom size=".1"/></body></worldbody>'
SIGNALS = ("angle.a", "angle.b", "speed.a")


class Reader:
    """Sensors of three signals whose true values are given."""

    def __init__(self, *terms, num_envs=1, period_s=0.01):
        small = World(
            mjcf("", POINT),
            *terms,
            num_envs=num_envs,
            substeps=round(period_s / 0.001),
            signals=SIGNALS,
        )
        self.world, self.random = small, small.random
        self.sensors = Sensors(small.randomiser, small.random, (num_envs, 3), period_s)
        self.steps = np.zeros(num_envs, dtype=np.int64)
        self.num_envs = num_envs

    def start(self, true):
        ids = np.arange(self.num_envs)
        return self.sensors.start(ids, np.broadcast_to(true, (self.num_envs, 3)), self.steps)

    def read(self, true):
        self.steps += 1
        true = np.ascontiguousarray(np.broadcast_to(true, (self.num_envs, 3)), dtype=float)
        return self.sensors.read(true, self.steps)


def ramp(t):
    """Values that rise steadily, each signal at a rate of its own."""
    return np.array([1.0, 10.0, 100.0]) * t


def test_sensors_without_errors_tell_the_truth():
    reader = Reader()
    np.testing.assert_array_equal(reader.start(ramp(1)), [ramp(1)])
    np.testing.assert_array_equal(reader.read(ramp(2)), [ramp(2)])


def test_true_values_are_not_changed_in_place():
    reader = Reader(constant("sensor_bias", 1.0))
    true = np.ones((1, 3))
    reader.sensors.start(np.array([0]), true, reader.steps)
    reader.sensors.read(true, reader.steps + 1)
    np.testing.assert_array_equal(true, 1.0)


@given(latency=st.floats(0.0, 15.0), steps=st.integers(1, 50))
def test_readings_are_late_by_exactly_the_latency(latency, steps):
    """Of a ramp, interpolation between two readings is exact; before the start nothing moved."""
    reader = Reader(constant("sensor_latency_steps", latency))
    reader.start(ramp(0))
    for t in range(1, steps + 1):
        measured = reader.read(ramp(t))
    np.testing.assert_allclose(measured, [ramp(max(0.0, steps - latency))], atol=1e-9)


def test_latency_in_seconds_is_divided_by_the_period():
    reader = Reader(constant("sensor_latency_s", 0.025, where=("angle.*",)))
    reader.start(ramp(0))
    for t in range(1, 8):
        measured = reader.read(ramp(t))[0]
    np.testing.assert_allclose(measured, [4.5, 45.0, 700.0])


def test_a_bias_is_added():
    reader = Reader(constant("sensor_bias", 0.5, where=("*.a",)))
    np.testing.assert_allclose(reader.start(ramp(1)), [[1.5, 10.0, 100.5]])
    np.testing.assert_allclose(reader.read(ramp(2)), [[2.5, 20.0, 200.5]])


def test_noise_has_the_drawn_deviation_and_is_independent():
    reader = Reader(constant("sensor_noise", 0.2, where=("angle.*",)), num_envs=500)
    errors = [reader.start(ramp(1)) - ramp(1)]
    errors += [reader.read(ramp(1)) - ramp(1) for _ in range(100)]
    errors = np.array(errors)
    assert (errors[..., 2] == 0.0).all()
    np.testing.assert_allclose(errors[..., :2].std(), 0.2, rtol=0.01)
    np.testing.assert_allclose(errors.mean(), 0.0, atol=2e-3)
    columns = errors[..., :2].transpose(1, 0, 2).reshape(500, -1)
    assert abs(np.corrcoef(columns[:-1].ravel(), columns[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(columns[:, :-2].ravel(), columns[:, 2:].ravel())[0, 1]) < 0.02


@given(quantum=st.floats(1e-3, 2.0), value=st.floats(-10.0, 10.0))
def test_readings_lie_on_the_grid_next_to_the_truth(quantum, value):
    reader = Reader(constant("sensor_quantum", quantum))
    (measured,) = reader.start(np.full(3, value))
    steps = measured / quantum
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert (np.abs(measured - value) <= 0.5 * quantum * (1 + 1e-9)).all()


def test_a_quantum_of_zero_is_no_rounding():
    reader = Reader(constant("sensor_quantum", 0.0))
    np.testing.assert_array_equal(reader.start(np.full(3, 0.123)), [[0.123] * 3])


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_readings_are_lost_at_the_drawn_rate_and_the_last_one_stands(rate):
    reader = Reader(constant("sensor_dropout", rate), num_envs=400)
    before = reader.start(ramp(0))
    lost = 0
    for t in range(1, 101):
        measured = reader.read(ramp(t))
        gone = measured == before
        assert (gone | (measured == ramp(t))).all()
        lost += gone.sum()
        before = measured
    np.testing.assert_allclose(lost / (400 * 3 * 100), rate, atol=0.005)


def test_errors_come_in_the_order_of_a_real_sensor():
    """Late, then offset, then rounded."""
    reader = Reader(
        constant("sensor_latency_steps", 1.0),
        constant("sensor_bias", 0.3),
        constant("sensor_quantum", 1.0),
    )
    reader.start(ramp(0))
    reader.read(ramp(1))
    np.testing.assert_allclose(reader.read(ramp(2)), [[1.0, 10.0, 100.0]])
    np.testing.assert_allclose(reader.read(ramp(2.4)), [[2.0, 20.0, 200.0]])


def everything():
    return (
        uniform("sensor_latency_steps", 0.0, 4.0),
        uniform("sensor_bias", -0.1, 0.1),
        uniform("sensor_noise", 0.0, 0.2, where=("angle.*",)),
        uniform("sensor_quantum", 0.0, 0.1, where=("angle.b", "speed.a")),
        uniform("sensor_dropout", 0.0, 0.5, where=("*.a",)),
    )


def test_a_restored_sensor_goes_on_bit_for_bit():
    first, second = Reader(*everything(), num_envs=4), Reader(*everything(), num_envs=4)
    first.start(ramp(0))
    for t in range(1, 90):
        first.read(ramp(t))
    second.start(ramp(50))
    second.sensors.set_state(first.sensors.get_state())
    second.steps[:] = first.steps
    for t in range(90, 200):
        np.testing.assert_array_equal(first.read(ramp(t)), second.read(ramp(t)))


def test_a_restart_leaves_the_readings_of_the_others_as_they_are():
    first, second = Reader(*everything(), num_envs=4), Reader(*everything(), num_envs=4)
    for reader in (first, second):
        reader.start(ramp(0))
        for t in range(1, 20):
            reader.read(ramp(t))
    ids = np.array([1, 3])
    second.steps[ids] = 0
    second.random.begin(ids)
    second.sensors.start(ids, np.zeros((2, 3)), second.steps)
    for t in range(20, 120):
        np.testing.assert_array_equal(first.read(ramp(t))[[0, 2]], second.read(ramp(t))[[0, 2]])
