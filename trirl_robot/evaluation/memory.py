"""Memory of this process and everything that it started."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

PERIOD_S = 1.0


class PeakMemory:
    """Samples the proportional set size of the whole process tree while a block runs.

    Shared pages count once: each process is charged its share of them.
    """

    def __init__(self) -> None:
        self.peak_gib = 0.0
        """Largest sum seen so far [GiB]."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.peak_gib = max(self.peak_gib, tree_memory_gib())
            if self._ended.wait(PERIOD_S):
                return


def tree_memory_gib() -> float:
    """Return the proportional set size of this process and its descendants, now [GiB]."""
    this = psutil.Process()
    total = 0
    for process in (this, *this.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it has ended meanwhile
    return total / 2**30
