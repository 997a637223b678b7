"""State-value network whose targets are normalised without changing its outputs (PopArt)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trirl_robot.rl.networks import InputScaler, Scaling, mlp


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
        decay: float = 0.9,
    ) -> None:
        super().__init__()
        self.scaler = InputScaler(observation_size, scaling)
        self.network = mlp([observation_size, *hidden, 1], generator, output_gain=1.0)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))
        self._decay = decay

    def normalised(self, observation: Tensor) -> Tensor:
        """Return the value in units of the return's spread; (B, n) to (B,)."""
        return self.normalised_of(self.scaler(observation))

    def normalised_of(self, inputs: Tensor) -> Tensor:
        """Return the same for observations that are scaled already; (B, n) to (B,)."""
        output: Tensor = self.network(inputs)
        return output.squeeze(-1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the value in units of the reward; (B, n) to (B,)."""
        return self.normalised(observation) * self.deviation + self.mean

    def normalise(self, returns: Tensor) -> Tensor:
        """Return `returns` in the units of `normalised`, same shape."""
        return (returns - self.mean) / self.deviation

    @torch.no_grad()
    def track(self, returns: Tensor) -> None:
        """Move the statistics towards those of `returns`, leaving every prediction unchanged."""
        mean = self.decay_towards(self.mean, returns.mean())
        deviation = self.decay_towards(self.deviation, returns.std().clamp_min(1e-3))
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(self.deviation / deviation)
        last.bias.copy_((last.bias * self.deviation + self.mean - mean) / deviation)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def decay_towards(self, value: Tensor, target: Tensor) -> Tensor:
        """Return the exponential moving average of `value` and `target`."""
        return self._decay * value + (1.0 - self._decay) * target
