"""The reward as linear in fixed features, corrected in parameter space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from trirl_robot.config import require
from trirl_robot.irl.discriminator import Classifier
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.reward.base import Reward, Seen
from trirl_robot.irl.reward.basis import (
    Basis,
    FourierBasis,
    InputBasis,
    LearntBasis,
    LinearDiscriminator,
    QuadraticBasis,
)


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """Settings of the reward as linear in features.

    The discriminator is a logistic regression on the same features, for which
    `discriminator.hidden` has no meaning and `discriminator.learning_rate` may be greater.
    """

    form: Literal["linear"] = "linear"
    """Kind of reward."""
    basis: Literal["inputs", "quadratic", "fourier", "learnt"] = "quadratic"
    """The features: the discriminator's scaled inputs; those with their squares and products; those
    with random Fourier features; or two tanh layers that are learnt with the discriminator until
    the reward is first corrected, and frozen then."""
    count: int = 128
    """Number of Fourier or learnt features."""
    bandwidth: float = 3.0
    """Width of the kernel that Fourier features stand for, in standard deviations of an input."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "count")
        require(self, "more than 0", lambda v: v > 0, "bandwidth")


def build_basis(config: LinearConfig, inputs: int, generator: torch.Generator) -> Basis:
    """Return the features of a configuration, for so many scaled inputs."""
    if config.basis == "inputs":
        return InputBasis(inputs)
    if config.basis == "quadratic":
        return QuadraticBasis(inputs)
    if config.basis == "fourier":
        return FourierBasis(inputs, config.count, config.bandwidth, generator)
    return LearntBasis(inputs, config.count, generator)


class LinearReward(Reward):
    """R(s, a) = theta' phi(s, a) + c.

    With D = theta_D' phi + d, the correction R <- (1 - eps_tr) R + eps_tr D is one of the
    parameters: no earlier discriminator has to be kept for it.
    """

    weights: Tensor
    bias: Tensor

    def __init__(self, features: FeatureSelection, basis: Basis) -> None:
        """Start with a reward of 0."""
        super().__init__(features)
        self.basis = basis
        self.register_buffer("weights", torch.zeros(basis.size))
        self.register_buffer("bias", torch.zeros(1))
        self._is_frozen = False

    def new_discriminator(self, hidden: int, generator: torch.Generator) -> LinearDiscriminator:
        """Return a discriminator on the same features, which it shares with the reward."""
        del hidden, generator
        return LinearDiscriminator(self.basis)

    def from_features(self, features: Tensor) -> Tensor:
        """Return the reward for scaled inputs, (B, f) to (B,)."""
        values: Tensor = self.basis(features)
        return values @ self.weights + self.bias

    @torch.no_grad()
    def correct(self, discriminator: Classifier, step_size: float, seen: Seen) -> Tensor:
        """Apply theta <- (1 - eps_tr) theta + eps_tr theta_D; the features stay from here on."""
        self._freeze()
        head = discriminator.head()
        self.weights.lerp_(head[:-1], step_size)
        self.bias.lerp_(head[-1:], step_size)
        return seen.demonstrations.corrected(step_size)

    def metrics(self) -> dict[str, float]:
        """Return the length of the parameter vector."""
        return {"reward/weight_norm": float(self.weights.norm())}

    def averaged(self, heads: Tensor) -> LinearReward:
        """Return the uniform average of discriminators, (K, p + 1)."""
        result = LinearReward(self.features, self.basis)
        mean = heads.mean(0)
        result.weights, result.bias = mean[:-1], mean[-1:]
        return result

    def _freeze(self) -> None:
        self._is_frozen = True
        self.basis.requires_grad_(False)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is saved beside the tensors."""
        return {"is_frozen": self._is_frozen}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what is saved beside the tensors."""
        if state["is_frozen"]:
            self._freeze()
