"""Pictures of `trirl tabular`: rewards and policies of a world, and curves by iteration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Canvas
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from trirl_robot.evaluation.plots import LINES, Array
from trirl_robot.files import replaced_atomically
from trirl_robot.irl.tabular.ascent import Ascent
from trirl_robot.irl.tabular.comparison import Comparison
from trirl_robot.irl.tabular.shaping import nearest_state_reward
from trirl_robot.irl.tabular.worlds import MOVES

_INK = "#222222"
_MAP = "cividis"
"""Even in brightness and made for the colour-blind."""
_STYLE = {
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": _INK,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "xtick.color": "#666666",
    "ytick.color": "#666666",
    "text.color": _INK,
    "legend.frameon": False,
}
_LEAST = 1e-12
"""Where curves on a scale of logarithms end, nats."""
_CONVERGED = 1e-4
"""Duality gap below which a run has come to the least dual, nats."""
_DASHES = ("-", "-", "-", (0, (5, 2)), (0, (1.2, 1.6)))
"""One a method, so that runs that agree are both seen."""
_WIDTHS = (2.4, 1.4, 1.4, 1.6, 1.8)


def draw_rewards(comparison: Comparison, path: Path) -> None:
    """Write the picture of the expert's and the learnt reward with their policies, as PNG."""
    draw = _draw_grid if comparison.world.grid_size is not None else _draw_tables
    with matplotlib.rc_context(_STYLE):
        canvas = Canvas(figsize=(12.9, 4.0), layout=ConstrainedLayoutEngine(wspace=0.06))
        draw(canvas, comparison)
        _save(canvas, path)


def draw_curves(comparison: Comparison, path: Path) -> None:
    """Write the picture of KL, dual and duality gap by iteration and of KL by sweeps, as PNG."""
    with matplotlib.rc_context(_STYLE):
        canvas = Canvas(figsize=(11.0, 7.4), layout="constrained")
        (kl, dual), (gap, sweeps) = canvas.subplots(2, 2)
        for index, ascent in enumerate(comparison.ascents):
            _draw_run(ascent, index, kl=kl, dual=dual, gap=gap, sweeps=sweeps)
        _name(kl, "Distance from the expert", "iteration", "KL(ρ_π ‖ ρ_E) [nats]")
        _name(dual, "Dual (should only fall)", "iteration", "dual value [nats]")
        _name(gap, "Duality gap", "iteration", "dual minus primal [nats]")
        _name(sweeps, "Distance by work", "sweeps of soft value iteration", "KL(ρ_π ‖ ρ_E) [nats]")
        _limit(comparison, kl=kl, dual=dual, gap=gap, sweeps=sweeps)
        handles, labels = kl.get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9)
        _save(canvas, path)


