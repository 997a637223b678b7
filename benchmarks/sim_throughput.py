"""The simulation layer against the engine that it is built on, and against its peers.

    python benchmarks/sim_throughput.py --json results.json
    python benchmarks/sim_throughput.py --quick

Every ratio is measured in one run, its two sides in turn; figures are medians, with their range.
"""

from __future__ import annotations

import argparse
import io
import logging
import operator
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sim_peers import PEERS, peer_rates
from sim_ratio import RatioMeasurement
from sim_workers import LEAK_ENVS, in_fresh_process

from trirl_robot.evaluation.results import Figure, machine, write_results
from trirl_robot.sim.env import make_batch

RATIO_TASKS = ("so101-reach", "so101-lift", "half-cheetah", "ant")
SCALES = (16, 64, 256, 1024, 4096)
QUICK_SCALES = (16, 256, 1024)
THREADS = (1, 2, 4)
COMPARISONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq}
"""What a goal may ask for."""
CONSOLE = Console(width=None if sys.stdout.isatty() else 140)


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="example: make bench-sim_throughput ARGS='--quick --json sim.json'",
    )
    parser.add_argument("--quick", action="store_true", help="about a minute; figures are rough")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--threads", type=int, default=2, help="threads of every peer [2]")
    parser.add_argument("--repeats", type=int, help="measurements behind a median [5; quick: 2]")
    parser.add_argument("--only", choices=list(SECTIONS), nargs="+", help="measure these alone")
    arguments = parser.parse_args()
    if arguments.repeats is None:
        arguments.repeats = 2 if arguments.quick else 5
    figures: list[Figure] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE) as progress:
        for name in arguments.only or SECTIONS:
            row = progress.add_task(name)
            figures += SECTIONS[name](arguments)
            progress.remove_task(row)
    CONSOLE.print(_table(figures))
    if arguments.json is not None:
        write_results(arguments.json, figures)


def _ratios(arguments: argparse.Namespace) -> list[Figure]:
    """Return our speed over that of the same engine calls, task by task.

    `batch` is our batch stepped alone, `plain_batch` one in which nothing is randomised and nothing
    copied out; `sim_ratio` says what either contains.
    """
    figures = []
    for task in RATIO_TASKS:
        measurement = RatioMeasurement(
            task, num_envs=256, threads=arguments.threads, steps=20 if arguments.quick else 300
        )
        taken = [measurement.measure() for _ in range(arguments.repeats)]
        name = f"sim/{task}"
        figures.append(_median(f"{name}/steps", [t.env for t in taken], "steps/s"))
        figures.append(_median(f"{name}/batch_steps", [t.batch for t in taken], "steps/s"))
        figures.append(_median(f"{name}/plain_batch_steps", [t.plain for t in taken], "steps/s"))
        ratios = [t.env / t.batch for t in taken]
        figures.append(_median(f"{name}/ratio_to_batch", ratios, "ratio", ">= 0.90"))
        ratios = [t.env / t.plain for t in taken]
        figures.append(_median(f"{name}/ratio_to_plain_batch", ratios, "ratio"))
    return figures


def _peers(arguments: argparse.Namespace) -> list[Figure]:
    """Return HalfCheetah's rates, and ours over each peer's, with as many as suit each best."""
    seconds = 0.5 if arguments.quick else 3.0
    rates, counts = peer_rates(arguments.threads, arguments.repeats, seconds)
    ours, figures = rates["trirl-robot"], []
    for peer in PEERS:
        name = peer.name.split()[-1]
        rate, count = rates[peer.name], counts[peer.name]
        tried = len(peer.num_envs)
        figures.append(
            Figure(
                name=f"sim/half-cheetah/{name}/side_by_side",
                value=count,
                unit="environments",
                n=tried,
            )
        )
        figures.append(_median(f"sim/half-cheetah/{name}/steps", rate, "steps/s"))
        if peer.goal is not None:
            times = [a / b for a, b in zip(ours, rate, strict=True)]
            goal = f">= {peer.goal:g}"
            figures.append(_median(f"sim/half-cheetah/ratio_to_{name}", times, "ratio", goal))
    return figures


