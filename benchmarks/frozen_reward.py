"""A fresh policy on a frozen reward: how much of the task each learnt reward holds.

    python benchmarks/frozen_reward.py                       half-cheetah, five seeds
    python benchmarks/frozen_reward.py --method trirl --seeds 0
    python benchmarks/frozen_reward.py --table               only print what is done
    python benchmarks/frozen_reward.py --quick               minutes; figures are poor

Each reward comes from a run of `benchmarks/imitation.py` on ten demonstrations, which is made where
its rewards are missing. A reward that others shall learn from has to know what it is like far from
the expert: these runs start from random weights, half of each discriminator's negatives are those
of earlier policies, and it reads how the torso moves and nothing else; what one method has of its
own stands in `OWN`. PPO then starts from random weights, on that reward alone; with the task's own
reward and the same settings, it shows what the steps are worth at best. Finished runs are kept
under `benchmarks/results/frozen_reward` and not made again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from experts import demonstrations_of
from imitation_run import (
    FOLDER,
    WEIGHTINGS,
    Cell,
    Row,
    digest,
    measure,
    read_row,
    train_measured,
)
from imitation_table import interval, iqm, shown
from rich.console import Console
from rich.table import Table
from side_by_side import at_least, parse, run_apart, told

from trirl_robot.cli import train as training
from trirl_robot.cli import transfer
from trirl_robot.evaluation.results import Figure, write_results
from trirl_robot.files import write_text_atomically
from trirl_robot.rl.on_policy import OnPolicyConfig
from trirl_robot.runs.algorithms import load_algorithm
from trirl_robot.runs.settings import RunConfig
from trirl_robot.sim.tasks.registry import load_task

RESULTS = FOLDER / "results" / "frozen_reward"
TRUE = "task"
"""Method that stands for the task's own reward."""
SOURCE = {
    "half-cheetah": (
        "start=scratch",
        "total_steps=1000000",
        "num_envs=64",
        "discriminator.replay_share=0.5",
        "discriminator.gradient_penalty=1.0",
        "discriminator.gradient_norm=1.0",
        "discriminator.inputs=[slide_position,slide_velocity]",
    )
}
"""Settings of the runs that learn a reward to keep, by task."""
OWN = {
    # smaller steps than its recipe for the policy takes
    "trirl": (
        "entropy_coef=0.004",
        "trust_region.kl_bound=0.015",
        "trust_region.initial_penalty=0.1",
        "trust_region.minimum_eta=1.0",
    ),
    # a slope of 1 everywhere would not let it rise as the density of the policy falls
    "airl": ("discriminator.gradient_penalty=0.01", "discriminator.gradient_norm=0.0"),
}
"""The same for one algorithm."""
STEPS = 600_000
"""Environment steps of a fresh policy."""
GOALS = {"trirl average": ">= 0.70"}
"""Least interquartile mean, by reward."""
QUICK = 20_000
"""The same, and those of the run before it, where only the way is tried."""


@dataclass(frozen=True, kw_only=True)
class FrozenCell:
    """One fresh policy."""

    task: str
    """Task."""
    method: str
    """Algorithm that has learnt the reward, or `task`."""
    weighting: str
    """Which of its discriminators make the reward; see `trirl export`."""
    seed: int
    """Seed of both runs."""
    variant: str = ""
    """Name of settings of the run that learns the reward which differ from the recipe's."""
    settings: tuple[str, ...] = ()
    """These settings."""
    steps: int = STEPS
    """Environment steps of the fresh policy."""

    @property
    def name(self) -> str:
        """Name of the result's file."""
        method = self.method + (f"+{self.variant}" if self.variant else "")
        return "_".join(filter(None, [self.task, method, self.weighting, str(self.seed)]))

    @property
    def path(self) -> Path:
        """File of the result."""
        return RESULTS / f"{self.name}.json"

    @property
    def recipe(self) -> str:
        """Digest of everything that the result depends on beside this cell and the code."""
        source = "" if self.method == TRUE else self.source.recipe
        return digest(source, load_algorithm("transfer", load_task(self.task)), self.steps)

    @property
    def source(self) -> Cell:
        """The run that learns the reward."""
        return Cell(
            task=self.task,
            method=self.method,
            demonstrations=10,
            keep_every=1,
            seed=self.seed,
            variant="-".join(filter(None, ["keep", self.variant])),
            settings=(*SOURCE[self.task], *OWN.get(self.method, ()), *self.settings),
        )


