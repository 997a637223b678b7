"""The simulated hardware without ROS, on a clock of the test's own."""

import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.sim.randomisation.config import load_randomisation

pytest.importorskip("rclpy")

PAN = 0


@pytest.fixture
def hardware():
    from trirl_sim_hardware.hardware import SimulatedHardware

    def make(randomisation="none", seed=0, **rest):
        made = SimulatedHardware("so101", randomisation, seed=seed, command_timeout_s=0.25, **rest)
        made.advance_to(0.0)
        return made

    return make


def _pose(hardware) -> np.ndarray:
    return hardware.arm.joint_position[0].copy()


def test_a_robot_that_takes_velocities_is_refused():
    from trirl_sim_hardware.hardware import SimulatedHardware

    with pytest.raises(ConfigError, match=r"'jaco' has actuators that take velocities"):
        SimulatedHardware("jaco", "none", seed=0, command_timeout_s=0.25)


def test_arm_lives_in_real_time_and_follows_commands(hardware):
    h = hardware()
    goal = np.add(h.robot.home_position, [0.3, 0, 0, 0, 0])
    for k in range(1, 101):
        h.command(goal, 0.01 * k, 0.0)
        h.advance_to(0.01 * k)
    assert h.arm.simulation.state_vector(0)[0] == pytest.approx(1.0, abs=0.006)
    assert _pose(h) == pytest.approx(goal, abs=0.01)


def test_long_pause_is_not_simulated_at_once(hardware):
    h = hardware()
    h.advance_to(10.0)
    assert h.arm.simulation.state_vector(0)[0] == pytest.approx(0.25, abs=0.006)
    h.advance_to(10.1)
    assert h.arm.simulation.state_vector(0)[0] == pytest.approx(0.35, abs=0.006)


def test_joints_are_named_in_another_order_and_matched(hardware):
    h = hardware()
    assert h.joint_names == ("gripper", *reversed(h.robot.joints))
    position, velocity = h.measure()
    by_name = dict(zip(h.joint_names, position, strict=True))
    assert [by_name[name] for name in h.robot.joints] == pytest.approx(_pose(h))
    assert by_name["gripper"] == pytest.approx(h.robot.gripper.home)
    assert velocity.shape == (6,)


def test_encoders_have_the_noise_that_was_drawn(hardware):
    h = hardware("shifted", seed=5)
    drawn = h.drawn()
    readings = np.array([h.measure()[0][1:][::-1] for _ in range(2000)])
    bias = [drawn[f"encoder_bias_rad/{name}"] for name in h.robot.joints]
    noise = [drawn[f"sensor_noise/joint_position.{name}"] for name in h.robot.joints]
    assert readings.mean(axis=0) - _pose(h) == pytest.approx(bias, abs=5e-4)
    assert readings.std(axis=0) == pytest.approx(noise, rel=0.1)


def test_readings_are_late_by_what_was_drawn_whatever_their_rate(hardware, tmp_path):
    preset = tmp_path / "late.yaml"
    preset.write_text("terms: [{quantity: sensor_latency_s, distribution: constant, value: 0.08}]")
    h = hardware(str(preset))
    goal = np.add(h.robot.home_position, [0.6, 0, 0, 0, 0])
    h.command(goal, 0.0, 0.0)
    true, seen = [], []
    for k in range(1, 101):
        h.advance_to(0.005 * k)
        true.append(_pose(h)[PAN])
        seen.append(h.measure()[0][1:][::-1][PAN])
    late = round(0.08 / 0.005)
    np.testing.assert_allclose(seen[late:], true[:-late], atol=1e-9)


def test_pushes_and_jitter_act_between_commands(hardware, tmp_path):
    preset = tmp_path / "restless.yaml"
    preset.write_text(
        "terms: [{quantity: push, where: [hand.x], distribution: constant, value: 8.0, "
        "when: interval, interval_s: [0.5, 0.5]}]"
    )
    h = hardware(str(preset))
    h.command(np.array(h.robot.home_position), 0.0, 0.0)
    h.advance_to(0.4)
    force = h.arm.simulation.batch.bind("xfrc_applied")
    assert not force.any()
    h.advance_to(0.7)
    assert force.any()


