"""`trirl export`: policy.onnx and reward.onnx from a run."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from trirl_robot.config import to_mapping
from trirl_robot.contract import PolicyContract
from trirl_robot.export.onnx import export_policy, export_reward
from trirl_robot.export.parity import largest_difference
from trirl_robot.runs.folder import RunFolder, versions
from trirl_robot.runs.policies import Learnt, load_learnt
from trirl_robot.runs.rewards import KeptReward, Weighting, keeps_reward, load_reward_of
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
@click.option(
    "--reward",
    "weighting",
    type=click.Choice(typing.get_args(Weighting)),
    help="Which of the run's discriminators make the reward.  [default: chain, or newest]",
)
def command(run: Path, output: Path | None, weighting: Weighting | None) -> None:
    """Write policy.onnx and reward.onnx from RUN, with contract, self-test and provenance inside.

    The reward is a weighting of the discriminators that the run has kept, which reward.onnx states:
    the chain that TRIRL trained with, in which later ones weigh more; the newest alone, which is
    what GAIL trained with, and AIRL but for its shaping and the density of its policy; or the
    average of all, which a fresh policy learns from better, as it remembers the whole way from the
    first policy to the expert. A run of another algorithm has only a policy.

    \b
    Examples:
      trirl export runs/reach
      trirl export runs/reach --output models/
      trirl export runs/reach --output models/ --reward average
    """
    result = export(run, output or run, weighting)
    console = Console()
    console.print(
        f"{result.policy}: largest difference from torch on {PARITY_SAMPLES:,} random "
        f"observations {result.policy_difference:.2g}"
    )
    if result.reward is None:
        console.print("no reward.onnx: this algorithm learns no reward")
    else:
        console.print(
            f"{result.reward} ({result.weighting}): largest difference "
            f"{result.reward_difference:.2g} (relative to the reward's spread)"
        )


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Files that were written, and how far they are from the trainer's arithmetic."""

    policy: Path
    """The policy."""
    policy_difference: float
    """Largest difference of any action between torch and onnxruntime."""
    reward: Path | None = None
    """The reward; None of an algorithm that learns none."""
    reward_difference: float = 0.0
    """Largest difference of any reward, relative to the rewards' standard deviation."""
    weighting: Weighting | None = None
    """How the discriminators are weighted in it."""


def export(run: Path, output: Path, weighting: Weighting | None = None) -> ExportResult:
    """Write both files and compare them with torch on random inputs.

    Args:
        run: the run's folder.
        output: where the files go.
        weighting: which of its discriminators make the reward; None for what it trained with.

    Raises:
        RunError: the folder holds no run or no checkpoint, or has no such reward.
    """
    learnt = load_learnt(run)
    kept = None
    if weighting is not None or keeps_reward(learnt.config.algorithm):
        kept = load_reward_of(run, weighting)
    inputs = _inputs(learnt)
    provenance = _provenance(run, learnt.config)
    path = output / "policy.onnx"
    observation = inputs[0]
    export_policy(learnt.policy, learnt.contract, observation[:GOLDEN], provenance, path)
    difference = largest_difference(learnt.policy, path, observation)
    if kept is None:
        return ExportResult(policy=path, policy_difference=difference)
    return ExportResult(
        policy=path,
        policy_difference=difference,
        reward=output / "reward.onnx",
        reward_difference=_export_reward(
            kept, learnt.contract, inputs, provenance, output / "reward.onnx"
        ),
        weighting=kept.statement["weighting"],
    )


def _export_reward(
    kept: KeptReward,
    contract: PolicyContract,
    inputs: tuple[Floats, Floats, Floats],
    provenance: dict[str, Any],
    path: Path,
) -> float:
    """Write a reward; return its largest difference, relative to the rewards' deviation."""
    reward = kept.reward
    read = inputs if reward.features.reads_next else inputs[:2]
    golden = [array[:GOLDEN] for array in read]
    export_reward(
        reward,
        contract,
        golden[0],
        golden[1],
        {**provenance, "reward": kept.statement},
        path,
        golden_next_observations=golden[2] if len(golden) > 2 else None,
    )
    with torch.no_grad():
        spread = float(reward(*(torch.from_numpy(array) for array in read)).std())
    return largest_difference(reward, path, *read) / max(spread, 1e-6)


def export_learnt_policy(run: Path, path: Path) -> None:
    """Write the policy of a run alone, of an algorithm that keeps no reward too.

    Raises:
        RunError: the folder holds no run or no checkpoint.
    """
    learnt = load_learnt(run)
    observation = _inputs(learnt)[0]
    provenance = _provenance(run, learnt.config)
    export_policy(learnt.policy, learnt.contract, observation[:GOLDEN], provenance, path)


def _inputs(learnt: Learnt) -> tuple[Floats, Floats, Floats]:
    """Return random observations around and beyond those of the task, actions, observations."""
    config, generator = learnt.config, np.random.default_rng(0)
    env = build_env(config.task, 64, randomisation=config.randomisation, seed=config.seed)
    seen = [env.reset()]
    while len(seen) < env.max_episode_steps // 2:
        random = generator.uniform(-1.0, 1.0, (env.num_envs, env.contract.action_size))
        seen.append(env.step(random).observation)
    mean, spread = np.concatenate(seen).mean(0), np.concatenate(seen).std(0)
    action = generator.uniform(-1.0, 1.0, (PARITY_SAMPLES, env.contract.action_size))
    observation, following = (
        (mean + 2.0 * spread * generator.standard_normal((PARITY_SAMPLES, len(mean)))).astype(
            np.float32
        )
        for _ in range(2)
    )
    return observation, action.astype(np.float32), following


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
        "config": {
            k: v for k, v in to_mapping(config).items() if k not in ("demonstrations", "reward")
        },
        "demonstrations_sha256": config.demonstrations_sha256,
        "seed": config.seed,
        "success_under_training_randomisation": evaluation,
    }
