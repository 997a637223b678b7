"""Steps in real time: how many are due, and how long until the next."""

from __future__ import annotations

LONGEST_BACKLOG_S = 0.25
"""Steps that are later than this are dropped, so that a slow machine does not fall behind [s]."""


class Pacer:
    """Says when control steps are due; times are those of one monotonic clock [s]."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._speed = 1.0
        self._next: float | None = None
        self._window_start = 0.0
        self._window_steps = 0
        self.measured_speed = float("nan")
        """Speed of the last second or so; NaN while nothing is known."""

    def halt(self) -> None:
        """Stop; steps become due again after the next call of `due`."""
        self._next = None
        self.measured_speed = float("nan")

    def due(self, now: float, speed: float) -> int:
        """Return how many steps are due at `now`, to be done at once.

        Args:
            now: present time [s].
            speed: how many times as fast as real time.
        """
        period = self._period_s / speed
        if self._next is None or speed != self._speed:
            self._speed = speed
            self._next = now
            self._window_start, self._window_steps = now, 0
        late = now - self._next
        if late < 0.0:
            return 0
        if late > LONGEST_BACKLOG_S:
            self._next, late = now, 0.0
        steps = int(late // period) + 1
        self._next += steps * period
        self._measure(now, steps)
        return steps

    def wait_s(self, now: float) -> float:
        """Return the time until the next step is due [s]."""
        return 0.0 if self._next is None else max(0.0, self._next - now)

    def _measure(self, now: float, steps: int) -> None:
        elapsed = now - self._window_start
        if elapsed >= 1.0:
            self.measured_speed = self._window_steps * self._period_s / elapsed
            self._window_start, self._window_steps = now, 0
        self._window_steps += steps