def test_command_acts_after_the_drawn_latency(hardware):
    h = hardware("shifted", seed=2)
    latency_s = h.drawn()["command_latency_steps/shoulder_pan"] / h.robot.control.rate_hz
    assert latency_s >= 0.04
    for k in range(100):
        h.advance_to(0.01 * k)
    start = _pose(h)[PAN]
    h.command(np.add(h.robot.home_position, [0.5, 0, 0, 0, 0]), 1.0, 0.0)
    h.advance_to(0.995 + latency_s - 0.01)
    assert abs(_pose(h)[PAN] - start) < 1e-4
    h.advance_to(1.0 + latency_s + 0.06)
    assert _pose(h)[PAN] - start > 1e-2


def test_watchdog_holds_counts_and_lets_go(hardware):
    h = hardware()
    h.advance_to(1.0)
    assert not h.holding, "nothing was ever commanded"
    h.command(np.array(h.robot.home_position), 1.0, 0.0)
    h.advance_to(1.2)
    assert not h.holding
    h.advance_to(1.3)
    h.advance_to(1.6)
    assert (h.holding, h.watchdog_trips) == (True, 1)
    h.command(np.array(h.robot.home_position), 1.7, 0.0)
    assert not h.holding


@pytest.mark.parametrize("bad", [np.zeros(4), np.array([0, 0, np.nan, 0, 0.0]), np.zeros((1, 5))])
def test_malformed_commands_are_refused(hardware, bad):
    h = hardware()
    h.command(bad, 0.1, 0.0)
    h.advance_to(1.0)
    assert h.refused_commands == 1
    assert _pose(h) == pytest.approx(h.robot.home_position, abs=0.01)


def test_commands_beyond_the_joints_range_are_clipped(hardware):
    h = hardware()
    for k in range(300):
        h.command(np.array([9.0, 0, 0, 0, 0]), 0.01 * k, 0.0)
        h.advance_to(0.01 * k)
    limit = h.arm.model.joint("robot/shoulder_pan").range[1]
    assert _pose(h)[PAN] == pytest.approx(limit, abs=0.02)


def test_new_dynamics_leave_the_arm_where_it_is(hardware):
    h = hardware("light", seed=1)
    goal = np.array([0.4, 0.1, 0.2, 0.3, 0.5])
    for k in range(100):
        h.command(goal, 0.01 * k, 0.0)
        h.advance_to(0.01 * k)
    before, drawn = h.arm.simulation.state_vector(0), h.drawn()
    new = h.draw_dynamics()
    assert new.keys() == drawn.keys()
    assert new != drawn
    assert np.array_equal(h.arm.simulation.state_vector(0), before)
    h.advance_to(1.2)
    assert _pose(h) == pytest.approx(goal, abs=0.05)
    mass = next(t for t in load_randomisation("light").terms if t.quantity == "body_mass")
    assert all(mass.low <= v <= mass.high for k, v in new.items() if k.startswith("body_mass"))


def test_same_seed_draws_the_same(hardware):
    first, second = hardware("shifted", seed=4), hardware("shifted", seed=4)
    assert [first.draw_dynamics() for _ in range(3)] == [second.draw_dynamics() for _ in range(3)]
    assert hardware("shifted", seed=5).drawn() != first.drawn()


def test_nothing_is_kept_without_a_log(hardware):
    h = hardware()
    h.command(np.array(h.robot.home_position), 0.0, 50.0)
    h.record(50.0)
    assert h.log is None
    assert h.commands == 1


def test_log_can_be_played_back(hardware, tmp_path):
    h = hardware(keep_log=True)
    h.command(np.array(h.robot.home_position), 0.0, 50.0)
    for k in range(5):
        h.advance_to(0.04 * k)
        h.record(50.0 + 0.04 * k)
    h.log.save(tmp_path / "log.npz", h.arm.model_xml)
    with np.load(tmp_path / "log.npz") as log:
        assert log["stamp_s"] == pytest.approx(50.0 + 0.04 * np.arange(5))
        model = h.arm.model
        assert log["state"].shape == (5, 1 + model.nq + model.nv)
        assert np.array_equal(log["state"][-1], h.arm.simulation.state_vector(0))
        assert log["command"].shape == (1, 5)


def test_bad_parameters_are_named(hardware):
    from trirl_sim_hardware.hardware import SimulatedHardware

    with pytest.raises(ConfigError, match="did you mean 'so101'"):
        SimulatedHardware("so100", "none", seed=0, command_timeout_s=0.25)
    with pytest.raises(ConfigError, match="command_timeout_s"):
        SimulatedHardware("so101", "none", seed=0, command_timeout_s=0.0)
