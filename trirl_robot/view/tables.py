"""The panel's tables as HTML: what was drawn, and how the episode goes."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.view.session import Status

MEANING = {"scale": "× the model's", "add": "+ the model's", "set": ""}
"""How a value acts on the model's own, by operation."""

_STYLE = """<style>
.trirl{font-size:.8em;line-height:1.45;padding:0 .9em .6em}
.trirl table{width:100%;border-collapse:collapse}
.trirl td{padding:0 0 0 .4em;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.trirl td:first-child{padding-left:0}
#drawn table{table-layout:fixed}#drawn td:nth-child(2){width:5.5em}#drawn td:nth-child(3){width:5em}
.trirl td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums}
.trirl h4{margin:.7em 0 .1em;font-size:1em;font-weight:600}
.trirl h4 small{font-weight:400;opacity:.65}
.trirl meter{width:4.5em;height:.8em;vertical-align:middle}
.trirl .good{color:#21a159;font-weight:600}.trirl .bad{color:#d9480f;font-weight:600}
</style>"""


@dataclass(frozen=True, kw_only=True)
class DrawnValue:
    """A value that was drawn, or one that several objects share."""

    objects: tuple[str, ...]
    """What it belongs to."""
    value: float
    """The value."""
    low: float
    """Least value that could have been drawn; -infinity for no bound."""
    high: float
    """Greatest value that could have been drawn; infinity for no bound."""


@dataclass(frozen=True, kw_only=True)
class DrawnGroup:
    """The values of one quantity that act in the same way."""

    quantity: str
    """What was drawn, such as `body_mass`."""
    operation: str
    """How the values act: a key of `MEANING`."""
    unit: str
    """Unit of values that are added or set; empty for factors."""
    values: tuple[DrawnValue, ...]
    """The values, in the order of the objects."""


def drawn_groups(terms: Iterable[BoundTerm], sim: int) -> list[DrawnGroup]:
    """Return what acts in one simulation; objects that got the same value come together."""
    groups = []
    for term in terms:
        low, high = term.config.support
        objects: dict[float, list[str]] = {}
        for name, value in zip(term.names, term.values[sim].tolist(), strict=True):
            if not math.isnan(value):
                objects.setdefault(value, []).append(name.partition("/")[2])
        values = tuple(
            DrawnValue(objects=tuple(names), value=value, low=low, high=high)
            for value, names in objects.items()
        )
        if values:
            unit = "" if term.operation == "scale" else term.quantity.unit
            groups.append(
                DrawnGroup(
                    quantity=term.config.quantity,
                    operation=term.operation,
                    unit=unit,
                    values=values,
                )
            )
    return groups


def drawn_html(groups: Sequence[DrawnGroup]) -> str:
    """Return a table of the drawn values; a bar shows where in its range each lies."""
    if not groups:
        return f"{_STYLE}<div class='trirl'>Nothing is drawn: all simulations are the same.</div>"
    parts = []
    for group in groups:
        # names end in their unit where they have one, such as command_latency_s
        name = group.quantity.removesuffix(f"_{group.unit}").replace("_", " ")
        unit = f" [{group.unit}]" if group.unit not in ("", "1") else ""
        note = html.escape(MEANING[group.operation] + unit)
        parts.append(f"<h4>{html.escape(name)} <small>{note}</small></h4><table>")
        parts += [_drawn_row(value) for value in group.values]
        parts.append("</table>")
    return f"{_STYLE}<div class='trirl' id='drawn'>{''.join(parts)}</div>"


def status_html(status: Status, *, paused: bool, speed: float, measured_speed: float) -> str:
    """Return a table of how the episode goes.

    Args:
        status: the simulation that is shown.
        paused: all simulations are halted.
        speed: the speed that is wanted, in units of real time.
        measured_speed: the speed that is reached; NaN while unknown.
    """
    key, pace = status.key, f"{speed:g}×"
    if paused:
        pace = "paused"
    elif measured_speed < 0.9 * speed:
        pace += f" wanted, {measured_speed:.2f}× reached"
    rows = [
        ("speed", pace),
        (
            "episode",
            f"{key.episode + 1} <small>(seed {key.seed}, environment {key.index})</small>",
        ),
        ("time", f"{status.elapsed_s:.2f} of {status.duration_s:.2f} s"),
        ("reward", f"{status.reward:.4g}"),
        ("return", f"{status.episode_return:.4g}"),
    ]
    if math.isfinite(status.distance_m):
        rows.append(("distance", f"{1000 * status.distance_m:.1f} mm"))
    rows.append(("state", _state(status)))
    rows.append(("episodes ended", f"{status.episodes}, {status.successes} with success"))
    if status.diverged:
        rows.append(("diverged", f"<span class='bad'>{status.diverged}</span>"))
    cells = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    return f"{_STYLE}<div class='trirl' id='status'><table>{cells}</table></div>"


def _state(status: Status) -> str:
    if status.success:
        return f"<span class='good'>{'ended, ' if status.ended else ''}success</span>"
    return "<span class='bad'>ended</span>" if status.ended else "running"


def _drawn_row(value: DrawnValue) -> str:
    names = ", ".join(value.objects)
    label, count = names, len(value.objects)
    if count > 1:
        # those of one sensor are called joint_velocity.shoulder_pan and so on
        (whole, *others) = {name.rpartition(".")[0] for name in value.objects}
        label = f"{whole}.* ({count})" if whole and not others else f"{count} objects"
    bar = ""
    if math.isfinite(value.low) and math.isfinite(value.high) and value.high > value.low:
        share = (value.value - value.low) / (value.high - value.low)
        hint = f"{value.low:g} to {value.high:g}"
        bar = f"<meter min='0' max='1' value='{share:.3f}' title='{hint}'></meter>"
    return (
        f"<tr><td title='{html.escape(names, quote=True)}'>{html.escape(label)}</td>"
        f"<td title='{value.value!r}'>{value.value:.3g}</td><td>{bar}</td></tr>"
    )
