"""Figures of a demo or benchmark as `results.json`, and facts about the machine they come from."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trirl_robot.evaluation.statistics import Interval
from trirl_robot.files import write_text_atomically
from trirl_robot.versions import revision


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure."""

    name: str
    """Path-like name, such as `sim/so101-reach/ratio_to_batch`."""
    value: float
    """The figure."""
    unit: str
    """Unit: `ratio`, `s`, `steps/s`, `rad`, …"""
    goal: str | None = None
    """What it should be, such as `>= 0.90`; None when nothing is asked."""
    spread: tuple[float, float] | None = None
    """Interval or range of the figure."""
    n: int = 1
    """Number of measurements behind it."""


def rate_figure(name: str, rate: Interval, goal: str | None = None) -> Figure:
    """Return a success rate as a figure with its interval."""
    spread = (rate.low, rate.high)
    return Figure(name=name, value=rate.value, unit="ratio", goal=goal, spread=spread, n=rate.n)


def write_results(path: Path, figures: Sequence[Figure]) -> None:
    """Write figures with the machine and the revision that they come from.

    Args:
        path: file to write, whole or not at all.
        figures: one row each.
    """
    rows = []
    for figure in figures:
        row: dict[str, Any] = {
            "name": figure.name,
            "value": figure.value,
            "unit": figure.unit,
            "n": figure.n,
        }
        if figure.goal is not None:
            row["goal"] = figure.goal
        if figure.spread is not None:
            row["spread"] = list(figure.spread)
        rows.append(row)
    document = {"machine": machine(), "revision": revision(), "rows": rows}
    write_text_atomically(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def machine() -> dict[str, str | int | float]:
    """Return what matters for a measurement: processor, cores, memory, software; no host name."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()
