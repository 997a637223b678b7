"""Imitation on the benchmark's tasks: every method on the same demonstrations, with several seeds.

    python benchmarks/imitation.py                        the core set, as far as it is not done
    python benchmarks/imitation.py --task half-cheetah --method trirl gail --seeds 0 1
    python benchmarks/imitation.py --table                only print what is done
    python benchmarks/imitation.py --quick                a minute; figures are poor

Each finished run is one file under `benchmarks/results/imitation` and is not run again, so that a
long table grows over days. Two runs go side by side, one thread each. Returns are normalised so
that the expert has 1 and uniformly random actions 0.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experts import demonstrations_of, expert_return
from imitation_table import print_tables
from rich.console import Console

from trirl_robot.cli.train import resolve
from trirl_robot.demos.dataset import load_demonstrations
from trirl_robot.evaluation.rollouts import EvaluationResult, Policy, RandomPolicy, evaluate
from trirl_robot.files import write_text_atomically
from trirl_robot.rl.policy import MeanAction
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.policies import load_learnt
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.versions import revision

RESULTS = Path(__file__).parent / "results" / "imitation"
CORE = ("half-cheetah", "hopper", "point-maze", "so101-reach", "so101-push")
METHODS = ("trirl", "gail", "airl", "bc")
EPISODES = 100
"""Episodes of the final evaluation."""
QUICK = ("total_steps=20000",)
EVERY_STEPS = 50_000
"""Environment steps between two evaluations on the way."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of the table."""

    task: str
    """Task."""
    method: str
    """Algorithm."""
    demonstrations: int
    """How many are learnt from."""
    keep_every: int
    """One step in this many of each is learnt from."""
    seed: int
    """Seed of the training."""
    variant: str = ""
    """Name of settings that differ from the recipe's."""
    settings: tuple[str, ...] = ()
    """These settings."""

    @property
    def path(self) -> Path:
        """File of the result."""
        parts = [self.task, self.method + (f"+{self.variant}" if self.variant else "")]
        parts.append(f"{self.demonstrations}x{self.keep_every}")
        return RESULTS / f"{'_'.join(parts)}_{self.seed}.json"


def main() -> None:
    """Run what is missing, print the tables."""
    arguments = _arguments()
    cells = list(_cells(arguments))
    if not arguments.table:
        missing = [cell for cell in cells if not cell.path.is_file()]
        for task in sorted({cell.task for cell in missing}):
            demonstrations_of(task)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for cell, value in zip(missing, pool.map(_run_apart, missing), strict=True):
                Console().print(f"{cell.path.stem}: {value}")
    rows = [json.loads(cell.path.read_text()) for cell in cells if cell.path.is_file()]
    print_tables(rows, arguments.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", nargs="+", default=list(CORE))
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--demonstrations", nargs="+", type=int, default=[10, 1])
    parser.add_argument("--keep-every", nargs="+", type=int, default=[1])
    parser.add_argument("--variant", default="", help="name of the settings given with --set")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other settings")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--table", action="store_true", help="only print what is done")
    parser.add_argument("--quick", action="store_true", help="one short run of each method")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _run(Cell(**_fields(json.loads(arguments.one))))
        sys.exit()
    if arguments.set and not arguments.variant:
        parser.error("--set needs a --variant, the name under which its results are kept")
    if arguments.quick:
        arguments.task, arguments.seeds, arguments.demonstrations = ["half-cheetah"], [0], [10]
        arguments.variant, arguments.set = "quick", list(QUICK)
    return arguments


def _cells(arguments: argparse.Namespace) -> Iterator[Cell]:
    for task, count, every, seed, method in itertools.product(
        arguments.task,
        arguments.demonstrations,
        arguments.keep_every,
        arguments.seeds,
        arguments.method,
    ):
        # cloning takes no environment steps
        settings = () if arguments.quick and method == "bc" else tuple(arguments.set)
        yield Cell(
            task=task,
            method=method,
            demonstrations=count,
            keep_every=every,
            seed=seed,
            variant=arguments.variant,
            settings=settings,
        )


def _run_apart(cell: Cell) -> str:
    """Run a cell in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", json.dumps(asdict(cell))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"failed\n{done.stderr}"
    return done.stdout.strip()


def _run(cell: Cell) -> None:
    """Train and evaluate; write the result."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "run"
        config = resolve(
            demonstrations_of(cell.task),
            path,
            randomisation="none",
            algorithm=cell.method,
            episodes=cell.demonstrations,
            keep_every=cell.keep_every,
            seed=cell.seed,
            overrides=cell.settings,
        )
        iteration = getattr(config.algorithm, "steps_per_iteration", EVERY_STEPS)
        config = replace(
            config, evaluation_every=max(1, EVERY_STEPS // iteration), evaluation_episodes=10
        )
        folder = RunFolder.create(path, config)
        train(folder, config, build_learner(config, path, nthread=1))
        result = {**asdict(cell), **_result(cell.task, folder)}
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text_atomically(cell.path, json.dumps(result, indent=1) + "\n")
    sys.stdout.write(f"{result['normalised']:.3f} in {result['minutes']:.1f} min\n")


def _result(task: str, folder: RunFolder) -> dict[str, Any]:
    """Return what a finished run has reached, and the way there."""
    policy = MeanAction(load_learnt(folder.path).policy)
    found = _evaluate(task, policy)
    action_size = load_demonstrations(demonstrations_of(task)).contract.action_size
    random = float(_evaluate(task, RandomPolicy(action_size)).episode_return.mean())
    expert = expert_return(task)
    rows = folder.read_metrics()
    curve = [row for row in rows if "evaluation/return" in row]

    def normalised(value: float) -> float:
        return (value - random) / (expert - random)

    return {
        "normalised": normalised(float(found.episode_return.mean())),
        "return": float(found.episode_return.mean()),
        "success": found.success_rate.value,
        "expert_return": expert,
        "random_return": random,
        "steps": [row["env_steps"] for row in curve],
        "seconds": [row["time_cpu_s"] for row in curve],
        "curve": [normalised(row["evaluation/return"]) for row in curve],
        "minutes": rows[-1]["time_cpu_s"] / 60.0,
        "phases": {k: v for k, v in rows[-1].items() if k.startswith("time/")},
        "revision": revision(),
    }


def _evaluate(task: str, policy: Policy) -> EvaluationResult:
    env = make_batch(
        task,
        num_envs=EPISODES,
        randomisation="none",
        seed=0,
        nthread=1,
        purpose=Purpose.EVALUATION,
        autoreset=False,
    )
    return evaluate(policy, env, EPISODES, 0)


def _fields(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "settings": tuple(data["settings"])}


if __name__ == "__main__":
    main()
