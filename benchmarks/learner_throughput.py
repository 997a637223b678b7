"""Environment steps/s with learning: our PPO and Stable-Baselines3's, on HalfCheetah, in turn.

    python benchmarks/learner_throughput.py --json results.json
    python benchmarks/learner_throughput.py --quick

Both have the same batch, minibatches, epochs, networks and environment, and what the machine has:
Stable-Baselines3 steps Gymnasium's environments one after another in one process, or in processes
of their own, whichever is faster here; torch takes the number of threads that suits each best.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import gymnasium
import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

from trirl_robot.baselines.ppo import TaskRewardLearner
from trirl_robot.evaluation.results import Figure, write_results
from trirl_robot.runs.algorithms import load_algorithm
from trirl_robot.sim.env import make_env
from trirl_robot.sim.tasks.registry import load_task

TASK = "half-cheetah"
ENVS, STEPS, MINIBATCH, EPOCHS, HIDDEN = 64, 64, 512, 10, (128, 128)
GOAL = ">= 2.0"


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each, in turn")
    parser.add_argument("--iterations", type=int, default=5, help="iterations of a measurement")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="one short measurement of each")
    arguments = parser.parse_args()
    repeats, iterations = (1, 1) if arguments.quick else (arguments.repeats, arguments.iterations)
    learners = _learners()
    rates: dict[str, list[float]] = {name: [] for name in learners}
    for learn in learners.values():
        learn(1)  # warms up
    for _ in range(repeats):
        for name, learn in learners.items():
            start = time.perf_counter()
            learn(iterations)
            rates[name].append(iterations * ENVS * STEPS / (time.perf_counter() - start))
    figures = _figures(rates)
    Console().print(_table(figures))
    if arguments.json is not None:
        write_results(arguments.json, figures)


def _learners() -> dict[str, Callable[[int], None]]:
    """Return what runs so many iterations of each learner."""
    every_core = max(1, os.cpu_count() or 1)
    return {
        "ours": _ours(),
        "stable-baselines3, one process, 1 thread": _stable_baselines(DummyVecEnv, 1),
        f"stable-baselines3, one process, {every_core} threads": _stable_baselines(
            DummyVecEnv, every_core
        ),
        f"stable-baselines3, {every_core} processes, 1 thread": _stable_baselines(SubprocVecEnv, 1),
    }


def _ours() -> Callable[[int], None]:
    task = load_task(TASK)
    config = load_algorithm(
        "ppo",
        task,
        (
            f"num_envs={ENVS}",
            f"rollout_steps={STEPS}",
            f"ppo.minibatch={MINIBATCH}",
            f"ppo.epochs={EPOCHS}",
            f"policy_hidden={list(HIDDEN)}",
            f"critic_hidden={list(HIDDEN)}",
        ),
    )
    env = make_env(TASK, num_envs=ENVS, randomisation="none")
    learner = TaskRewardLearner(config, env, seed=0)  # type: ignore[arg-type]
    learner.ppo.side_by_side = True
    torch.set_num_threads(1)
    while not learner.ppo.is_side_by_side:
        # as in every run that goes on for some seconds
        learner.step()

    def learn(iterations: int) -> None:
        torch.set_num_threads(1)
        for _ in range(iterations):
            learner.step()

    return learn


def _stable_baselines(vector: type[VecEnv], threads: int) -> Callable[[int], None]:
    # as many environments in turn as one process steps; a process for each core otherwise
    count = ENVS if vector is DummyVecEnv else max(1, os.cpu_count() or 1)
    env = VecNormalize(vector([lambda: gymnasium.make("HalfCheetah-v5")] * count))  # type: ignore[arg-type,call-arg]
    agent = PPO(
        "MlpPolicy",
        env,
        n_steps=ENVS * STEPS // count,
        batch_size=MINIBATCH,
        n_epochs=EPOCHS,
        policy_kwargs={"net_arch": {"pi": list(HIDDEN), "vf": list(HIDDEN)}},
        device="cpu",
        seed=0,
    )

    def learn(iterations: int) -> None:
        torch.set_num_threads(threads)
        agent.learn(iterations * ENVS * STEPS)

    return learn


def _figures(rates: dict[str, list[float]]) -> list[Figure]:
    ours = rates.pop("ours")
    figures = [_rate("ours", ours)]
    figures += [_rate(name, found) for name, found in rates.items()]
    best = max(rates, key=lambda name: median(rates[name]))
    ratios = [a / b for a, b in zip(ours, rates[best], strict=True)]
    figures.append(
        Figure(
            name="learner/ours_over_best_of_stable-baselines3",
            value=median(ratios),
            unit="ratio",
            goal=GOAL,
            spread=(min(ratios), max(ratios)),
            n=len(ratios),
        )
    )
    return figures


def _rate(name: str, found: list[float]) -> Figure:
    return Figure(
        name=f"learner/{name}",
        value=median(found),
        unit="steps/s",
        spread=(min(found), max(found)),
        n=len(found),
    )


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "median", "range", "unit", "goal")
    for figure in figures:
        low, high = figure.spread or (figure.value, figure.value)
        digits = 2 if figure.unit == "ratio" else 0
        table.add_row(
            figure.name,
            f"{figure.value:,.{digits}f}",
            f"{low:,.{digits}f} - {high:,.{digits}f}",
            figure.unit,
            figure.goal or "",
        )
    return table


if __name__ == "__main__":
    main()
