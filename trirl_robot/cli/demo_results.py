"""The demo's table, `results.json` and `report.html`, all from the same figures."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from trirl_robot.cli.deployment import DeployResult
from trirl_robot.cli.export import PARITY_SAMPLES, ExportResult
from trirl_robot.evaluation.metrics import read_metrics
from trirl_robot.evaluation.report import ParityRow, ReportData, ResultRow, percent, write_report
from trirl_robot.evaluation.results import (
    Figure,
    machine,
    rate_figure,
    write_results,
)
from trirl_robot.evaluation.rollouts import EvaluationResult
from trirl_robot.evaluation.video import Footage, Video, render
from trirl_robot.files import replaced_atomically
from trirl_robot.runs.folder import CONFIG, METRICS
from trirl_robot.versions import revision

GOALS = {"TRIRL": 0.95, "TRIRL, shifted": 0.90, "TRIRL through ROS 2": 0.90}
"""Least success rates that the project holds itself to."""
PARITY_TOLERANCE = 1e-5
FILMED_REACHES = 3
SETUP_SECONDS = ".setup-seconds"
"""Where `make setup` notes how long it took, in the virtual environment."""


@dataclass(frozen=True, kw_only=True)
class DemoResults:
    """What the stages of a demo found."""

    folder: Path
    """Folder of the demo."""
    seed: int
    """Seed of every stage."""
    seconds: dict[str, float]
    """Duration of each stage [s]."""
    evaluations: dict[str, EvaluationResult]
    """Evaluations in simulation, by row of the table."""
    exported: ExportResult
    """The exported files."""
    deployed: DeployResult
    """The run through ROS 2."""
    started: float
    """`time.perf_counter()` when the demo began."""
    peak_memory_gib: float
    """Largest memory of the demo's processes together [GiB]."""
    wire_difference: float
    """Largest difference between torch's action and the one on the wire."""

    @property
    def rows(self) -> tuple[ResultRow, ...]:
        """Success rates, in the order of the table."""
        rates = {name: result.success_rate for name, result in self.evaluations.items()}
        rates["TRIRL through ROS 2"] = self.deployed.success_rate
        notes = {
            "TRIRL through ROS 2": "shifted dynamics and start drawn anew for each reach",
            **dict.fromkeys(
                (n for n in rates if n.endswith("shifted")), "dynamics never trained on"
            ),
        }
        return tuple(
            ResultRow(name=name, rate=rate, goal=GOALS.get(name), note=notes.get(name, ""))
            for name, rate in rates.items()
        )

    @property
    def parity(self) -> tuple[ParityRow, ...]:
        """Largest differences of an action between simulator, onnxruntime and wire."""
        compared = self.deployed.asked_cycles
        rows = (
            ("simulator (torch) - onnxruntime", self.exported.policy_difference, PARITY_SAMPLES),
            ("onnxruntime - wire", self.deployed.action_difference, compared),
            ("simulator (torch) - wire", self.wire_difference, compared),
        )
        return tuple(
            ParityRow(name=name, difference=difference, tolerance=PARITY_TOLERANCE, n=n)
            for name, difference, n in rows
        )


def results_tables(results: DemoResults) -> tuple[Table, Table]:
    """Return the tables that the demo ends with: success rates, and differences of actions."""
    rates = Table("policy", "success", "95 % interval", "episodes", "goal")
    for row in results.rows:
        rates.add_row(
            row.name,
            percent(row.rate.value),
            f"{percent(row.rate.low)} - {percent(row.rate.high)}",
            str(row.rate.n),
            "" if row.goal is None else f">= {percent(row.goal)}",
            style=_style(row.met),
        )
    differences = Table("largest difference of an action", "", "actions", "goal")
    for parity in results.parity:
        differences.add_row(
            parity.name,
            f"{parity.difference:.2g}",
            f"{parity.n:,}",
            f"<= {parity.tolerance:g}",
            style=_style(parity.met),
        )
    return rates, differences


def _style(met: bool | None) -> str | None:
    return None if met is None else "green" if met else "red"


