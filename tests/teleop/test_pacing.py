import time

import pytest

from teleop import pacing
from teleop.pacing import Pacer


class Clock:
    """A clock that moves when somebody sleeps or works."""

    def __init__(self):
        self.now_ns = 1_000_000_000

    def monotonic_ns(self):
        return self.now_ns

    def sleep(self, duration_s):
        assert duration_s > 0
        self.now_ns += round(duration_s * 1e9)

    work = sleep


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pacing, "time", clock)
    return clock


def test_deadlines_do_not_drift(clock):
    pacer = Pacer(0.04, realtime=True)
    pacer.start()
    start = clock.now_ns
    for cycle in range(1, 26):
        clock.work(0.001 * (cycle % 7 + 1))
        assert not pacer.wait().late
        assert clock.now_ns == start + cycle * 40_000_000


def test_a_late_cycle_is_counted_and_made_up_for(clock):
    pacer = Pacer(0.04, realtime=True)
    pacer.start()
    start = clock.now_ns
    clock.work(0.05)
    cycle = pacer.wait()
    assert (cycle.late, cycle.dropped) == (True, 0)
    assert clock.now_ns == start + 50_000_000
    clock.work(0.01)
    assert not pacer.wait().late
    assert clock.now_ns == start + 80_000_000


def test_periods_that_are_over_are_dropped(clock):
    pacer = Pacer(0.04, realtime=True)
    pacer.start()
    start = clock.now_ns
    clock.work(0.175)  # past the deadlines at 40, 80, 120 and 160 ms
    cycle = pacer.wait()
    assert (cycle.late, cycle.dropped) == (True, 3)
    clock.work(0.001)
    assert not pacer.wait().late
    assert clock.now_ns == start + 200_000_000


def test_without_real_time_nothing_waits():
    pacer = Pacer(10.0, realtime=False)
    pacer.start()
    before = time.monotonic()
    assert not pacer.wait().late
    assert time.monotonic() - before < 1.0
