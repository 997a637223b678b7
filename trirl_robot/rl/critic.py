"""State-value network whose targets are normalised without changing its outputs (PopArt)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trirl_robot.rl.networks import InputScaler, Scaling, mlp

DECAY = 0.9
"""How fast older returns are forgotten, in an update."""


class Critic(nn.Module):
    """Value of an observation under a reward that changes over training.

    The network predicts normalised returns; when their statistics move, the last layer is rescaled
    so that predictions stay what they were (van Hasselt et al. 2016, arXiv 1602.07714).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        observation_size: int,
        *,
        hidden: Sequence[int],
        generator: torch.Generator,
        scaling: Scaling = "compressed",
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self._normalises = normalise
        self.scaler = InputScaler(observation_size, scaling)
        self.network = mlp([observation_size, *hidden, 1], generator, output_gain=1.0)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def normalised_of(self, inputs: Tensor) -> Tensor:
        """Return the value in units of the return's spread, from scaled observations, (B,)."""
        output: Tensor = self.network(inputs)
        return output.squeeze(-1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the value in units of the reward; (B, n) to (B,)."""
        return self.normalised_of(self.scaler(observation)) * self.deviation + self.mean

    def normalise(self, returns: Tensor) -> Tensor:
        """Return `returns` in the units of `normalised_of`, same shape."""
        return (returns - self.mean) / self.deviation

    @torch.no_grad()
    def track(self, returns: Tensor) -> None:
        """Move the statistics towards those of `returns`, leaving every prediction unchanged."""
        if not self._normalises:
            return
        mean = DECAY * self.mean + (1.0 - DECAY) * returns.mean()
        deviation = DECAY * self.deviation + (1.0 - DECAY) * returns.std().clamp_min(1e-3)
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(self.deviation / deviation)
        last.bias.copy_((last.bias * self.deviation + self.mean - mean) / deviation)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