def write_files(results: DemoResults) -> None:
    """Write `report.html`, the video and, last, `results.json` into the demo's folder."""
    video, caption = _film(results)
    if video is not None:
        for name, content in (("mp4", video.mp4), ("png", video.strip_png)):
            with replaced_atomically(results.folder / f"through-ros2.{name}") as temporary:
                temporary.write_bytes(content)
    training = results.folder / "training"
    trirl = results.evaluations["TRIRL"].success_rate
    ros = results.deployed.success_rate
    write_report(
        results.folder / "report.html",
        ReportData(
            title="SO-101 reach, learnt from demonstrations",
            summary=(
                f"TRIRL reached {percent(trirl.value)} of {trirl.n} targets in simulation and "
                f"{percent(ros.value)} of {ros.n} through ROS 2 on an arm with other dynamics."
            ),
            results=results.rows,
            parity=results.parity,
            runs=(read_metrics(training / METRICS, f"seed {results.seed}"),),
            video=video,
            video_caption=caption,
            facts=_facts(results),
            config_yaml=(training / CONFIG).read_text(encoding="utf-8"),
        ),
    )
    write_results(results.folder / "results.json", _figures(results))


def _figures(results: DemoResults) -> list[Figure]:
    figures = [
        rate_figure(
            f"demo/{row.name}",
            row.rate,
            None if row.goal is None else f">= {row.goal:.2f}",
        )
        for row in results.rows
    ]
    figures += [
        Figure(
            name=f"demo/difference/{row.name}",
            value=row.difference,
            unit=row.unit,
            goal=f"<= {PARITY_TOLERANCE:g}",
            n=row.n,
        )
        for row in results.parity
    ]
    figures += [
        Figure(name=f"demo/duration/{stage}", value=seconds, unit="s")
        for stage, seconds in results.seconds.items()
    ]
    duration = time.perf_counter() - results.started
    setup = Path(sys.prefix) / SETUP_SECONDS
    if setup.is_file():
        seconds = float(setup.read_text(encoding="utf-8"))
        figures.append(Figure(name="demo/duration/set-up", value=seconds, unit="s"))
        duration += seconds
    return [
        *figures,
        Figure(name="demo/duration", value=duration, unit="s", goal="<= 900"),
        Figure(name="demo/peak_memory", value=results.peak_memory_gib, unit="GiB", goal="<= 4"),
    ]


def _facts(results: DemoResults) -> tuple[tuple[str, str], ...]:
    computer = machine()
    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in results.seconds.items())
    deployed = results.deployed
    return (
        ("Machine", f"{computer['cpu']}, {computer['cores']} cores"),
        ("Revision", revision() or "not under version control"),
        ("Seed", str(results.seed)),
        ("Duration", f"{sum(results.seconds.values()):.0f} s ({stages})"),
        ("Peak memory of all processes", f"{results.peak_memory_gib:.2f} GiB"),
        (
            "Control cycle on ROS 2",
            f"{deployed.cycles:,} cycles, start late by {1e3 * deployed.jitter_p50_s:.2f} ms "
            f"(median) and {1e3 * deployed.jitter_p99_s:.2f} ms (99 %)",
        ),
        ("Protective stops", str(deployed.latches)),
    )


def _film(results: DemoResults) -> tuple[Video | None, str]:
    """Render the first reaches through ROS 2 from the hardware's own log."""
    reaches = results.deployed.reaches[:FILMED_REACHES]
    with np.load(results.deployed.output / "hardware.npz") as log:
        stamp, state = log["stamp_s"], log["state"]
    which = np.searchsorted([reach["start_stamp_s"] for reach in reaches], stamp, "right") - 1
    # between two reaches the arm is driven to its next start
    inside = (which >= 0) & (stamp <= np.array([r["end_stamp_s"] for r in reaches])[which])
    stamp, state, which = stamp[inside], state[inside], which[inside]
    targets = np.array([reach["target_m"] for reach in reaches])[which]
    positions = (state.shape[1] - 1) // 2
    video = render(
        Footage(
            robot="so101",
            qpos=state[:, 1 : 1 + positions],
            target_position=targets,
            rate_hz=float(1.0 / np.median(np.diff(stamp))),
        )
    )
    if video is None:
        return None, "No renderer works on this machine; 'trirl doctor' says what is missing."
    return video, (
        f"The first {len(reaches)} reaches through ROS 2, from the simulated hardware's own log. "
        "The ball is the target with its 2 cm tolerance."
    )
