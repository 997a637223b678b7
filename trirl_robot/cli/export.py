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
from trirl_robot.export.onnx import export_policy, export_reward
from trirl_robot.export.parity import largest_difference
from trirl_robot.runs.folder import RunFolder, versions
from trirl_robot.runs.policies import load_learner
from trirl_robot.runs.settings import RunConfig

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
    learner, config = load_learner(run)
    contract = learner.env.contract
    observation, action = _inputs(learner.expert_observation.numpy(), contract.action_size)
    provenance = _provenance(run, config)
    policy, reward = output / "policy.onnx", output / "reward.onnx"
    export_policy(learner.policy, contract, observation[:GOLDEN], provenance, policy)
    export_reward(
        learner.reward, contract, observation[:GOLDEN], action[:GOLDEN], provenance, reward
    )
    rewards = learner.reward(torch.from_numpy(observation), torch.from_numpy(action))
    spread = float(rewards.std())
    return ExportResult(
        policy=policy,
        reward=reward,
        policy_difference=largest_difference(learner.policy, policy, observation),
        reward_difference=largest_difference(learner.reward, reward, observation, action)
        / max(spread, 1e-6),
    )


def _inputs(demonstrated: Floats, actions: int) -> tuple[Floats, Floats]:
    """Return random observations around and beyond the demonstrated ones, and random actions."""
    generator = np.random.default_rng(0)
    mean, spread = demonstrated.mean(0), demonstrated.std(0)
    noise = generator.standard_normal((PARITY_SAMPLES, len(mean)))
    observation = (mean + 2.0 * spread * noise).astype(np.float32)
    action = generator.uniform(-1.0, 1.0, (PARITY_SAMPLES, actions)).astype(np.float32)
    return observation, action


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
        "config": to_mapping(config),
        "demonstrations_sha256": config.demonstrations_sha256,
        "seed": config.seed,
        "success_under_training_randomisation": evaluation,
    }
