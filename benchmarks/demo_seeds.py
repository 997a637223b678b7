"""The demo with several seeds, one fresh process each: every success rate, and all of them pooled.

    python benchmarks/demo_seeds.py --seeds 0 1 2 --json results.json
    python benchmarks/demo_seeds.py --quick

A seed whose folder holds a finished demo is not run again, so that an interrupted table goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trirl_robot.evaluation.results import Figure, write_results
from trirl_robot.evaluation.statistics import wilson

QUICK = ("--demonstrations", "5", "--steps", "20000", "--reaches", "2")


def main() -> None:
    """Run what is missing, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds to run")
    parser.add_argument("--output", type=Path, default=Path("runs/demo-seeds"), help="folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="one seed, a minute; figures are poor")
    arguments = parser.parse_args()
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    output = arguments.output.with_name(arguments.output.name + "-quick" * arguments.quick)
    results = {seed: _demo(seed, output / f"seed-{seed}", arguments.quick) for seed in seeds}
    figures = _pooled(results)
    Console().print(_table(results, figures))
    if arguments.json is not None:
        write_results(arguments.json, figures)


def _demo(seed: int, folder: Path, quick: bool) -> dict[str, dict[str, Any]]:
    """Run the demo with one seed unless it is done; return its figures by name."""
    path = folder / "results.json"
    if not path.is_file():
        command = [sys.executable, "-m", "trirl_robot", "demo", "--seed", str(seed)]
        done = subprocess.run(
            [*command, "--output", str(folder), *(QUICK if quick else ())], check=False
        )
        if done.returncode != 0:
            sys.exit(f"the demo with seed {seed} failed; remove {folder} and run again")
    return {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}


def _pooled(results: dict[int, dict[str, dict[str, Any]]]) -> list[Figure]:
    """Return one figure a row: success rates pooled, the worst of everything else, the range."""
    figures = []
    for name, row in next(iter(results.values())).items():
        rows = [result[name] for result in results.values()]
        values = [r["value"] for r in rows]
        value, spread = max(values), (min(values), max(values))
        count = sum(r["n"] for r in rows)
        if row["unit"] == "ratio":
            interval = wilson(round(sum(r["value"] * r["n"] for r in rows)), count)
            value, spread = interval.value, (interval.low, interval.high)
        figures.append(
            Figure(
                name=name,
                value=value,
                unit=row["unit"],
                goal=row.get("goal"),
                spread=spread,
                n=count,
            )
        )
    return figures


def _table(results: dict[int, dict[str, dict[str, Any]]], figures: list[Figure]) -> Table:
    table = Table(
        "",
        *(f"seed {seed}" for seed in results),
        "pooled or worst",
        "95 % interval or range",
        "goal",
    )
    for figure in figures:
        shown = _percent if figure.unit == "ratio" else "{:.3g}".format
        table.add_row(
            figure.name.removeprefix("demo/")
            + ("" if figure.unit == "ratio" else f" [{figure.unit}]"),
            *(shown(result[figure.name]["value"]) for result in results.values()),
            shown(figure.value),
            " - ".join(shown(v) for v in figure.spread or ()),
            figure.goal or "",
        )
    return table


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


if __name__ == "__main__":
    main()