def _scaling(arguments: argparse.Namespace) -> list[Figure]:
    """Return rate and memory by the number of simulations, each in a fresh process.

    Memory is a straight line through the smallest and the largest number: what each simulation
    adds, and what is there whatever their number.
    """
    figures = []
    counts = QUICK_SCALES if arguments.quick else SCALES
    for task in ("so101-reach", "half-cheetah"):
        taken = []
        for count in counts:
            found = in_fresh_process("scale", task, count, arguments.threads, arguments.repeats)
            figures.append(_median(f"sim/{task}/{count}/steps", found["rates"], "steps/s"))
            taken.append(found["bytes"])
        each = (taken[-1] - taken[0]) / (counts[-1] - counts[0])
        fixed = taken[0] - each * counts[0]
        figures += [
            Figure(name=f"sim/{task}/memory", value=each / 2**10, unit="KiB/simulation", n=2),
            Figure(name=f"sim/{task}/memory_fixed", value=fixed / 2**20, unit="MiB", n=2),
        ]
    return figures


def _leak(arguments: argparse.Namespace) -> list[Figure]:
    """Return how memory grows in a long run.

    Its steps are control steps, those of all simulations added up; peaks are sampled, every eighth
    step of the batch.
    """
    steps = 50_000 if arguments.quick else 1_000_000
    found = in_fresh_process("leak", "so101-reach", steps, arguments.threads)
    name = (
        f"sim/so101-reach/{LEAK_ENVS}/sampled_peak_memory_last_to_first_tenth"
        f"/{steps}_control_steps_of_all_simulations"
    )
    return [Figure(name=name, value=found, unit="ratio", goal="<= 1.01")]


def _determinism(arguments: argparse.Namespace) -> list[Figure]:
    """Return in how many ways trajectories differ by threads, each in a fresh process."""
    steps = 100 if arguments.quick else 400
    figures = []
    for task in RATIO_TASKS:
        runs = (*THREADS, THREADS[0])
        digests = {in_fresh_process("digest", task, steps, threads) for threads in runs}
        name = f"sim/{task}/trajectories_by_threads"
        figures.append(
            Figure(name=name, value=len(digests), unit="different", goal="== 1", n=len(runs))
        )
    return figures


def _divergence(arguments: argparse.Namespace) -> list[Figure]:
    """Return how many other simulations notice that one of them diverges."""
    del arguments
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("trirl_robot").addHandler(handler)
    sound, broken = (
        make_batch("so101-reach", num_envs=32, randomisation="strong", seed=1) for _ in range(2)
    )
    sound.reset()
    broken.reset()
    generator, noticed = np.random.default_rng(0), np.zeros(32, dtype=bool)
    for step in range(60):
        if step == 20:
            broken.task.simulation.qvel[7, 0] = np.nan
        action = generator.uniform(-1.0, 1.0, (32, sound.contract.action_size))
        pair = sound.step(action).observation, broken.step(action).observation
        noticed |= (pair[0] != pair[1]).any(axis=1)
    logging.getLogger("trirl_robot").removeHandler(handler)
    CONSOLE.print(f"log: {log.getvalue()[:160]}…", highlight=False)
    noticed[7] = False
    named = "simulation 7 diverged" in log.getvalue() and "body_mass/" in log.getvalue()
    return [
        Figure(name="sim/diverged", value=broken.num_diverged, unit="simulations", goal="== 1"),
        Figure(name="sim/diverged_and_named", value=int(named), unit="lines", goal="== 1"),
        Figure(
            name="sim/others_that_noticed",
            value=int(noticed.sum()),
            unit="simulations",
            goal="== 0",
        ),
    ]


SECTIONS: dict[str, Callable[[argparse.Namespace], list[Figure]]] = {
    "ratios": _ratios,
    "peers": _peers,
    "scaling": _scaling,
    "leak": _leak,
    "determinism": _determinism,
    "divergence": _divergence,
}


def _median(name: str, values: Sequence[float], unit: str, goal: str | None = None) -> Figure:
    return Figure(
        name=name,
        value=statistics.median(values),
        unit=unit,
        goal=goal,
        spread=(min(values), max(values)),
        n=len(values),
    )


def _table(figures: list[Figure]) -> Table:
    about = machine()
    title = f"Simulation on {about['cores']} cores of {about['cpu']}"
    table = Table(title=title)
    table.add_column("figure", overflow="fold")
    for name in ("median", "range", "unit", "goal", "met"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for figure in figures:
        spread = "" if figure.spread is None else " - ".join(map(_shown, figure.spread))
        met = "" if figure.goal is None else "yes" if _met(figure) else "[red]no"
        table.add_row(
            figure.name, _shown(figure.value), spread, figure.unit, figure.goal or "", met
        )
    return table


def _met(figure: Figure) -> bool:
    assert figure.goal is not None
    sign, bound = figure.goal.split()
    return bool(COMPARISONS[sign](figure.value, float(bound)))


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"


if __name__ == "__main__":
    main()
