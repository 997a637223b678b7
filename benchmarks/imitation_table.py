"""Tables of the imitation benchmark, from its kept results."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import HEAVY_HEAD, MARKDOWN, Box
from rich.console import Console
from rich.table import Table
from scipy.stats import trim_mean

from trirl_robot.evaluation.results import Figure, write_results

Row = dict[str, Any]
Key = tuple[str, str, str]
"""Setting, task and method."""
Array = NDArray[np.float64]

LEAST_RUNS = 5
"""Runs of a task from which on an interval is shown: of two or three it is far too narrow."""
REPLICATIONS = 2000
"""Resamplings behind an interval."""
REACHED = 0.9
"""Normalised return at which a run is timed."""
FALL = 0.05
"""Fall of the return between two evaluations that counts as one, in units of the expert's."""


GOALS = {"half-cheetah": 0.95, "hopper": 0.95, "point-maze": 0.95, "walker2d": 0.9, "ant": 0.9}
"""Least interquartile mean of TRIRL with ten demonstrations, by task."""


def print_tables(rows: Sequence[Row], json: Path | None, *, markdown: bool = False) -> None:
    """Print tables by task, setting and method, and the aggregates over tasks.

    Args:
        rows: kept results.
        json: file to write the figures to; None for none.
        markdown: whether to print the short tables that the README shows.
    """
    if not rows:
        sys.stdout.write("nothing of it is done yet\n")
        return
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[setting_of(row), row["task"], method_of(row)].append(row)
    console = Console(width=200 if markdown else 160)
    tables = _short(groups) if markdown else (_full(groups), _aggregates(groups), _phases(groups))
    for table in tables:
        console.print(table)
    if json is not None:
        write_results(json, [_figure(key, group) for key, group in sorted(groups.items())])


def _full(groups: Mapping[Key, Sequence[Row]]) -> Table:
    """Return a line for each task, setting and method."""
    table = Table(
        "demonstrations",
        "task",
        "method",
        "seeds",
        "IQM (95 %)",
        "mean ± std",
        "worst",
        f"steps until it stays at {REACHED}",
        "CPU minutes to it",
        "falls",
        "CPU minutes",
    )
    for key, group in sorted(groups.items()):
        scores = np.array([row["normalised"] for row in group])
        table.add_row(
            *key,
            str(len(group)),
            shown([scores]),
            f"{scores.mean():.2f} ± {scores.std():.2f}" if len(group) > 1 else "-",
            f"{scores.min():.2f}",
            *_time_to_reach(group),
            _falls(group),
            f"{np.mean([row['minutes'] for row in group]):.1f}",
        )
    return table


def _figure(key: Key, group: Sequence[Row]) -> Figure:
    """Return the interquartile mean of a line as a figure, with its goal where it has one."""
    setting, task, method = key
    scores = np.array([row["normalised"] for row in group])
    least = GOALS.get(task) if (setting, method) == ("10", "trirl") else None
    return Figure(
        name=f"imitation/{task}/{setting}/{method}/iqm",
        value=iqm(scores),
        unit="expert",
        goal=None if least is None else f">= {least}",
        spread=interval([scores]),
        n=len(group),
    )


def _short(groups: Mapping[Key, Sequence[Row]]) -> Iterator[Table]:
    """Yield methods side by side, their aggregates over tasks, and variants beside their recipe.

    A cell holds interquartile mean, worst run, and how many runs there are.
    """
    plain = {key: group for key, group in groups.items() if not group[0]["variant"]}
    varied = {key: group for key, group in groups.items() if group[0]["variant"]}
    if plain:
        yield _matrix(plain, rows=(0, 1), column=2)
        yield _aggregates(groups, MARKDOWN)
    if varied:
        recipes = {(*key[:2], group[0]["method"]) for key, group in varied.items()}
        beside = {key: group for key, group in plain.items() if key in recipes}
        yield _matrix({**beside, **varied}, rows=(0, 2), column=1)


def _matrix(groups: Mapping[Key, Sequence[Row]], rows: tuple[int, int], column: int) -> Table:
    """Return a table with a line for each pair of two parts of the keys, a column for each third.

    Args:
        groups: runs by setting, task and method.
        rows: which parts of a key make the lines.
        column: which makes the columns.
    """
    names = ("demonstrations", "task", "method")
    columns = sorted({key[column] for key in groups})
    table = Table(*(names[part] for part in rows), *columns, box=MARKDOWN)
    lines: dict[tuple[str, str], dict[str, Sequence[Row]]] = defaultdict(dict)
    for key, group in groups.items():
        lines[key[rows[0]], key[rows[1]]][key[column]] = group
    for names_of_line, cells in sorted(lines.items()):
        table.add_row(*names_of_line, *(_cell(cells.get(name, ())) for name in columns))
    return table


def _cell(group: Sequence[Row]) -> str:
    if not group:
        return "-"
    scores = np.array([row["normalised"] for row in group])
    worst = f", worst {scores.min():.2f}" if len(scores) > 1 else ""
    return f"{shown([scores])}{worst}, n {len(scores)}"


