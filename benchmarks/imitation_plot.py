"""Learning curves of the imitation benchmark, from its kept results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from imitation_table import REACHED, method_of, setting_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import EngFormatter

from trirl_robot.files import replaced_atomically

Row = dict[str, Any]

COLOURS = {"trirl": "#2f6fd6", "gail": "#d9622b", "airl": "#1f9e75", "bc": "#666a72"}
"""By method; told apart by the colour-blind."""
OTHERS = ("#b0418f", "#8a8d1f", "#7a5cc9", "#17a2b8", "#a0522d", "#3c7d22", "#c71585")
"""Of methods with a name of their own, such as ablations."""
COLUMNS = 4
DASHES = (0, (5, 3))
"""Of a method that takes no environment steps."""
_STYLE = {
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e5e8",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
}


def draw_curves(rows: Sequence[Row], path: Path) -> None:
    """Write a picture with a panel for each task and setting, as PNG.

    Lines are means over seeds, bands reach from the worst to the best; a method that takes no
    environment steps is a dashed line.
    """
    panels: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        panels[row["task"], setting_of(row)][method_of(row)].append(row)
    methods = sorted({method for panel in panels.values() for method in panel}, key=_rank)
    spare = iter(OTHERS)
    colours = {m: COLOURS[m] if m in COLOURS else next(spare, "#000000") for m in methods}
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    with matplotlib.rc_context(_STYLE):
        size = (max(4.4, 3.3 * columns), 2.6 * lines + 0.5)
        canvas = Canvas(figsize=size, layout="constrained")
        axes = canvas.subplots(lines, columns, squeeze=False).flatten()
        for axis, ((task, setting), panel) in zip(axes, sorted(panels.items()), strict=False):
            for method in sorted(panel, key=_rank):
                _draw(axis, panel[method], colours[method])
            if all(len(row["curve"]) == 1 for group in panel.values() for row in group):
                # cloning alone takes no environment steps
                axis.set_xticks([])
            axis.set_title(f"{task}\n{_demonstrations(setting)}", loc="left")
            low, high = axis.get_ylim()
            axis.set_ylim(low, max(1.05, high))
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        drawn = {method_of(row): len(row["curve"]) > 1 for row in rows}
        handles = [
            axes[0].plot([], [], color=c, linewidth=2.0, ls="-" if drawn[m] else DASHES)[0]
            for m, c in colours.items()
        ]
        canvas.legend(handles, list(colours), loc="outside upper center", ncols=len(colours))
        canvas.supxlabel("environment steps; each evaluation has ten episodes", fontsize=10)
        canvas.supylabel(f"return (expert 1, random 0; dotted: {REACHED})", fontsize=10)
        with replaced_atomically(path) as temporary:
            canvas.savefig(temporary, format="png", dpi=120)


def _draw(axis: Axes, group: Sequence[Row], colour: str) -> None:
    curves = [row for row in group if len(row["curve"]) > 1]
    if not curves:
        axis.axhline(float(np.mean([r["normalised"] for r in group])), color=colour, ls=DASHES)
        return
    length = min(len(row["curve"]) for row in curves)
    steps = np.array(curves[0]["steps"][:length])
    found = np.array([row["curve"][:length] for row in curves])
    axis.fill_between(steps, found.min(0), found.max(0), color=colour, alpha=0.16, linewidth=0)
    axis.plot(steps, found.mean(0), color=colour, linewidth=1.6)
    axis.axhline(REACHED, color="#9a9da3", linewidth=0.8, linestyle=":")
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _demonstrations(setting: str) -> str:
    count, *rest = setting.split(",", 1)
    return f"{count} demonstration{'s' if count != '1' else ''}{''.join(',' + r for r in rest)}"


def _rank(method: str) -> tuple[int, str]:
    known = list(COLOURS)
    return (known.index(method) if method in known else len(known), method)
