"""`trirl export`: policy.onnx and reward.onnx from a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from trirl_robot.config import to_mapping
from trirl_robot.errors import RunError
from trirl_robot.export.onnx import export_policy, export_reward
from trirl_robot.export.parity import largest_difference
from trirl_robot.runs.folder import RunFolder, versions
from trirl_robot.runs.policies import Learnt, load_learnt
from trirl_robot.runs.settings import RunConfig
from trirl_robot.sim.env import build_env

Floats = NDArray[np.float32]

GOLDEN = 32
PARITY_SAMPLES = 10_000


@click.command(name="export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: the run folder]"
)
def command(run: Path, output: Path | None) -> None:
    """Write policy.onnx and reward.onnx from RUN, with contract, self-test and provenance inside.

    \b
    Examples:
      trirl export runs/reach
      trirl export runs/reach --output models/
    """
    result = export(run, output or run)
    Console().print(
        f"{result.policy}: largest difference from torch on {PARITY_SAMPLES:,} random "
        f"observations {result.policy_difference:.2g}\n"
        f"{result.reward}: largest difference {result.reward_difference:.2g} "
        f"(relative to the reward's spread)"
    )


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Files that were written, and how far they are from the trainer's arithmetic."""

    policy: Path
    """The policy."""
    reward: Path
    """The reward."""
    policy_difference: float
    """Largest difference of any action between torch and onnxruntime."""
    reward_difference: float
    """Largest difference of any reward, relative to the rewards' standard deviation."""


def export(run: Path, output: Path) -> ExportResult:
    """Write both files and compare them with torch on random inputs.

    Raises:
        RunError: the folder holds no run or no checkpoint.
    """
    learnt = load_learnt(run)
    contract = learnt.contract
    if learnt.reward is None:
        raise RunError(
            f"{run}: algorithm {learnt.config.algorithm.algorithm} keeps no reward to export; "
            "train with --algorithm trirl or airl"
        )
    observation, action = _inputs(learnt)
    provenance = _provenance(run, learnt.config)
    policy, reward = output / "policy.onnx", output / "reward.onnx"
    export_policy(learnt.policy, contract, observation[:GOLDEN], provenance, policy)
    export_reward(
        learnt.reward, contract, observation[:GOLDEN], action[:GOLDEN], provenance, reward
    )
    rewards = learnt.reward(torch.from_numpy(observation), torch.from_numpy(action))
    spread = float(rewards.std())
    return ExportResult(
        policy=policy,
        reward=reward,
        policy_difference=largest_difference(learnt.policy, policy, observation),
        reward_difference=largest_difference(learnt.reward, reward, observation, action)
        / max(spread, 1e-6),
    )


def export_learnt_policy(run: Path, path: Path) -> None:
    """Write the policy of a run alone, of an algorithm that keeps no reward too.

    Raises:
        RunError: the folder holds no run or no checkpoint.
    """
    learnt = load_learnt(run)
    observation, _ = _inputs(learnt)
    provenance = _provenance(run, learnt.config)
    export_policy(learnt.policy, learnt.contract, observation[:GOLDEN], provenance, path)


def _inputs(learnt: Learnt) -> tuple[Floats, Floats]:
    """Return random observations around and beyond those of the task, and random actions."""
    config, generator = learnt.config, np.random.default_rng(0)
    env = build_env(config.task, 64, randomisation=config.randomisation, seed=config.seed)
    seen = [env.reset()]
    while len(seen) < env.max_episode_steps // 2:
        random = generator.uniform(-1.0, 1.0, (env.num_envs, env.contract.action_size))
        seen.append(env.step(random).observation)
    mean, spread = np.concatenate(seen).mean(0), np.concatenate(seen).std(0)
    noise = generator.standard_normal((PARITY_SAMPLES, len(mean)))
    action = generator.uniform(-1.0, 1.0, (PARITY_SAMPLES, env.contract.action_size))
    return (mean + 2.0 * spread * noise).astype(np.float32), action.astype(np.float32)


def _provenance(run: Path, config: RunConfig) -> dict[str, Any]:
    rows = [row for row in RunFolder(run).read_metrics() if "evaluation/success_rate" in row]
    evaluation = (
        {
            "success_rate": rows[-1]["evaluation/success_rate"],
            "episodes": config.evaluation_episodes,
            "env_steps": rows[-1]["env_steps"],
        }
        if rows
        else None
    )
    return {
        **versions(),
        # where the file lay is nobody's business, what was in it is
        "config": {k: v for k, v in to_mapping(config).items() if k != "demonstrations"},
        "demonstrations_sha256": config.demonstrations_sha256,
        "seed": config.seed,
        "success_under_training_randomisation": evaluation,
    }