def iqm(scores: Array) -> float:
    """Return the interquartile mean: the mean of the middle half."""
    return float(trim_mean(scores, 0.25))


def interval(tasks: Sequence[Array]) -> tuple[float, float] | None:
    """Return a 95 % interval of the interquartile mean over tasks, or None for too few runs.

    Runs are drawn again within each task (stratified bootstrap percentiles, Agarwal et al. 2021,
    arXiv 2108.13264).
    """
    if min(map(len, tasks)) < LEAST_RUNS:
        return None
    generator = np.random.default_rng(0)
    drawn = [generator.choice(scores, (REPLICATIONS, len(scores))) for scores in tasks]
    found = trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def shown(tasks: Sequence[Array]) -> str:
    """Return the interquartile mean with its interval; without one where a task has few runs."""
    mean = f"{iqm(np.concatenate(tasks)):.2f}"
    spread = interval(tasks)
    return mean if spread is None else f"{mean} ({spread[0]:.2f} - {spread[1]:.2f})"


def _aggregates(groups: Mapping[Key, Sequence[Row]], box: Box = HEAVY_HEAD) -> Table:
    """Return the interquartile means of recipes as they are over the tasks of a setting.

    Methods are compared on the runs, task and seed, that every method there has done.
    """
    columns = ("demonstrations", "method", "tasks", "runs", "IQM over tasks (95 %)", "worst run")
    table = Table(*columns, box=box)
    done: dict[str, dict[str, dict[str, dict[int, float]]]] = defaultdict(lambda: defaultdict(dict))
    for (setting, task, method), group in groups.items():
        if not group[0]["variant"]:
            done[setting][method][task] = {row["seed"]: row["normalised"] for row in group}
    for setting, methods in sorted(done.items()):
        shared = set.intersection(*(set(tasks) for tasks in methods.values()))
        common = {
            task: set.intersection(*(set(tasks[task]) for tasks in methods.values()))
            for task in sorted(shared)
        }
        seeds = {task: chosen for task, chosen in common.items() if chosen}
        if not seeds or len(methods) == 1:
            continue
        runs = sum(map(len, seeds.values()))
        for method, tasks in sorted(methods.items()):
            scores = [
                np.array([tasks[task][seed] for seed in sorted(chosen)])
                for task, chosen in seeds.items()
            ]
            worst = min(float(found.min()) for found in scores)
            named = ", ".join(seeds)
            table.add_row(setting, method, named, str(runs), shown(scores), f"{worst:.2f}")
    return table


def _phases(groups: Mapping[Key, Sequence[Row]]) -> Table:
    """Return what an iteration's time goes to, for recipes as they are."""
    phases = ("rollout", "discriminator", "reward", "policy")
    table = Table("task", "method", *(f"{p}, share of time" for p in phases), "chain")
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for (_, task, method), group in groups.items():
        if len(group[0]["curve"]) > 1 and not group[0]["variant"]:
            found[task, method] += group
    for (task, method), group in sorted(found.items()):
        shares = [
            np.mean([row["phases"].get(f"time/{p}_share", 0.0) for row in group]) for p in phases
        ]
        length = group[0]["chain_length"]
        chain = "-" if length is None else f"{np.mean([row['chain_length'] for row in group]):.0f}"
        table.add_row(task, method, *(f"{100 * share:.0f} %" for share in shares), chain)
    return table


def setting_of(row: Row) -> str:
    """Return how the demonstrations of a run are told apart from others of its task."""
    every = f", every {row['keep_every']}th step" if row["keep_every"] > 1 else ""
    without = ", no actions" if row["observation_only"] else ""
    dynamics = f", {row['randomisation']}" if row["randomisation"] != "none" else ""
    return f"{row['demonstrations']}{every}{without}{dynamics}"


def method_of(row: Row) -> str:
    """Return the algorithm of a run, with the name of what differs from its recipe."""
    return str(row["method"]) + (f" {row['variant']}" if row["variant"] else "")


def _time_to_reach(group: Sequence[Row]) -> tuple[str, str]:
    """Return the median steps and minutes after which returns are and stay at `REACHED`.

    Where half of the runs do not get there, there are none.
    """
    steps, minutes = [], []
    for row in group:
        below = np.flatnonzero(np.array(row["curve"]) < REACHED)
        first = below[-1] + 1 if len(below) else 0
        stays = first < len(row["curve"])
        steps.append(row["steps"][first] if stays else np.inf)
        minutes.append(row["seconds"][first] / 60.0 if stays else np.inf)
    if not np.isfinite(np.median(steps)):
        return "-", "-"
    return f"{np.median(steps) / 1e3:,.0f} k", f"{np.median(minutes):.1f}"


def _falls(group: Sequence[Row]) -> str:
    """Return the share of evaluations that are lower than the one before by more than `FALL`."""
    falls = [np.diff(row["curve"]) < -FALL for row in group if len(row["curve"]) > 1]
    return f"{100 * np.concatenate(falls).mean():.0f} %" if falls else "-"
