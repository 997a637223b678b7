"""Multi-layer perceptrons and observation normalisation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def mlp(sizes: Sequence[int], generator: torch.Generator, *, output_gain: float) -> nn.Sequential:
    """Return tanh layers with orthogonal weights and a linear output.

    Args:
        sizes: width of input, hidden layers and output.
        generator: source of the initial weights.
        output_gain: gain of the last layer; small values start near zero.
    """
    layers: list[nn.Module] = []
    last = len(sizes) - 2
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(inputs, outputs)
        gain = output_gain if index == last else math.sqrt(2.0)
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
        nn.init.zeros_(layer.bias)
        layers.append(layer)
        if index < last:
            layers.append(nn.Tanh())
    return nn.Sequential(*layers)


class Normaliser(nn.Module):
    """Shifts and scales inputs by statistics gathered so far; exported with the network."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        # float64 sums: over millions of samples float32 would stop moving
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Merge a batch into the statistics (Chan et al. 1979); values: (B, n)."""
        batch = values.to(torch.float64)
        count, mean = batch.shape[0], batch.mean(0)
        variance = batch.var(0, correction=0)
        total = self.count + count
        delta = mean - self.mean
        share = count / total
        self.variance.copy_(
            self.variance * (1 - share) + variance * share + delta**2 * share * (1 - share)
        )
        self.mean.add_(delta * share)
        self.count.copy_(total)

    def forward(self, values: Tensor) -> Tensor:
        """Return (values - mean) / standard deviation, within [-10, 10]; same shape."""
        mean, deviation = self.mean.float(), self.variance.sqrt().float()
        # a constant input has no scale of its own
        return ((values - mean) / deviation.clamp_min(1e-4)).clamp(-10.0, 10.0)
