"""A thread that keeps absolute deadlines.

A ROS timer or a multi-threaded executor misses its time by milliseconds under load; a thread that
sleeps until the next multiple of its period does not drift, and takes its messages itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class PacedThread:
    """Calls a function once a period until it is stopped."""

    def __init__(
        self,
        period_s: float,
        step: Callable[[float, bool], None],
        on_error: Callable[[Exception], None],
        name: str,
    ) -> None:
        """Prepare the thread.

        Args:
            period_s: time between two calls.
            step: called with the lateness of this call [s] and whether a deadline was missed since
                the last call: a start later than half a period, or a step longer than a period.
            on_error: called with an exception that `step` raised; the thread goes on.
            name: name of the thread.
        """
        self._period_s = period_s
        self._step = step
        self._on_error = on_error
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start calling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the step in progress."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        deadline_s = time.monotonic() + self._period_s
        overrun = False
        while not self._stopping.wait(max(0.0, deadline_s - time.monotonic())):
            late_s = time.monotonic() - deadline_s
            try:
                self._step(late_s, overrun or late_s > 0.5 * self._period_s)
            except Exception as error:  # noqa: BLE001 - a robot is brought to a stop by the caller
                self._on_error(error)
            deadline_s += self._period_s
            behind_s = time.monotonic() - deadline_s
            # after a long pause go on with the next multiple; a burst would not make it up
            overrun = behind_s > 0.0
            if overrun:
                deadline_s += self._period_s * int(behind_s / self._period_s)
