"""Imitation on the benchmark's tasks: every method on the same demonstrations, with several seeds.

    python benchmarks/imitation.py                        the core set, as far as it is not done
    python benchmarks/imitation.py --task half-cheetah --method trirl gail --seeds 0 1
    python benchmarks/imitation.py --task half-cheetah --seeds 0 1 2 --ablations
    python benchmarks/imitation.py --table --plot curves.png   only show what is done
    python benchmarks/imitation.py --quick                a minute; figures are poor

Each finished run is one file under `benchmarks/results/imitation` and is not run again as long as
its recipe stays the same, so that a long table grows over days. Two runs go side by side, one
thread each. Returns are normalised: 0 is what uniformly random actions have, 1 what the expert has
in the dynamics of its demonstrations.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

from experts import demonstrations_of
from imitation_plot import draw_curves
from imitation_run import Cell
from imitation_table import print_tables
from rich.box import HEAVY_HEAD, MARKDOWN
from side_by_side import parse, run_apart

CORE = ("half-cheetah", "hopper", "point-maze", "so101-reach", "so101-push")
METHODS = ("trirl", "gail", "airl", "bc")
NEED_ACTIONS = ("airl", "bc")
"""Methods that demonstrated actions are needed for: AIRL takes the density of the policy there."""
QUICK = ("total_steps=20000",)
ABLATIONS = {
    "uncorrected": ("correct=false",),
    "annealed": ("trust_region.form=annealed",),
    "projected": ("trust_region.form=projection",),
    "chain of 10": ("reward.maximum_length=10",),
    "distilled": ("reward.form=distilled",),
    "no gradient penalty": ("discriminator.gradient_penalty=0",),
    "no absorbing tail": ("absorbing_tail=false",),
}
"""What TRIRL is without one of its parts, or with another, by name."""


def main() -> None:
    """Run what is missing, print the tables."""
    arguments = _arguments()
    cells = list(_cells(arguments))
    if not arguments.table:
        missing = [cell for cell in cells if arguments.quick or cell.kept() is None]
        for task in sorted({cell.task for cell in missing}):
            demonstrations_of(task)
        run_apart("imitation_run", missing, arguments.jobs)
    rows = [row for cell in cells if (row := cell.kept()) is not None]
    print_tables(rows, arguments.json, MARKDOWN if arguments.markdown else HEAVY_HEAD)
    if arguments.plot is not None and rows:
        draw_curves(rows, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", nargs="+", default=list(CORE))
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--demonstrations", nargs="+", type=int, default=[10, 1])
    parser.add_argument("--keep-every", nargs="+", type=int, default=[1])
    parser.add_argument("--randomisation", default="none", help="dynamics of training and test")
    parser.add_argument("--observation-only", action="store_true", help="no demonstrated actions")
    parser.add_argument("--ablations", action="store_true", help="TRIRL, part by part, and whole")
    parser.add_argument("--plot", type=Path, help="write learning curves here, as PNG")
    parser.add_argument("--markdown", action="store_true", help="tables as a README has them")
    parser.add_argument("--quick", action="store_true", help="one short run of each method")
    arguments = parse(parser)
    if arguments.quick:
        arguments.task, arguments.seeds, arguments.demonstrations = ["half-cheetah"], [0], [10]
        arguments.variant, arguments.set = "quick", list(QUICK)
    if arguments.ablations:
        arguments.method = ["trirl"]
    return arguments


def _cells(arguments: argparse.Namespace) -> Iterator[Cell]:
    variants = {arguments.variant: tuple(arguments.set)}
    if arguments.ablations:
        variants = {"": (), **ABLATIONS}
    for task, count, every, seed, method, (variant, settings) in itertools.product(
        arguments.task,
        arguments.demonstrations,
        arguments.keep_every,
        arguments.seeds,
        arguments.method,
        variants.items(),
    ):
        if method in NEED_ACTIONS and arguments.observation_only:
            continue
        yield Cell(
            task=task,
            method=method,
            demonstrations=count,
            keep_every=every,
            seed=seed,
            randomisation=arguments.randomisation,
            observation_only=arguments.observation_only,
            variant=variant,
            # cloning takes no environment steps
            settings=() if arguments.quick and method == "bc" else settings,
        )


if __name__ == "__main__":
    main()