def _draw_run(ascent: Ascent, index: int, *, kl: Axes, dual: Axes, gap: Axes, sweeps: Axes) -> None:
    iteration = np.arange(len(ascent.iterates))
    done = np.cumsum(ascent.series("sweeps"))
    # a scale of logarithms has no place for what is zero, or less by rounding
    distance = np.maximum(ascent.series("kl"), _LEAST)
    duality_gap = np.maximum(ascent.series("dual") - ascent.series("primal"), _LEAST)
    label = ascent.method.name + (" (diverges)" if ascent.diverged else "")
    for axes, x, y in (
        (kl, iteration, distance),
        (dual, iteration, ascent.series("dual")),
        (gap, iteration, duality_gap),
        (sweeps, done[1:], distance[1:]),
    ):
        axes.plot(
            x,
            y,
            label=label,
            color=LINES[index % len(LINES)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=_WIDTHS[index % len(_WIDTHS)],
            marker="x" if ascent.diverged else "",
            markevery=[-1],
            markersize=8,
        )


def _name(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, axis="y")


def _limit(comparison: Comparison, *, kl: Axes, dual: Axes, gap: Axes, sweeps: Axes) -> None:
    for axes in (kl, gap, sweeps):
        axes.set_yscale("log")
    sweeps.set_xscale("log")
    target = comparison.config.target_kl
    converged = [ascent for ascent in comparison.ascents if not ascent.diverged]
    # at places where they do not meet
    levels = {f"target {target:g}": (target, 0.5, 3)}
    if converged:
        # entropy counts beside the divergence, so that nearer to the expert is not better than this
        best = min(converged, key=_last_gap)
        optimum = float(best.series("kl")[-1])
        if _last_gap(best) < _CONVERGED and optimum > _LEAST:
            levels[f"where the dual is least, {optimum:.3g}"] = (optimum, 1.0, -10)
    for axes, (label, (level, side, above)) in itertools.product((kl, sweeps), levels.items()):
        axes.axhline(level, color="#999999", linewidth=1.0, linestyle=(0, (2, 2)), zorder=0)
        if axes is kl:
            axes.annotate(
                label,
                (side, level),
                xycoords=("axes fraction", "data"),
                xytext=(-2, above),
                textcoords="offset points",
                ha="right",
                fontsize=8,
                color="#666666",
            )
    # what diverges leaves the picture, so that what converges is seen in it
    values = comparison.ascents[0].series("dual")
    span = float(np.ptp(values)) or 1.0
    dual.set_ylim(values.min() - 0.1 * span, values.max() + 1.2 * span)
    for axes in (kl, dual, gap):
        axes.set_xlim(0, comparison.config.iterations)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _last_gap(ascent: Ascent) -> float:
    return float(ascent.series("dual")[-1] - ascent.series("primal")[-1])


def _draw_grid(canvas: Canvas, comparison: Comparison) -> None:
    size = comparison.world.grid_size
    assert size is not None
    mdp = comparison.world.mdp
    learnt = comparison.ascents[0].iterates[-1]
    reward = comparison.problem.matching.reward(learnt.parameters)
    expert = comparison.world.reward.mean(axis=1)
    alike = nearest_state_reward(mdp, reward)
    shown = np.concatenate([expert - expert.mean(), alike])
    scale = Normalize(shown.min(), shown.max())
    panels = canvas.subplots(1, 3)
    # a reward is known up to a constant, which does not change a policy
    images = (
        _cells(panels[0], (expert - expert.mean()).reshape(size, size), scale),
        _triangles(panels[1], reward - reward.mean(), size),
        _cells(panels[2], alike.reshape(size, size), scale),
    )
    _arrows(panels[0], comparison.world.expert().log_policy, size)
    _arrows(panels[2], learnt.log_policy, size)
    titles = (
        "Expert: reward and policy",
        "TRIRL: learnt reward by action",
        "TRIRL: shaping removed, policy",
    )
    for axes, image, title in zip(panels, images, titles, strict=True):
        axes.set_title(title, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        bar = canvas.colorbar(image, ax=axes, shrink=0.8, pad=0.03)
        bar.set_label("reward minus its mean [nats]")
        bar.outline.set_visible(False)


def _cells(axes: Axes, values: Array, scale: Normalize) -> AxesImage:
    return axes.imshow(values, cmap=_MAP, norm=scale)


def _triangles(axes: Axes, reward: Array, size: int) -> PolyCollection:
    """Draw each cell as four triangles, each in the colour of the action that points there."""
    corners = {(-1, 0): ((-1, -1), (1, -1)), (0, 1): ((1, -1), (1, 1))}
    corners |= {(1, 0): ((1, 1), (-1, 1)), (0, -1): ((-1, 1), (-1, -1))}
    polygons = []
    for state in range(size * size):
        row, column = divmod(state, size)
        for move in MOVES:
            rim = [(column + 0.48 * x, row + 0.48 * y) for x, y in corners[move]]
            polygons.append([(column, row), *rim])
    collection = PolyCollection(
        polygons,
        array=reward.ravel(),
        cmap=_MAP,
        norm=Normalize(reward.min(), reward.max()),
        edgecolors="white",
        linewidths=0.4,
    )
    axes.add_collection(collection)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal")
    return collection


def _arrows(axes: Axes, log_policy: Array, size: int) -> None:
    """Draw an arrow for each action, as long as it is likely."""
    row, column = np.divmod(np.arange(size * size), size)
    for action, (down, right) in enumerate(MOVES):
        length = 0.55 * np.exp(log_policy[:, action])
        axes.quiver(
            column,
            row,
            right * length,
            down * length,
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.014,
            headwidth=3.4,
            headlength=3.4,
            headaxislength=3.1,
            color="white",
            edgecolor="black",
            linewidth=0.6,
        )


def _draw_tables(canvas: Canvas, comparison: Comparison) -> None:
    learnt = comparison.ascents[0].iterates[-1]
    expert = comparison.world.expert().log_policy
    rewards = comparison.world.reward, comparison.problem.matching.reward(learnt.parameters)
    policies = np.exp(expert), np.exp(learnt.log_policy)
    *panels, third = canvas.subplots(1, 5, width_ratios=(1.0, 1.0, 1.0, 1.0, 1.9))
    _tables(panels[:2], "Reward", [values - values.mean() for values in rewards])
    _tables(panels[2:], "Policy", policies)
    for pair, label in (
        (panels[:2], "reward minus its mean [nats]"),
        (panels[2:], "probability [1]"),
    ):
        bar = canvas.colorbar(pair[0].images[0], ax=pair, shrink=0.82, pad=0.03)
        bar.set_label(label)
        bar.outline.set_visible(False)
    third.plot([expert.min(), 0.0], [expert.min(), 0.0], color="#999999", linewidth=1.0, zorder=0)
    third.scatter(expert, learnt.log_policy, s=16, color=LINES[0], alpha=0.8, linewidths=0)
    _name(third, "Reward up to shaping:\nthe soft advantage", "", "TRIRL's Q - V [nats]")
    third.set_xlabel("expert's Q - V [nats]")


def _tables(pair: Sequence[Axes], what: str, values: Sequence[Array]) -> None:
    """Draw what belongs to states and actions, the expert's and the learnt, in the same colours."""
    scale = Normalize(min(v.min() for v in values), max(v.max() for v in values))
    for axes, whose, shown in zip(pair, ("expert", "TRIRL"), values, strict=True):
        axes.imshow(shown, cmap=_MAP, norm=scale, aspect="auto")
        axes.set_title(f"{what}:\n{whose}", loc="left")
        axes.set_xlabel("action")
        axes.set_xticks(range(shown.shape[1]))
        axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.spines[:].set_visible(False)
    pair[0].set_ylabel("state")


def _save(canvas: Canvas, path: Path) -> None:
    with replaced_atomically(path) as temporary:
        canvas.savefig(temporary, format="png", dpi=140, metadata={"Software": None})
