"""Multi-layer perceptrons and the scaling of their inputs."""

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


class InputScaler(nn.Module):
    """Scales inputs by what the demonstrations held; fixed once fitted, exported with the network.

    Each input is centred on its median, compressed by asinh and standardised. Movements that end
    in a hold have two scales, decimetres on the way and millimetres at the goal: dividing by the
    standard deviation alone leaves the second invisible to a network.
    """

    median: Tensor
    width: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("median", torch.zeros(size))
        self.register_buffer("width", torch.ones(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Take the scales from `values`, shape (B, n)."""
        median = values.median(0).values
        distance = (values - median).abs()
        # the lower half of the distances: the spread within a hold, where there is one
        narrow = distance.quantile(0.4, dim=0)
        self.median.copy_(median)
        self.width.copy_(torch.maximum(narrow, 0.02 * values.std(0)).clamp_min(1e-6))
        compressed = self._compress(values)
        self.mean.copy_(compressed.mean(0))
        # a constant input has no scale of its own
        self.deviation.copy_(compressed.std(0).clamp_min(1e-3))

    def forward(self, values: Tensor) -> Tensor:
        """Return the scaled inputs, within [-10, 10]; same shape."""
        return ((self._compress(values) - self.mean) / self.deviation).clamp(-10.0, 10.0)

    def _compress(self, values: Tensor) -> Tensor:
        return torch.asinh((values - self.median) / self.width)
