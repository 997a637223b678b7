"""What a run has learnt, without what it learnt from: for evaluation and export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import RunError
from trirl_robot.irl.discriminator import FeatureSelection
from trirl_robot.irl.reward import RewardChain
from trirl_robot.irl.trirl import build_policy, build_reward
from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.runs.checkpoint import load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.settings import RunConfig
from trirl_robot.sim.env import BatchEnv


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The networks of a run as its last checkpoint left them."""

    config: RunConfig
    """The run's configuration."""
    contract: PolicyContract
    """Contract of the run's task."""
    policy: GaussianPolicy
    """The policy."""
    cloned: GaussianPolicy | None
    """The cloned policy that it started from; None for a run from scratch."""
    reward: RewardChain
    """The reward."""


def load_learnt(path: Path) -> Learnt:
    """Read the networks of a run; the demonstrations are not needed.

    Raises:
        RunError: the folder holds no run, no checkpoint, or one that does not fit its settings.
    """
    folder, config = RunFolder.open(path)
    state = load_checkpoint(folder.checkpoint)
    env = BatchEnv(config.task, 1, randomisation=config.randomisation, seed=config.seed)
    algorithm = config.algorithm
    features = FeatureSelection(env.contract, algorithm.discriminator.inputs)
    policy = build_policy(algorithm, env.contract, torch.Generator())
    reward = build_reward(algorithm, features)
    _load(policy, state["policy"], folder.checkpoint)
    _load(reward, state["reward"], folder.checkpoint)
    cloned = None
    if folder.cloned.is_file():
        cloned = build_policy(algorithm, env.contract, torch.Generator())
        _load(cloned, load_checkpoint(folder.cloned), folder.cloned)
    return Learnt(config=config, contract=env.contract, policy=policy, cloned=cloned, reward=reward)


def _load(module: nn.Module, state: dict[str, Any], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except (RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise RunError(
            f"{path}: does not fit the run's configuration ({reason}); train again"
        ) from None