def main() -> None:
    """Run what is missing, print the table."""
    arguments = _arguments()
    cells = list(_cells(arguments))
    if not arguments.table:
        for seed in arguments.seeds:
            demonstrations_of(arguments.task, seed)
        missing = [cell for cell in cells if arguments.quick or _kept(cell) is None]
        sources = {cell.source.name: cell.source for cell in missing if not _has_reward(cell)}
        run_apart("imitation_run", list(sources.values()), arguments.jobs)
        run_apart("frozen_reward", missing, arguments.jobs)
    _print([row for cell in cells if (row := _kept(cell)) is not None], arguments.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="half-cheetah", choices=list(SOURCE))
    parser.add_argument("--method", nargs="+", default=[*WEIGHTINGS, TRUE])
    parser.add_argument("--seeds", nargs="+", type=at_least(0), default=list(range(5)))
    parser.add_argument("--quick", action="store_true", help="one short run of each reward")
    arguments = parse(parser)
    if arguments.quick:
        arguments.seeds, arguments.variant = [0], "quick"
        arguments.set = [f"total_steps={QUICK}"]
    return arguments


def _cells(arguments: argparse.Namespace) -> Iterator[FrozenCell]:
    for seed, method in itertools.product(arguments.seeds, arguments.method):
        for weighting in WEIGHTINGS.get(method, ("",)):
            yield FrozenCell(
                task=arguments.task,
                method=method,
                weighting=weighting,
                seed=seed,
                variant=arguments.variant,
                settings=tuple(arguments.set),
                steps=QUICK if arguments.quick else STEPS,
            )


def _kept(cell: FrozenCell) -> Row | None:
    return read_row(cell.path, cell.recipe)


def _reward(cell: FrozenCell) -> Path | None:
    """Return the file of the frozen reward; None for the task's own."""
    if cell.method == TRUE:
        return None
    (weighting,) = (known for known in WEIGHTINGS[cell.method] if known == cell.weighting)
    return cell.source.reward(weighting)


def _has_reward(cell: FrozenCell) -> bool:
    path = _reward(cell)
    return path is None or path.is_file()


def _cell(values: dict[str, Any]) -> FrozenCell:
    return FrozenCell(**{**values, "settings": tuple(values["settings"])})


def _run(cell: FrozenCell) -> Row:
    """Train a fresh policy on one thread; keep and return the result."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "run"
        folder = train_measured(path, _config(cell, path))
        found = measure(cell.task, "none", folder)
        result = {**asdict(cell), "recipe": cell.recipe, **found}
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text_atomically(cell.path, json.dumps(result, indent=1) + "\n")
    return result


def _config(cell: FrozenCell, path: Path) -> RunConfig:
    reward, settings = _reward(cell), (f"total_steps={cell.steps}",)
    if reward is not None:
        return transfer.resolve(
            reward,
            path,
            task=cell.task,
            randomisation="none",
            seed=cell.seed,
            overrides=settings,
        )
    config = training.resolve(
        None, path, task=cell.task, randomisation="none", algorithm="ppo", seed=cell.seed
    )
    recipe = load_algorithm("transfer", load_task(cell.task), settings)
    alike = {field.name: getattr(recipe, field.name) for field in fields(OnPolicyConfig)}
    return replace(config, algorithm=replace(config.algorithm, **{**alike, "algorithm": "ppo"}))


def _label(row: Row) -> str:
    return " ".join(filter(None, [row["method"], row["variant"], row["weighting"]]))


def _print(rows: list[Row], json_file: Path | None) -> None:
    """Print the rewards side by side; write the figures."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_label(row), []).append(row)
    table = Table("reward", "seeds", "IQM (95 %)", "mean ± std", "worst", "CPU minutes")
    figures = []
    for reward, group in groups.items():
        scores = np.array([row["normalised"] for row in group])
        table.add_row(
            reward,
            str(len(group)),
            shown([scores]),
            f"{scores.mean():.2f} ± {scores.std():.2f}",
            f"{scores.min():.2f}",
            f"{np.mean([row['minutes'] for row in group]):.1f}",
        )
        figures.append(
            Figure(
                name=f"frozen_reward/{group[0]['task']}/{reward}/iqm",
                value=iqm(scores),
                unit="expert",
                goal=GOALS.get(reward),
                spread=interval([scores]),
                n=len(group),
            )
        )
    Console().print(table)
    if json_file is not None:
        write_results(json_file, figures)


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        done = _run(_cell(json.loads(sys.argv[1])))
        sys.stdout.write(f"{done['normalised']:.3f} in {done['minutes']:.1f} min\n")
    else:
        with told():
            main()
