"""Imitation on the benchmark's tasks: every method on the same demonstrations, with several seeds.

    python benchmarks/imitation.py                        the core set, as far as it is not done
    python benchmarks/imitation.py --task half-cheetah --method trirl gail --seeds 0 1
    python benchmarks/imitation.py --suite all            everything that the README shows
    python benchmarks/imitation.py --suite ablations --task half-cheetah --seeds 0 1 2
    python benchmarks/imitation.py --table --plot curves.png   only show what is done
    python benchmarks/imitation.py --quick                a minute; figures are poor

Each finished run is one file under `benchmarks/results/imitation` and is not run again as long as
its recipe stays the same, so that a long table grows over days. Two runs go side by side, one
thread each. Returns are normalised: 0 is what uniformly random actions have, 1 what the expert has
in the dynamics of its demonstrations.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from experts import demonstrations_of
from imitation_plot import draw_curves
from imitation_suites import METHODS, QUICK, SUITES, Suite
from imitation_table import print_tables
from side_by_side import at_least, parse, run_apart, told

ALL = "all"


def main() -> None:
    """Run what is missing, print the tables."""
    arguments = _arguments()
    # a run may belong to several suites
    cells = list(dict.fromkeys(cell for suite in _suites(arguments) for cell in suite.cells()))
    if not arguments.table:
        missing = [cell for cell in cells if arguments.quick or cell.kept() is None]
        for task, seed in sorted({(cell.task, cell.seed) for cell in missing}):
            demonstrations_of(task, seed)
        run_apart("imitation_run", missing, arguments.jobs)
    rows = [row for cell in cells if (row := cell.kept()) is not None]
    print_tables(rows, arguments.json, markdown=arguments.markdown)
    if arguments.plot is not None and rows:
        draw_curves(rows, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="example: make bench-imitation ARGS='--suite subsampled --task hopper --seeds 0 1'",
    )
    parser.add_argument(
        "--suite", nargs="+", default=["core"], choices=[*SUITES, ALL], help="what is compared"
    )
    parser.add_argument("--task", nargs="+", help="instead of the suite's")
    parser.add_argument("--method", nargs="+", choices=METHODS, help="instead of the suite's")
    parser.add_argument("--seeds", nargs="+", type=at_least(0), help="instead of the suite's")
    parser.add_argument(
        "--demonstrations", nargs="+", type=at_least(1), help="instead of the suite's"
    )
    parser.add_argument("--plot", type=Path, help="write learning curves here, as PNG")
    parser.add_argument("--markdown", action="store_true", help="short tables, as in the README")
    parser.add_argument("--quick", action="store_true", help="one short run of each method")
    arguments = parse(parser)
    own = {name for name, suite in SUITES.items() if set(suite.variants) != {""}}
    if arguments.variant and (own | {ALL}) & set(arguments.suite):
        parser.error(
            f"{', '.join(sorted(own))} have settings of their own; --set is for the others"
        )
    chosen = (arguments.task, arguments.method, arguments.seeds, arguments.demonstrations)
    if arguments.quick and (any(chosen) or arguments.variant or arguments.suite != ["core"]):
        parser.error("--quick runs what it runs; leave the other choices out")
    return arguments


def _suites(arguments: argparse.Namespace) -> Iterator[Suite]:
    if arguments.quick:
        yield from QUICK
        return
    chosen = {
        "tasks": arguments.task,
        "methods": arguments.method,
        "seeds": arguments.seeds,
        "demonstrations": arguments.demonstrations,
    }
    given = {name: tuple(values) for name, values in chosen.items() if values is not None}
    if arguments.variant:
        given["variants"] = {arguments.variant: tuple(arguments.set)}
    for name in SUITES if ALL in arguments.suite else arguments.suite:
        yield replace(SUITES[name], **given)


if __name__ == "__main__":
    with told():
        main()
