"""What the forms of the trust region share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from trirl_robot.irl.trust_region.multiplier import marginal_multiplier
from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.rl.ppo import PPOResult
from trirl_robot.rl.trust_region import Batch


class TrustRegion(ABC):
    """One form of the trust region, used by `PPO.update` and closed after it."""

    def __init__(self, entropy_coef: float) -> None:
        self._entropy_coef = entropy_coef
        self._scale = 1.0
        self.marginal_eta = 0.0
        """Multiplier that the latest update is worth, nats, see `marginal_multiplier`."""

    @property
    @abstractmethod
    def kl_bound(self) -> float:
        """Bound on the KL of an update, nats."""

    @property
    @abstractmethod
    def eta(self) -> float:
        """Multiplier of the present update, nats."""

    @property
    def metrics(self) -> dict[str, float]:
        """What there is to report of the latest update beside its KL and its multiplier."""
        return {"trust_region/marginal_eta": self.marginal_eta}

    def begin(self, policy: GaussianPolicy, advantage_scale: float) -> None:
        """Take note of the policy before the update.

        Args:
            policy: as it is before the update.
            advantage_scale: what its advantages are divided by, in units of the reward.
        """
        del policy
        self._scale = advantage_scale

    @abstractmethod
    def constrain(
        self, mean: Tensor, log_std: Tensor, old_mean: Tensor, old_log_std: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Constrain the policy of a minibatch.

        Args:
            mean: means of the network, shape (B, m).
            log_std: its log standard deviations, shape (m,).
            old_mean: means before the update, shape (B, m).
            old_log_std: log standard deviations before the update, shape (m,).

        Returns:
            Means, (B, m), and log standard deviations, (m,) or (B, m), to be improved, and what is
            added to the loss, a scalar.
        """

    @torch.no_grad()
    def settle(self, policy: GaussianPolicy, batch: Batch) -> None:
        """Bring the updated policy within the region, where the form does that, and measure it."""
        weight = self._entropy_coef / self._scale
        marginal = marginal_multiplier(
            policy(batch.observation), policy.log_std, batch, entropy_weight=weight
        )
        self.marginal_eta = marginal / weight

    @abstractmethod
    def finish(self, kl_mean: float, progress: float) -> float:
        """Close an update: return the multiplier that it enforced, nats, and choose the next.

        Args:
            kl_mean: mean KL(new || old) after the update, nats.
            progress: share of the training done, in [0, 1].
        """

    def is_met(self, update: PPOResult) -> bool:
        """Return whether an update is within the bound."""
        return update.kl_mean <= self.kl_bound

    def get_state(self) -> dict[str, Any]:
        """Return what `set_state` restores."""
        return {"scale": self._scale, "marginal_eta": self.marginal_eta}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._scale, self.marginal_eta = float(state["scale"]), float(state["marginal_eta"])
