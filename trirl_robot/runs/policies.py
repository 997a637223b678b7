"""The policies of a run, without what they learnt from: for evaluation and export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from trirl_robot.contract import PolicyContract
from trirl_robot.rl.policy import GaussianPolicy, build_policy
from trirl_robot.runs.checkpoint import fitting, load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.settings import RunConfig
from trirl_robot.sim.env import build_env


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The policies of a run as its last checkpoint left them."""

    config: RunConfig
    """The run's configuration."""
    contract: PolicyContract
    """Contract of the run's task."""
    policy: GaussianPolicy
    """The averaged policy, which is what is evaluated and exported."""
    cloned: GaussianPolicy | None
    """The cloned policy that it started from; None for a run from scratch."""


def load_learnt(path: Path) -> Learnt:
    """Read the policies of a run; the demonstrations are not needed.

    Raises:
        RunError: the folder holds no run, no checkpoint, or one that does not fit its settings.
    """
    folder, config = RunFolder.open(path)
    state = load_checkpoint(folder.checkpoint)
    env = build_env(config.task, 1, randomisation=config.randomisation, seed=config.seed)
    algorithm = config.algorithm
    policy = build_policy(algorithm, env.contract, torch.Generator())
    with fitting(folder.checkpoint):
        policy.load_state_dict(state["averaged"])
    cloned = None
    if folder.cloned.is_file():
        cloned = build_policy(algorithm, env.contract, torch.Generator())
        state = load_checkpoint(folder.cloned)
        with fitting(folder.cloned):
            cloned.load_state_dict(state)
    return Learnt(config=config, contract=env.contract, policy=policy, cloned=cloned)
