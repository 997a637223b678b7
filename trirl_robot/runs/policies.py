"""A run's policies, ready to be evaluated or exported."""

from __future__ import annotations

from pathlib import Path

import torch

from trirl_robot.errors import RunError
from trirl_robot.irl.trirl import Trirl
from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.runs.checkpoint import load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.settings import RunConfig
from trirl_robot.runs.train import build_learner


def load_learner(path: Path) -> tuple[Trirl, RunConfig]:
    """Return the learner of a run as its last checkpoint left it, and the run's configuration.

    Raises:
        RunError: the folder holds no run, or no checkpoint.
    """
    folder, config = RunFolder.open(path)
    state = load_checkpoint(folder.checkpoint)
    learner = build_learner(config)
    learner.load_state_dict(state)
    return learner, config


def load_cloned(learner: Trirl, path: Path) -> GaussianPolicy:
    """Return the cloned policy from which a run's learner started.

    Raises:
        RunError: the run did not start from cloning.
    """
    folder = RunFolder(path)
    if not folder.cloned.is_file():
        raise RunError(f"{path}: this run started from scratch and holds no cloned policy")
    contract, config = learner.env.contract, learner.config
    policy = GaussianPolicy(
        contract.observation_size,
        contract.action_size,
        hidden=config.policy_hidden,
        initial_std=config.initial_std,
        generator=torch.Generator(),
    )
    policy.load_state_dict(load_checkpoint(folder.cloned))
    return policy
