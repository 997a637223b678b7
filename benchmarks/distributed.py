"""One training in two processes against one: the same parameters, and the same result.

    python benchmarks/distributed.py --json results.json
    python benchmarks/distributed.py --quick

Both have the same simulations in all; two processes have half of them each. One process uses every
core already (simulations on all, policy and critic side by side), so that two are faster only where
networks or simulations are large, or on more than one machine; beside both, one process on one
thread says what a process gains. Contacts amplify rounding, so that beside the difference between
one process and two stands that between one process and itself with one bias moved by 1e-7.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from experts import demonstrations_of
from rich.console import Console
from rich.table import Table
from torch import Tensor

from teleop.record import record
from trirl_robot.cli.train import resolve
from trirl_robot.evaluation.results import Figure, write_results
from trirl_robot.evaluation.rollouts import evaluate
from trirl_robot.rl.policy import MeanAction
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.policies import load_learnt
from trirl_robot.sim.env import build_env
from trirl_robot.sim.episode_random import Purpose

PROCESSES = (1, 2)
TOLERANCE = 1e-5
MOVE = 1e-7
MOVED = "1 process, one bias moved by 1e-7"
EPISODES = 200
DEMONSTRATIONS, QUICK_DEMONSTRATIONS = 20, 5
"""Reaches that are recorded; the former is what `trirl demo` does."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task that is trained on."""

    task: str
    """Task's name."""
    randomisation: str
    """Preset of training and evaluation."""
    steps: int
    """Environment steps of the whole training."""
    compared: int
    """Iterations after which parameters are asked to agree: HalfCheetah's contacts make 30 of 1e-7
    within a rollout, so that there only the first, before which nothing differs, can be asked."""

    def demonstrations(self, folder: Path, count: int) -> Path:
        """Return the file to learn from: so many reaches, or the imitation benchmark's file."""
        if self.task != "so101-reach":
            return demonstrations_of(self.task, 0)
        path = folder / "demos.hdf5"
        record(self.task, "scripted", count, path, seed=0, realtime=False)
        return path


CASES = (
    Case(task="so101-reach", randomisation="light", steps=450_000, compared=3),
    Case(task="half-cheetah", randomisation="none", steps=200_000, compared=1),
)


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of trainings")
    parser.add_argument("--timed", type=int, default=15, help="iterations of a timing")
    parser.add_argument("--repeats", type=int, default=3, help="timings of each, in turn")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--short", action="store_true", help="leave the whole trainings out")
    parser.add_argument("--quick", action="store_true", help="a minute; trainings are too short")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.timed, arguments.repeats = [0], 3, 1
    figures: list[Figure] = []
    for case in CASES[: 1 if arguments.quick else None]:
        with tempfile.TemporaryDirectory() as temporary:
            figures += _figures(case, Path(temporary), arguments)
    Console().print(_table(figures))
    if arguments.json is not None:
        write_results(arguments.json, figures)


def _figures(case: Case, folder: Path, arguments: argparse.Namespace) -> Iterator[Figure]:
    steps = 20_000 if arguments.quick else case.steps
    count = QUICK_DEMONSTRATIONS if arguments.quick else DEMONSTRATIONS
    demonstrations = case.demonstrations(folder, count)
    configured = [
        _configured(case, demonstrations, folder / f"seed-{seed}", seed, steps)
        for seed in arguments.seeds
    ]
    found = _short_runs(configured[0], arguments)
    one, two, moved = (found[kind][0]["history"] for kind in ("1 process", "2 processes", MOVED))
    for iteration, (first, second, third) in enumerate(zip(one, two, moved, strict=True), start=1):
        name = f"distributed/{case.task}/difference after {iteration}"
        goal = f"<= {TOLERANCE:g}" if iteration <= case.compared else None
        yield Figure(name=name, value=_apart(first, second), unit="1", goal=goal)
        yield Figure(name=f"{name}, {MOVED}", value=_apart(first, third), unit="1")
    del found[MOVED]
    for name, results in found.items():
        rates = [result["steps_per_s"] for result in results]
        yield Figure(
            name=f"distributed/{case.task}/{name}",
            value=median(rates),
            unit="steps/s",
            spread=(min(rates), max(rates)),
            n=len(rates),
        )
    for count in () if arguments.short else PROCESSES:
        yield from _trained(case, configured, count)


def _configured(case: Case, demonstrations: Path, path: Path, seed: int, steps: int) -> RunFolder:
    config = resolve(
        demonstrations,
        path,
        task=case.task,
        randomisation=case.randomisation,
        seed=seed,
        overrides=(f"total_steps={steps}",),
    )
    return RunFolder.create(path, config)


def _short_runs(run: RunFolder, arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return what short trainings came to, in turn, by how many processes and threads."""
    worker, result = Path(__file__).with_name("distributed_run.py"), run.path / "result.pt"
    kinds = {"1 process, 1 thread": (1, 1), "1 process": (1, 0), "2 processes": (2, 0)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in kinds}
    _launch(1, worker, run.path, result, "--move", MOVE)
    found[MOVED] = [torch.load(result)]
    for _ in range(arguments.repeats):
        for name, (count, threads) in kinds.items():
            options = ("--threads", threads, "--timed", arguments.timed)
            _launch(count, worker, run.path, result, *options)
            found[name].append(torch.load(result))
    return found


def _apart(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Return the greatest difference of any parameter."""
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def _launch(processes: int, *command: object) -> None:
    """Run a Python program in one process, or in several by torchrun."""
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    launch = [sys.executable, *(several if processes > 1 else ())]
    done = subprocess.run(
        [*launch, *map(str, command)], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")


def _trained(case: Case, configured: list[RunFolder], processes: int) -> Iterator[Figure]:
    """Train each seed to the end; return success, or return, and time."""
    reached, seconds = [], []
    for configured_run in configured:
        path = configured_run.path.with_name(f"{configured_run.path.name}-{processes}")
        run = RunFolder.create(path, RunFolder.open(configured_run.path)[1])
        _launch(processes, "-m", "trirl_robot", "train", "--resume", run.path)
        reached.append(_measured(run))
        seconds.append(run.read_metrics()[-1]["time_s"])
    name = f"distributed/{case.task}/{processes} process{'es' * (processes > 1)}"
    for what, unit, values in (
        ("success", "ratio", [success for success, _ in reached]),
        ("return", "task reward", [returned for _, returned in reached]),
        ("training", "s", seconds),
    ):
        yield Figure(
            name=f"{name}, {what}",
            value=mean(values),
            unit=unit,
            spread=(min(values), max(values)),
            n=len(values),
        )


def _measured(run: RunFolder) -> tuple[float, float]:
    """Return success rate and mean return of a finished run's policy."""
    learnt = load_learnt(run.path)
    env = build_env(
        learnt.config.task,
        EPISODES,
        randomisation=learnt.config.randomisation,
        seed=learnt.config.seed,
        purpose=Purpose.EVALUATION,
        autoreset=False,
    )
    result = evaluate(MeanAction(learnt.policy), env, EPISODES, learnt.config.seed)
    return result.success_rate.value, float(result.episode_return.mean())


def _table(figures: list[Figure]) -> Table:
    table = Table("", "value", "range", "n", "goal", title="one training in two processes")
    for figure in figures:
        table.add_row(
            f"{figure.name.removeprefix('distributed/')} [{figure.unit}]",
            f"{figure.value:.3g}" if abs(figure.value) < 1000 else f"{figure.value:,.0f}",
            " - ".join(f"{value:.4g}" for value in figure.spread or ()),
            str(figure.n),
            figure.goal or "",
        )
    return table


if __name__ == "__main__":
    main()
