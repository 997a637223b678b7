"""Keeps a loop at its rate with absolute deadlines, and measures how well."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """How one cycle ended."""

    late: bool
    """Its work was not done at the deadline."""
    dropped: int
    """Whole periods that were skipped because of that."""


class Pacer:
    """Waits for the end of each control period."""

    def __init__(self, period_s: float, realtime: bool) -> None:
        """Prepare; call `start` at the beginning of an episode.

        Args:
            period_s: length of a cycle [s].
            realtime: keep to the clock; otherwise never wait, and call nothing late.
        """
        self._period_ns = round(period_s * 1e9)
        self._realtime = realtime
        self._deadline_ns = 0

    def start(self) -> None:
        """Begin the first cycle now."""
        self._deadline_ns = time.monotonic_ns() + self._period_ns

    def wait(self) -> Cycle:
        """Wait for the deadline of this cycle and set the next one.

        Deadlines are absolute, so a late cycle does not delay those that follow; periods that are
        over before their work could begin are skipped rather than caught up with.
        """
        if not self._realtime:
            return Cycle(late=False, dropped=0)
        behind_ns = time.monotonic_ns() - self._deadline_ns
        if behind_ns < 0:
            time.sleep(-behind_ns * 1e-9)
        dropped = max(0, behind_ns) // self._period_ns
        self._deadline_ns += (1 + dropped) * self._period_ns
        return Cycle(late=behind_ns > 0, dropped=dropped)
