"""`report.html`: what a run achieved and how it got there, in one file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from trirl_robot.evaluation.metrics import RunMetrics
from trirl_robot.evaluation.plots import PLOTS, draw, drawable
from trirl_robot.evaluation.statistics import Interval
from trirl_robot.evaluation.video import Video
from trirl_robot.files import write_text_atomically


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One line of the table of results."""

    name: str
    """What was run."""
    rate: Interval
    """Success rate."""
    goal: float | None = None
    """Least rate that is asked for."""
    note: str = ""
    """A few words on the conditions."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.rate.value >= self.goal


@dataclass(frozen=True, kw_only=True)
class ParityRow:
    """The largest difference between the same computation in two places."""

    name: str
    """The two places."""
    difference: float
    """Largest absolute difference."""
    tolerance: float | None
    """Greatest difference allowed; None when it is only reported."""
    n: int
    """Number of comparisons."""
    unit: str = "1"
    """Unit of the difference."""

    @property
    def met(self) -> bool | None:
        """Whether the difference is within the tolerance; None without one."""
        return None if self.tolerance is None else self.difference <= self.tolerance


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report shows; parts that are empty are left out."""

    title: str
    """Heading."""
    summary: str
    """One or two sentences with the outcome."""
    results: tuple[ResultRow, ...] = ()
    """Success rates, in the order of the table."""
    parity: tuple[ParityRow, ...] = ()
    """Differences between trainer, onnxruntime and robot."""
    runs: tuple[RunMetrics, ...] = ()
    """Training logs; each is a line in the plots."""
    video: Video | None = None
    """The motion that was filmed."""
    video_caption: str = ""
    """What the video shows, or why there is none."""
    facts: tuple[tuple[str, str], ...] = ()
    """Machine, revision, durations and the like, as name and value."""
    config_yaml: str = ""
    """The resolved configuration."""


def write_report(path: Path, data: ReportData) -> None:
    """Write the report as a single HTML file without external resources.

    Args:
        path: file to write, whole or not at all.
        data: what to show.
    """
    write_text_atomically(path, report_html(data))


def report_html(data: ReportData) -> str:
    """Return the report as HTML."""
    template = resources.files("trirl_robot.evaluation").joinpath("report.html")
    sections = [
        _results(data.results),
        _film(data.video, data.video_caption),
        _plots(data.runs),
        _parity(data.parity),
        _facts(data.facts, data.config_yaml),
    ]
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(data.title),
        summary=escape(data.summary),
        sections="\n".join(section for section in sections if section),
    )


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * share:.1f}\u00a0%"  # no line break before the sign


def _results(rows: tuple[ResultRow, ...]) -> str:
    if not rows:
        return ""
    lines = [
        f"<tr><td>{_named(row.name, row.note)}</td>"
        f'<td class="number value">{percent(row.rate.value)}</td>'
        f'<td class="number">{100 * row.rate.low:.1f}–{100 * row.rate.high:.1f}</td>'
        f'<td class="bar">{_bar(row)}</td>'
        f'<td class="number">{row.rate.n}</td>'
        f'<td class="number">{_goal("≥", row.goal, percent, row.met)}</td></tr>'
        for row in rows
    ]
    head = (
        '<tr><th>Policy</th><th class="number">Success</th>'
        '<th class="number">95 % interval</th><th class="bar"></th>'
        '<th class="number">n</th><th class="number">Goal</th></tr>'
    )
    return _section("Success rates", _table(head, lines) + _bar_note())


def _bar_note() -> str:
    return (
        '<p class="soft">Intervals are Wilson score intervals. In the bars the dot is the rate, '
        "the thick line its interval, and the mark across the goal; n counts episodes.</p>"
    )


def _bar(row: ResultRow) -> str:
    """Draw rate, interval and goal on a line from 0 to 100 %."""
    low, high, value = (100 * v for v in (row.rate.low, row.rate.high, row.rate.value))
    goal = (
        ""
        if row.goal is None
        else f'<line x1="{100 * row.goal:.1f}%" x2="{100 * row.goal:.1f}%" y1="10%" y2="90%" '
        'stroke="var(--soft)" stroke-width="1.5"/>'
    )
    return (
        '<svg aria-hidden="true" overflow="visible">'
        '<line x1="0" x2="100%" y1="50%" y2="50%" stroke="var(--rule)" stroke-width="1"/>'
        f'<line x1="{low:.1f}%" x2="{high:.1f}%" y1="50%" y2="50%" stroke="var(--accent)" '
        'stroke-width="5" stroke-linecap="round" opacity="0.45"/>'
        f'{goal}<circle cx="{value:.1f}%" cy="50%" r="4" fill="var(--accent)"/></svg>'
    )


def _parity(rows: tuple[ParityRow, ...]) -> str:
    if not rows:
        return ""
    lines = [
        f"<tr><td>{escape(row.name)}</td>"
        f'<td class="number value">{row.difference:.2g} {_unit(row.unit)}</td>'
        f'<td class="number">{_goal("≤", row.tolerance, "{:g}".format, row.met)}</td>'
        f'<td class="number">{row.n:,}</td></tr>'
        for row in rows
    ]
    head = (
        '<tr><th>Same policy in two places</th><th class="number">Difference</th>'
        '<th class="number">Allowed</th><th class="number">n</th></tr>'
    )
    note = '<p class="soft">Largest absolute difference over n values.</p>'
    return _section("Parity", _table(head, lines) + note)


def _film(video: Video | None, caption: str) -> str:
    if video is None:
        return _section("The arm", f'<p class="soft">{escape(caption)}</p>') if caption else ""
    mp4, strip = (base64.b64encode(data).decode() for data in (video.mp4, video.strip_png))
    return _section(
        "The arm",
        '<figure class="film">'
        f'<video controls muted loop playsinline preload="metadata" '
        f'src="data:video/mp4;base64,{mp4}"></video>'
        f'<img alt="Frames of the video" src="data:image/png;base64,{strip}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>",
    )


def _plots(runs: tuple[RunMetrics, ...]) -> str:
    figures = [
        f"<figure><h3>{escape(plot.title)}</h3>{draw(plot, runs)}"
        f"<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in PLOTS
        if drawable(plot, runs)
    ]
    return _section("Training", f'<div class="plots">{"".join(figures)}</div>') if figures else ""


def _facts(facts: tuple[tuple[str, str], ...], config_yaml: str) -> str:
    rows = [f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts]
    table = f'<table class="facts">{"".join(rows)}</table>' if rows else ""
    config = (
        f"<details><summary>Resolved configuration</summary><pre>{escape(config_yaml)}</pre>"
        "</details>"
        if config_yaml
        else ""
    )
    return _section("This run", table + config) if table or config else ""


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(head: str, lines: list[str]) -> str:
    body = "".join(lines)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _named(name: str, note: str) -> str:
    return escape(name) + (f'<span class="note">{escape(note)}</span>' if note else "")


def _goal(sign: str, goal: float | None, written: Callable[[float], str], met: bool | None) -> str:
    if goal is None:
        return '<span class="soft">–</span>'
    verdict = "met" if met else "missed"
    level = f'<span class="wide">{sign} {written(goal)}</span>'
    return f'{level} <span class="{verdict}">{verdict}</span>'


def _unit(unit: str) -> str:
    return "" if unit == "1" else escape(unit)
