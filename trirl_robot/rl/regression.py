"""Regression of a critic on the returns of a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trirl_robot.rl.descent import descend, minibatches
from trirl_robot.rl.processes import ALONE, Processes


@dataclass(frozen=True, kw_only=True)
class RegressionConfig:
    """Settings of the regression."""

    learning_rate: float
    """Adam's learning rate."""
    minibatch: int
    """Samples in one gradient step."""
    max_gradient_norm: float
    """Gradients are scaled down to this norm."""


@dataclass(frozen=True, kw_only=True)
class RegressionResult:
    """How well the returns are met."""

    loss: float
    """Mean squared error over all gradient steps."""
    explained_variance: float
    """Share of the targets' variance that is explained at the end."""


class Regression:
    """Fits a network to targets, with an optimiser that it keeps."""

    def __init__(
        self, network: nn.Module, config: RegressionConfig, processes: Processes = ALONE
    ) -> None:
        self.network = network
        self.config = config
        self._processes = processes
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, eps=1e-5, fused=True
        )

    def fit(self, inputs: Tensor, targets: Tensor, orders: Sequence[Tensor]) -> RegressionResult:
        """Take a gradient step for each minibatch of each order.

        Args:
            inputs: what the network reads, (B, n).
            targets: what it should return, (B,).
            orders: permutations of B, one an epoch.
        """
        losses, weights = [], []
        size, processes = self.config.minibatch, self._processes
        for weight, (x, y) in minibatches((inputs, targets), orders, size, processes):
            loss = nn.functional.mse_loss(self.network(x).squeeze(-1), y)
            norm = self.config.max_gradient_norm
            descend(loss, self.optimiser, norm, processes, weight)
            losses.append(loss.detach())
            weights.append(weight)
        with torch.no_grad():
            found = processes.mapped(self.network, inputs).squeeze(-1)
            explained = 1.0 - (targets - found).var() / targets.var().clamp_min(1e-8)
        return RegressionResult(
            loss=processes.mean(losses, weights), explained_variance=float(explained)
        )

    def state(self) -> list[Tensor]:
        """Return all that a fit changes, in the same order always: weights and moments."""
        parameters = list(self.network.parameters())
        for parameter in parameters:
            if not self.optimiser.state[parameter]:
                # as Adam itself begins
                self.optimiser.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        moments = [self.optimiser.state[parameter] for parameter in parameters]
        names = ("step", "exp_avg", "exp_avg_sq")
        return [p.detach() for p in parameters] + [m[name] for m in moments for name in names]
