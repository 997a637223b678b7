"""What keeps an update of the policy near the policy before it, and what it sees of the update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from trirl_robot.rl.policy import GaussianPolicy


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Every sample of a rollout, B of them, with m action values; the policy is the rollout's."""

    observation: Tensor
    """Observation acted on, (B, n)."""
    action: Tensor
    """Action as drawn, (B, m)."""
    mean: Tensor
    """Mean that the action was drawn around, (B, m)."""
    log_std: Tensor
    """Log standard deviation that the action was drawn with, (m,)."""
    advantage: Tensor
    """Advantage, centred and divided by its standard deviation, (B,)."""
    returns: Tensor
    """Return, as the critic normalises it, (B,)."""


class TrustRegion(Protocol):
    """Keeps an update of the policy near the policy before it."""

    def begin(self, policy: GaussianPolicy, advantage_scale: float) -> None:
        """Take note of the policy before the update, and of what its advantages are divided by."""

    def constrain(
        self, mean: Tensor, log_std: Tensor, old_mean: Tensor, old_log_std: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a minibatch improves: means, log deviations, what is added to the loss."""

    def settle(self, policy: GaussianPolicy, batch: Batch) -> None:
        """Close the update of a policy, which may be brought back within the region."""
