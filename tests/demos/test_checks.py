import numpy as np
import pytest

from trirl_robot.demos.checks import constant_features, quality, warnings


def test_figures_of_a_known_recording(make_demo, make_contract):
    action = np.full((10, 2), 0.5)
    action[:3] = 1.0
    action[3:5] = 0.001
    demo = make_demo(10, action=action, late_cycles=2, dropped_cycles=1)
    figures = quality(demo, make_contract())
    assert figures.saturated_share == pytest.approx(0.3)
    assert figures.idle_share == pytest.approx(0.2)
    assert figures.late_share == pytest.approx(0.2)
    assert figures.rate_hz == pytest.approx(20.0)
    assert figures.duration_s == pytest.approx(9 / 20)
    found = " ".join(warnings(figures, make_contract()))
    assert "limit in 30%" in found
    assert "20% of the cycles late" in found
    assert "1 control periods skipped" in found


def test_jerk_of_a_cubic(make_demo, make_contract):
    demo = make_demo(30)
    time_s = np.arange(30) / 20.0
    demo.observation[:, :2] = np.stack([time_s**3, np.zeros(30)], axis=1)
    # the third derivative of t^3 is 6, on one joint of two
    assert quality(demo, make_contract()).jerk == pytest.approx(6.0 / np.sqrt(2.0), rel=1e-6)


def test_features_that_never_change(make_demo, make_contract):
    demos = [make_demo(), make_demo(seed=1)]
    for demo in demos:
        demo.observation[:, 3] = 0.25
    demos[0].observation[:, 0] = 1.0
    assert constant_features(demos, make_contract()) == ("joint_velocity[1]",)
    assert constant_features(demos[:1], make_contract()) == (
        "joint_position[0]",
        "joint_velocity[1]",
    )


def test_slow_recording_is_noticed(make_demo, make_contract):
    demo = make_demo(observation_ns=np.arange(12) * 100_000_000)
    (found,) = warnings(quality(demo, make_contract()), make_contract())
    assert "10.0 Hz achieved of 20 Hz" in found


def test_nothing_to_say_about_a_good_one(make_demo, make_contract):
    assert warnings(quality(make_demo(), make_contract()), make_contract()) == []
