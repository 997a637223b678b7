"""Learning curves as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from trirl_robot.evaluation.metrics import RunMetrics

Array = NDArray[np.float64]

LINES = ("#2f6fd6", "#d9622b", "#1f9e75", "#b0418f", "#8a8d1f", "#7a5cc9")
"""Colours of runs; told apart on white and on near-black, and by the colour-blind."""
INK = "#010203"
"""Stands for the page's text colour until the SVG is written."""
RULE = "#040506"
"""Stands for the page's colour of fine lines until the SVG is written."""
MOST_POINTS = 400
"""Points of a curve; more cannot be seen."""

_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One key of the log in a plot."""

    key: str
    """Key in `metrics.jsonl`."""
    label: str = ""
    """What the line is, when a plot has more than one."""
    dashed: bool = False
    """Drawn as a limit or reference."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Curves against environment steps."""

    title: str
    """Heading."""
    caption: str
    """What it shows and what it should look like."""
    axis: str
    """Label of the vertical axis, with unit."""
    curves: tuple[Curve, ...]
    """The lines; the plot is left out when the first is in no run."""
    limits: tuple[float | None, float | None] = (None, None)
    """Ends of the vertical axis."""
    percent: bool = False
    """Whether the vertical axis is a share."""
    reference: float | None = None
    """A level to compare with."""


PLOTS = (
    Plot(
        title="Success",
        caption="Share of evaluation episodes that end within the goal, for the policy of the "
        "moment. The task's reward is never used for training.",
        axis="success rate",
        curves=(Curve(key="evaluation/success_rate"),),
        limits=(-0.02, 1.02),
        percent=True,
    ),
    Plot(
        title="Trust region",
        caption="How far each update moved the policy, as the mean KL divergence from the policy "
        "before it (solid), and the bound that is aimed at (dashed).",
        axis="KL divergence [nats]",
        curves=(
            Curve(key="trust_region/kl_mean", label="mean KL"),
            Curve(key="trust_region/kl_bound", label="bound", dashed=True),
        ),
        limits=(0.0, None),
    ),
    Plot(
        title="Multiplier eta",
        caption="Multiplier of the constraint that was really enforced. The corrected step is "
        "step_size / (1 + eta): the larger eta, the smaller the change of the reward.",
        axis="eta [1]",
        curves=(Curve(key="trust_region/eta"),),
        limits=(0.0, None),
    ),
    Plot(
        title="Discriminator",
        caption="Share of transitions that the discriminator tells apart (solid): at one half "
        "policy and demonstrations look alike to it. Its probabilities are off by the gap shown "
        "below (dashed).",
        axis="accuracy",
        curves=(
            Curve(key="discriminator/accuracy", label="accuracy"),
            Curve(key="discriminator/calibration", label="calibration gap", dashed=True),
        ),
        limits=(-0.02, 1.02),
        percent=True,
        reference=0.5,
    ),
    Plot(
        title="Dual",
        caption="Estimate of the dual objective whose variable is the reward.",
        axis="dual value [nats]",
        curves=(Curve(key="dual/value"),),
    ),
    Plot(
        title="Reward chain",
        caption="Discriminators that carry the present reward.",
        axis="length [1]",
        curves=(Curve(key="reward/chain_length"),),
        limits=(0.0, None),
    ),
    Plot(
        title="Policy entropy",
        caption="Entropy of the action distribution; a sudden fall means early certainty.",
        axis="entropy [nats]",
        curves=(Curve(key="policy/entropy"),),
    ),
)
"""The plots of a report, most telling first."""


def drawable(plot: Plot, runs: Sequence[RunMetrics]) -> bool:
    """Return whether any run holds the plot's main curve."""
    return any(len(run.series(plot.curves[0].key)[0]) for run in runs)


def draw(plot: Plot, runs: Sequence[RunMetrics]) -> str:
    """Return the plot as an `<svg>` element that fills the width it is given.

    Args:
        plot: what to draw.
        runs: one line a run and curve.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": plot.title}):
        canvas = Canvas(figsize=(4.5, 2.75), layout="constrained")
        axes = canvas.add_subplot()
        for run, colour in zip(runs, _colours(len(runs)), strict=True):
            for curve in plot.curves:
                _draw_curve(axes, curve, run, colour)
        if plot.reference is not None:
            axes.axhline(plot.reference, color=RULE, linewidth=1.2, linestyle=(0, (2, 2)))
        _label(axes, plot)
        _legend(axes, plot, runs)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _themed(buffer.getvalue(), plot.title)


def thinned(x: Array, y: Array, most: int = MOST_POINTS) -> tuple[Array, Array]:
    """Average neighbouring points until at most `most` are left; short curves stay as they are."""
    if len(x) <= most:
        return x, y
    parts = np.array_split(np.arange(len(x)), most)
    return np.array([x[p].mean() for p in parts]), np.array([y[p].mean() for p in parts])


def _draw_curve(axes: Axes, curve: Curve, run: RunMetrics, colour: str) -> None:
    x, y = thinned(*run.series(curve.key))
    if not len(x):
        return
    axes.plot(
        x,
        y,
        color=colour,
        linewidth=1.0 if curve.dashed else 1.6,
        linestyle="--" if curve.dashed else "-",
        marker="o" if len(x) < 25 and not curve.dashed else "",
        markersize=3.2,
    )


def _label(axes: Axes, plot: Plot) -> None:
    axes.set_xlabel("environment steps")
    axes.set_ylabel(plot.axis)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(left=0)
    if plot.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    low, high = plot.limits
    axes.set_ylim(low, high)


def _legend(axes: Axes, plot: Plot, runs: Sequence[RunMetrics]) -> None:
    entries = [
        axes.plot([], [], color=colour, linewidth=1.6, label=run.name)[0]
        for run, colour in zip(runs, _colours(len(runs)), strict=True)
        if len(runs) > 1
    ]
    shown = [c for c in plot.curves if any(len(run.series(c.key)[0]) for run in runs)]
    entries += [
        axes.plot(
            [], [], color=INK, linewidth=1.2, linestyle="--" if c.dashed else "-", label=c.label
        )[0]
        for c in shown
        if len(shown) > 1
    ]
    if entries:
        axes.figure.legend(
            handles=entries,
            loc="outside upper left",
            ncols=min(3, len(entries)),
            fontsize=9,
            handlelength=1.6,
        )


def _colours(count: int) -> list[str]:
    return [LINES[i % len(LINES)] for i in range(count)]


def _themed(svg: str, title: str) -> str:
    """Cut the XML prologue, let the size follow the page, and take colours and font from it."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    svg = svg.replace(INK, "var(--ink)").replace(RULE, "var(--rule)")
    svg = re.sub(r"font: [^;\"]*?(\d+(?:\.\d+)?)px[^;\"]*", r"font-size: \1px", svg)
    # identifiers must be unique in the page that holds several of these
    prefix = re.sub(r"\W+", "-", title.lower())
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
