"""Experts of the imitation benchmark: trained on the true reward, measured, and recorded.

    python benchmarks/experts.py                    what is missing is trained and recorded
    python benchmarks/experts.py --task half-cheetah --train

A trained expert is kept as `benchmarks/experts/TASK.onnx`, with its training's settings inside; its
demonstrations are recorded anew in seconds, ten for each seed, the same ones every time. Arms are
demonstrated by their scripted operators.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from maze_expert import MazeExpert
from rich.console import Console
from rich.table import Table

from teleop.record import record
from trirl_robot.cli.export import export_learnt_policy
from trirl_robot.cli.train import begin, resolve
from trirl_robot.demos.dataset import load_demonstrations, read_demonstration
from trirl_robot.evaluation.demonstrate import demonstrate
from trirl_robot.evaluation.results import Figure, write_results
from trirl_robot.evaluation.rollouts import EvaluationResult, OnnxPolicy, Policy, evaluate
from trirl_robot.files import replaced_atomically
from trirl_robot.model_file import ModelFile
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.sim.tasks.point_maze import PointMazeConfig
from trirl_robot.sim.tasks.registry import TaskConfig, load_task

FOLDER = Path(__file__).parent
EXPERTS, DEMONSTRATIONS = FOLDER / "experts", FOLDER / "demonstrations"

GOALS = {
    "half-cheetah": 5500.0,
    "hopper": 3000.0,
    "walker2d": 4000.0,
    "ant": 4500.0,
    "humanoid": 5500.0,
}
"""Least mean return of an expert, and least return of a demonstration."""
SCRIPTED = ("so101-reach", "so101-push", "so101-lift")
"""Tasks whose demonstrations come from a scripted operator."""
DEMONSTRATION_COUNT = 10
EVALUATION_EPISODES = 100
EVALUATION_SEED = 1000
"""Of the operators' episodes that are measured, which nobody learns from."""


def main() -> None:
    """Train and record what is missing, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", nargs="+", choices=GOALS, default=list(GOALS), help="tasks")
    parser.add_argument("--train", action="store_true", help="train again what is there")
    parser.add_argument("--seed", type=int, default=0, help="seed of the training")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    console = Console()
    for task in arguments.task:
        if arguments.train or not (EXPERTS / f"{task}.onnx").is_file():
            train_expert(task, arguments.seed, console)
        demonstrations_of(task, arguments.seed)
    figures = [_figure(task) for task in arguments.task]
    console.print(_table(figures))
    if arguments.json is not None:
        write_results(arguments.json, figures)


def train_expert(task: str, seed: int, console: Console) -> None:
    """Train PPO on the task's own reward and keep the policy."""
    folder = Path("runs") / f"expert-{task}-{seed}"
    if folder.exists():
        sys.exit(f"{folder} is there already; remove it to train the expert of {task} again")
    config = resolve(None, folder, task=task, randomisation="none", algorithm="ppo", seed=seed)
    begin(config, folder, console)
    EXPERTS.mkdir(exist_ok=True)
    export_learnt_policy(folder, EXPERTS / f"{task}.onnx")


def expert_file(task: TaskConfig) -> Path | None:
    """Return the file of a trained expert; None where the expert is a script."""
    scripted = task.name in SCRIPTED or isinstance(task, PointMazeConfig)
    return None if scripted else EXPERTS / f"{task.name}.onnx"


def expert_policy(task: str) -> Policy:
    """Return the expert of a benchmark's task: trained, or for the maze written down."""
    config = load_task(task)
    if isinstance(config, PointMazeConfig):
        return MazeExpert(config)
    return OnnxPolicy(ModelFile(EXPERTS / f"{task}.onnx"))


def made_by(task: TaskConfig) -> str:
    """Return the digest of the expert's file; that of nothing where the expert is a script."""
    expert = expert_file(task)
    return hashlib.sha256(b"" if expert is None else expert.read_bytes()).hexdigest()


def demonstrations_of(task: str, seed: int) -> Path:
    """Return the file with a seed's ten demonstrations of a task, recorded if it is missing."""
    return _recorded(task, DEMONSTRATION_COUNT, seed)


def _recorded(task: str, count: int, seed: int) -> Path:
    # an expert that is trained anew has demonstrations of its own
    path = DEMONSTRATIONS / f"{task}_{count}_{seed}_{made_by(load_task(task))[:8]}.hdf5"
    if path.is_file():
        return path
    DEMONSTRATIONS.mkdir(exist_ok=True)
    # processes that record the same one side by side each write the whole of it
    with replaced_atomically(path) as temporary:
        if task in SCRIPTED:
            record(
                task,
                "scripted",
                count,
                temporary,
                seed=seed,
                randomisation="none",
                realtime=False,
            )
        else:
            env = make_batch(
                task,
                num_envs=3 * count,
                randomisation="none",
                seed=seed,
                purpose=Purpose.RECORDING,
                autoreset=False,
            )
            name = f"expert of {task}"
            least = GOALS.get(task)
            demonstrate(
                expert_policy(task), env, name, temporary, successes=count, least_return=least
            )
    return path


def measure_expert(task: str) -> EvaluationResult:
    """Return what the expert does in fresh episodes."""
    env = make_batch(
        task,
        num_envs=EVALUATION_EPISODES,
        randomisation="none",
        seed=0,
        purpose=Purpose.EVALUATION,
        autoreset=False,
    )
    return evaluate(expert_policy(task), env, EVALUATION_EPISODES, 0)


def expert_return(task: str) -> float:
    """Return the mean return of the expert, in a hundred episodes of its own."""
    if task not in SCRIPTED:
        return float(measure_expert(task).episode_return.mean())
    path = _recorded(task, EVALUATION_EPISODES, EVALUATION_SEED)
    names = load_demonstrations(path).names
    return float(np.mean([read_demonstration(path, name).reward.sum() for name in names]))


def _figure(task: str) -> Figure:
    returns = measure_expert(task).episode_return
    low, high = np.quantile(returns, [0.05, 0.95])
    return Figure(
        name=f"expert/{task}/return",
        value=float(returns.mean()),
        unit="return",
        goal=f">= {GOALS[task]:,.0f}" if task in GOALS else None,
        spread=(float(low), float(high)),
        n=len(returns),
    )


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("expert", "mean return", "5 % - 95 %", "episodes", "goal")
    for figure in figures:
        low, high = figure.spread or (float("nan"), float("nan"))
        table.add_row(
            figure.name.split("/")[1],
            f"{figure.value:,.0f}",
            f"{low:,.0f} - {high:,.0f}",
            str(figure.n),
            str(figure.goal or ""),
        )
    return table


if __name__ == "__main__":
    main()
