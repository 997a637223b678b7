"""Reading `metrics.jsonl`, the log of a training run: one JSON object an iteration."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import RunError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """What one run logged."""

    name: str
    """How plots name the run, such as `seed 0`."""
    rows: tuple[dict[str, float], ...]
    """One entry an iteration; keys may be missing in any of them."""

    def series(self, key: str, against: str = "env_steps") -> tuple[Array, Array]:
        """Return the rows that hold both keys, as two arrays of shape (n,), `against` first."""
        pairs = [(row[against], row[key]) for row in self.rows if key in row and against in row]
        array = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
        return array[:, 0], array[:, 1]


def read_metrics(path: Path, name: str) -> RunMetrics:
    """Read the log of a run.

    A last line that is torn, because the trainer was killed while it wrote, is left out, as is
    every value that is not a finite number.

    Args:
        path: the file `metrics.jsonl`.
        name: how plots name the run.

    Raises:
        RunError: the file is missing, or a line before the last is not a JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; expected the log of a training run") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        row = _parse(line)
        if row is not None:
            rows.append(row)
        elif number < len(lines):
            raise RunError(f"{path}, line {number}: expected a JSON object, got {line[:60]!r}")
    return RunMetrics(name=name, rows=tuple(rows))


def _parse(line: str) -> dict[str, float] | None:
    try:
        data = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(data, dict):
        return None
    return {
        key: value
        for key, value in data.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }
