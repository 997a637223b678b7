"""How the time of an iteration is spent."""

from __future__ import annotations

import time


class PhaseClock:
    """Measures how long the phases of an iteration take."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def mark(self, phase: str) -> None:
        """Count the time since the last mark as that of a phase."""
        now = time.perf_counter()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._last
        self._last = now

    def shares(self) -> dict[str, float]:
        """Return the whole time [s] and the share of each phase, as metrics."""
        total = sum(self._seconds.values())
        shares = {f"time/{phase}_share": s / total for phase, s in self._seconds.items()}
        return {"time/iteration_s": total, **shares}
