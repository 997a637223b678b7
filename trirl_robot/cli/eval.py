"""`trirl eval`: success rate of a policy in simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from trirl_robot.cli.options import randomisation_option
from trirl_robot.cli.progress import progress_bar
from trirl_robot.contract import require_same
from trirl_robot.errors import ConfigError
from trirl_robot.evaluation.episodes import result_to_plain
from trirl_robot.evaluation.rollouts import (
    EvaluationResult,
    OnnxPolicy,
    Policy,
    RandomPolicy,
    evaluate,
)
from trirl_robot.files import require_writable, write_text_atomically
from trirl_robot.model_file import ModelFile, load_policy
from trirl_robot.sim.env import make_env
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.sim.interface import Environments

BATCH = 100
"""Greatest number of environments that an evaluation steps together."""


@click.command(name="eval")
@click.argument("policy", type=str)
@click.option("--task", default="so101-reach", show_default=True, help="Task name or file.")
@randomisation_option(
    "Dynamics to evaluate in, may be given several times [default: light, shifted]",
    "presets",
    multiple=True,
)
@click.option("--episodes", default=200, show_default=True, help="Episodes for each preset.")
@click.option("--seed", default=0, show_default=True, help="Fixes dynamics, starts and targets.")
@click.option(
    "--json", "output", type=click.Path(path_type=Path), help="Write figures and records."
)
def command(
    policy: str,
    task: str,
    presets: tuple[str, ...],
    episodes: int,
    seed: int,
    output: Path | None,
) -> None:
    """Measure POLICY, an ONNX file or the word `random`, under randomised dynamics.

    \b
    Examples:
      trirl eval policy.onnx
      trirl eval policy.onnx --randomisation shifted --episodes 500 --seed 7
      trirl eval random --json random.json
    """
    if episodes < 1:
        raise ConfigError(f"--episodes is {episodes}, expected at least 1")
    if output is not None:
        require_writable(output)
    model = None if policy == "random" else load_policy(Path(policy))
    envs = {
        preset: make_env(
            task,
            num_envs=min(BATCH, episodes),
            randomisation=preset,
            seed=seed,
            autoreset=False,
            purpose=Purpose.EVALUATION,
        )
        for preset in presets or ("light", "shifted")
    }
    results = {}
    for preset, env in envs.items():
        if model is not None:
            require_same(model.contract, env.contract, policy, f"the task '{task}'")
        function = _function(model, env, seed)
        keep = output is not None
        results[preset] = _evaluate(function, env, episodes, seed, preset, keep_actions=keep)
    Console().print(_table(policy, results))
    if output is not None:
        presets_plain = {p: result_to_plain(results[p], env) for p, env in envs.items()}
        document = {"policy": policy, "task": task, "seed": seed, "presets": presets_plain}
        write_text_atomically(output, json.dumps(document, allow_nan=False) + "\n")


def _function(model: ModelFile | None, env: Environments, seed: int) -> Policy:
    return RandomPolicy(env.contract.action_size, seed) if model is None else OnnxPolicy(model)


def _evaluate(
    policy: Policy,
    env: Environments,
    episodes: int,
    seed: int,
    preset: str,
    *,
    keep_actions: bool,
) -> EvaluationResult:
    with progress_bar("episodes") as progress:
        task = progress.add_task(preset, total=episodes, detail="")
        return evaluate(
            policy,
            env,
            episodes,
            seed,
            lambda count: progress.advance(task, count),
            keep_actions=keep_actions,
        )


def _table(policy: str, results: dict[str, EvaluationResult]) -> Table:
    table = Table(
        "dynamics", "episodes", "success", "95 % interval", "mean return", "median distance"
    )
    table.title = f"{policy}"
    for preset, result in results.items():
        rate = result.success_rate
        table.add_row(
            preset,
            str(len(result.success)),
            f"{100 * rate.value:.1f} %",
            f"{100 * rate.low:.1f} - {100 * rate.high:.1f} %",
            f"{result.episode_return.mean():.1f}",
            ""
            if math.isnan(result.median_distance_m)
            else f"{1000 * result.median_distance_m:.1f} mm",
        )
    return table
