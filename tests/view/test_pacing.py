import pytest

from trirl_robot.view.pacing import LONGEST_BACKLOG_S, Pacer


def run(pacer, seconds, speed=1.0, start=0.0, late_s=0.0):
    """Step whenever a step is due, waking `late_s` too late each time; return the steps."""
    now, steps = start, 0
    while now < start + seconds:
        steps += pacer.due(now, speed)
        now += pacer.wait_s(now) + late_s
    return steps


@pytest.mark.parametrize(("speed", "late_s"), [(1.0, 0.0), (4.0, 0.003), (0.25, 0.01)])
def test_steps_come_in_real_time_times_the_speed(speed, late_s):
    assert run(Pacer(0.04), 10.0, speed, late_s=late_s) == pytest.approx(250 * speed, abs=1)


def test_lateness_does_not_add_up():
    pacer = Pacer(0.04)
    assert pacer.due(0.0, 1.0) == 1
    assert pacer.due(0.1, 1.0) == 2  # those of 0.04 and 0.08
    assert pacer.wait_s(0.1) == pytest.approx(0.02)


def test_a_long_halt_is_not_caught_up():
    pacer = Pacer(0.01)
    pacer.due(0.0, 1.0)
    assert pacer.due(LONGEST_BACKLOG_S + 1.0, 1.0) == 1


def test_after_a_halt_the_next_step_is_due_at_once_and_only_one():
    pacer = Pacer(0.04)
    pacer.due(0.0, 1.0)
    pacer.halt()
    assert pacer.wait_s(50.0) == 0.0
    assert pacer.due(50.0, 1.0) == 1
    assert pacer.wait_s(50.0) == pytest.approx(0.04)


def test_the_speed_that_is_reached_is_measured():
    pacer = Pacer(0.02)
    run(pacer, 5.0, 2.0)
    assert pacer.measured_speed == pytest.approx(2.0, rel=0.05)
    slow = Pacer(0.02)
    for i in range(20):  # a machine that needs 0.3 s a step
        slow.due(0.3 * i, 1.0)
    assert slow.measured_speed == pytest.approx(0.02 / 0.3, rel=0.3)
