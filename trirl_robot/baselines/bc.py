"""Behavioural cloning: regression of the demonstrated actions."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from trirl_robot.config import require
from trirl_robot.errors import DatasetError
from trirl_robot.rl.policy import GaussianPolicy


@dataclass(frozen=True, kw_only=True)
class CloningConfig:
    """Settings of behavioural cloning."""

    updates: int = 10_000
    """Gradient steps, in whole passes over the demonstrations: few of these take many passes."""
    minibatch: int = 256
    """Samples in one gradient step."""
    learning_rate: float = 1.0e-3
    """Adam's learning rate."""
    weight_decay: float = 1.0e-4
    """AdamW's weight decay."""
    validation_share: float = 0.1
    """Share of the steps that is held out; the weights with the least error there are kept."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "updates", "minibatch")
        require(self, "more than 0", lambda v: v > 0, "learning_rate")
        require(self, "0 or more", lambda v: v >= 0, "weight_decay")
        require(self, "a value in (0, 0.5]", lambda v: 0 < v <= 0.5, "validation_share")


@dataclass(frozen=True, kw_only=True)
class CloningResult:
    """Errors of the kept weights, mean squared, in action units."""

    training_error: float
    """On the steps that were trained on."""
    validation_error: float
    """On the steps that were held out."""
    epoch: int
    """Epoch from which the weights are."""


def clone(
    policy: GaussianPolicy,
    observation: Tensor,
    action: Tensor,
    config: CloningConfig,
    generator: torch.Generator,
) -> CloningResult:
    """Fit the policy's mean to demonstrated actions, in place.

    Args:
        policy: its input scales must have been fitted.
        observation: shape (B, n).
        action: shape (B, m), in [-1, 1].
        config: settings.
        generator: order of the samples.

    Raises:
        DatasetError: a single step, of which nothing can be held out.
    """
    # held out in blocks: neighbouring steps are nearly equal and would leak
    blocks = torch.arange(observation.shape[0]).chunk(40)
    if len(blocks) < 2:
        raise DatasetError(
            "the demonstrations hold one step in all, and cloning holds some out; record more"
        )
    order = torch.randperm(len(blocks), generator=generator).tolist()
    held = max(1, round(config.validation_share * len(blocks)))
    validation = torch.cat([blocks[i] for i in order[:held]])
    training = torch.cat([blocks[i] for i in order[held:]])
    optimiser = torch.optim.AdamW(
        policy.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    best = (float("inf"), 0, copy.deepcopy(policy.network.state_dict()))
    epochs = -(-config.updates // -(-len(training) // config.minibatch))
    for epoch in range(1, epochs + 1):
        shuffled = training[torch.randperm(len(training), generator=generator)]
        for chosen in torch.split(shuffled, config.minibatch):
            loss = _error(policy, observation[chosen], action[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            error = float(_error(policy, observation[validation], action[validation]))
        if error < best[0]:
            best = (error, epoch, copy.deepcopy(policy.network.state_dict()))
    policy.network.load_state_dict(best[2])
    with torch.no_grad():
        training_error = float(_error(policy, observation[training], action[training]))
    return CloningResult(training_error=training_error, validation_error=best[0], epoch=best[1])


def _error(policy: GaussianPolicy, observation: Tensor, action: Tensor) -> Tensor:
    error: Tensor = (policy(observation) - action) ** 2
    return error.mean()
