"""Functions of the scaled inputs in which a reward can be linear."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from trirl_robot.irl.discriminator import Classifier
from trirl_robot.rl.networks import TanhLayers


class Basis(nn.Module, ABC):
    """P functions of the scaled inputs."""

    size: int
    """Number of functions p."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Return the functions' values, (B, f) to (B, p)."""

    @abstractmethod
    def slope(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return the gradient of sum_i w_i phi_i by the inputs, (B, f) and (p,) to (B, f)."""


class InputBasis(Basis):
    """The scaled inputs themselves."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.size = inputs

    def forward(self, features: Tensor) -> Tensor:
        """Return the inputs, (B, f)."""
        return features

    def slope(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return the weights for every point, (B, f)."""
        return weights.expand_as(features)


class QuadraticBasis(Basis):
    """The scaled inputs, their squares and their products in pairs."""

    rows: Tensor
    columns: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        rows, columns = torch.triu_indices(inputs, inputs)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)
        self.size = inputs + len(rows)

    def forward(self, features: Tensor) -> Tensor:
        """Return inputs and products, (B, f) to (B, f + f (f + 1) / 2)."""
        # not by brackets: onnxruntime 1.32 optimises their graph to one that computes another value
        first, second = (features.index_select(-1, which) for which in (self.rows, self.columns))
        products = first * second
        return torch.cat([features, products], dim=-1)

    def slope(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return b + (A + A') x for weights b of the inputs and A of the products, (B, f)."""
        inputs = features.shape[-1]
        square = weights.new_zeros(inputs, inputs)
        square = square.index_put((self.rows, self.columns), weights[inputs:])
        return weights[:inputs] + features @ (square + square.T)


class FourierBasis(Basis):
    """Random Fourier features of a Gaussian kernel (Rahimi and Recht 2007), beside the inputs."""

    frequencies: Tensor
    phases: Tensor

    def __init__(
        self, inputs: int, count: int, bandwidth: float, generator: torch.Generator
    ) -> None:
        """Draw the features.

        Args:
            inputs: scaled inputs f.
            count: cosines.
            bandwidth: width of the kernel, in standard deviations of an input.
            generator: source of frequencies and phases.
        """
        super().__init__()
        frequencies = torch.randn(inputs, count, generator=generator) / bandwidth
        self.register_buffer("frequencies", frequencies)
        self.register_buffer("phases", 2.0 * math.pi * torch.rand(count, generator=generator))
        self._scale = math.sqrt(2.0 / count)
        self.size = inputs + count

    def forward(self, features: Tensor) -> Tensor:
        """Return inputs and cosines, (B, f) to (B, f + count)."""
        waves = torch.cos(features @ self.frequencies + self.phases)
        return torch.cat([features, self._scale * waves], dim=-1)

    def slope(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return the gradient by the inputs, (B, f)."""
        inputs = features.shape[-1]
        waves = torch.sin(features @ self.frequencies + self.phases)
        return weights[:inputs] - self._scale * (waves * weights[inputs:]) @ self.frequencies.T


class LearntBasis(Basis):
    """Two tanh layers that are learnt with the discriminator until they are frozen."""

    def __init__(self, inputs: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = TanhLayers(inputs, width, generator)
        self.size = width

    def forward(self, features: Tensor) -> Tensor:
        """Return the second layer's values, (B, f) to (B, width)."""
        values: Tensor = self.layers(features)
        return values

    def slope(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return the gradient by the inputs, (B, f)."""
        return self.layers.values_and_slope(features, weights)[1]


class LinearDiscriminator(Classifier):
    """Logistic regression on a basis; its output is the expert logit, high for the expert."""

    def __init__(self, basis: Basis) -> None:
        super().__init__()
        self.basis = basis
        self.weights = nn.Parameter(torch.zeros(basis.size))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the expert logit, (B, f) to (B,)."""
        values: Tensor = self.basis(features)
        return values @ self.weights + self.bias

    def logit_and_slope(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expert logit, (B,), and its gradient by the features, (B, f)."""
        return self(features), self.basis.slope(features, self.weights)

    def head(self) -> Tensor:
        """Return weights and bias, (p + 1,); the basis is shared."""
        return torch.cat([self.weights, self.bias]).detach()
