"""What every form of the learnt reward has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trirl_robot.irl.discriminator import Classifier, Discriminator
from trirl_robot.irl.features import FeatureSelection


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Points at which the reward before a correction and the newest discriminator are known."""

    features: Tensor
    """Scaled inputs, (B, f)."""
    reward: Tensor
    """Reward before the correction, (B,)."""
    logit: Tensor
    """Expert logit of the newest discriminator, (B,)."""

    def corrected(self, step_size: float) -> Tensor:
        """Return (1 - eps) R + eps D at the points, (B,)."""
        return (1.0 - step_size) * self.reward + step_size * self.logit


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where a correction of the reward can be looked at, or fitted."""

    batch: Evaluated
    """What the policy has just done, and absorbing states."""
    demonstrations: Evaluated
    """What the expert has done."""
    generator: torch.Generator
    """Order of samples."""


class FeatureReward(nn.Module, ABC):
    """A reward of what discriminators read."""

    def __init__(self, features: FeatureSelection) -> None:
        super().__init__()
        self.features = features

    def forward(
        self, observation: Tensor, action: Tensor, following: Tensor | None = None
    ) -> Tensor:
        """Return the reward, (B,); arguments as of the features."""
        return self.from_features(self.features(observation, action, following))

    @abstractmethod
    def from_features(self, features: Tensor) -> Tensor:
        """Return the reward for scaled inputs, (B, f) to (B,)."""


class Reward(FeatureReward):
    """A reward that is corrected towards one discriminator after another.

    It is kept in units of the temperature (multiplied by entropy_coef = 1 / beta), so that
    r <- (1 - eps_tr) r + eps_tr beta D reads R <- (1 - eps_tr) R + eps_tr D with plain logits.
    """

    @abstractmethod
    def correct(self, discriminator: Classifier, step_size: float, seen: Seen) -> Tensor:
        """Apply R <- (1 - eps_tr) R + eps_tr D, with D frozen as it is now.

        Args:
            discriminator: D, made by `new_discriminator`.
            step_size: corrected step size eps_tr, in (0, 1].
            seen: points at which R before the correction and D have been evaluated.

        Returns:
            The reward after the correction on the demonstrations of `seen`, (E,).
        """

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Return what the form reports of itself, named `reward/...`."""

    @abstractmethod
    def averaged(self, heads: Tensor) -> Reward:
        """Return the uniform average of discriminators, undecayed.

        Args:
            heads: what `Classifier.head` gave of each, one a row, (K, p).
        """

    def new_discriminator(self, hidden: int, generator: torch.Generator) -> Classifier:
        """Return a discriminator that this form can be corrected with; hidden is its width."""
        return Discriminator(self.features.size, hidden, generator)

    @property
    def optimiser(self) -> torch.optim.Optimizer | None:
        """Optimiser whose state goes with the reward; None for a form that fits nothing."""
        return None
