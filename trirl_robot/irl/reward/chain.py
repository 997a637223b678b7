"""The reward as a weighted sum of all discriminators that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from trirl_robot.config import require
from trirl_robot.irl.discriminator import Classifier
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.reward.base import Reward, Seen
from trirl_robot.irl.reward.product import DiscriminatorProduct


@dataclass(frozen=True, kw_only=True)
class ChainConfig:
    """Settings of the reward as a chain of discriminators."""

    form: Literal["chain"] = "chain"
    """Kind of reward."""
    maximum_length: int = 100
    """Greatest number of discriminators that are kept."""
    tolerance: float = 0.01
    """Share of the weight that may be dropped with the oldest discriminators before the chain has
    its greatest length; the dropped mass is reported."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "maximum_length")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "tolerance")


class RewardChain(Reward):
    """R(s, a) = sum_j w_j D_j(s, a), evaluated as one batched product.

    The recursion of TRIRL gives w_j = eps_tr_j prod_{l > j} (1 - eps_tr_l).
    """

    weights: Tensor

    def __init__(self, config: ChainConfig, features: FeatureSelection, hidden: int) -> None:
        """Start with a reward of 0.

        Args:
            config: settings.
            features: what the discriminators read.
            hidden: width of their two layers.
        """
        super().__init__(features)
        self.config = config
        self.dropped_mass = 0.0
        """Weight that dropped discriminators would have by now."""
        self.register_buffer("weights", torch.zeros(0))
        self.product = DiscriminatorProduct(features.size, hidden)

    @staticmethod
    def of(features: FeatureSelection, hidden: int, weights: Tensor, heads: Tensor) -> RewardChain:
        """Return the sum of given discriminators with given weights, (K,) and (K, p)."""
        chain = RewardChain(ChainConfig(maximum_length=max(1, len(heads))), features, hidden)
        chain.weights = weights
        chain.product.append(heads)
        return chain

    @property
    def length(self) -> int:
        """Number of discriminators in the chain."""
        return self.weights.shape[0]

    def from_features(self, features: Tensor) -> Tensor:
        """Return the reward for scaled inputs, (B, f) to (B,)."""
        result: Tensor = self.product(features, self.weights)
        return result

    @torch.no_grad()
    def correct(self, discriminator: Classifier, step_size: float, seen: Seen) -> Tensor:
        """Apply R <- (1 - eps_tr) R + eps_tr D, and drop what has become too little.

        The demonstrations are not evaluated again: their reward follows the same recursion, less
        what is dropped.
        """
        newest = self.weights.new_full((1,), step_size)
        self.weights = torch.cat([(1.0 - step_size) * self.weights, newest])
        self.dropped_mass *= 1.0 - step_size
        self.product.append(discriminator.head()[None])
        demonstrations = seen.demonstrations
        rewards = demonstrations.corrected(step_size)
        keep = self._worth_keeping()
        if not bool(keep.all()):
            dropped = self.weights[~keep]
            rewards = rewards - self.product.chosen(~keep)(demonstrations.features, dropped)
            self.dropped_mass += float(dropped.sum())
            self.weights, self.product = self.weights[keep], self.product.chosen(keep)
        return rewards

    def _worth_keeping(self) -> Tensor:
        # a share of all: with a large eta every step is small, and all of them count
        least = self.config.tolerance * (float(self.weights.sum()) + self.dropped_mass)
        keep = self.weights.cumsum(0) + self.dropped_mass > least
        keep[: max(0, self.length - self.config.maximum_length)] = False
        return keep

    def metrics(self) -> dict[str, float]:
        """Return the number of discriminators and how much weight they hold."""
        return {
            "reward/chain_length": float(self.length),
            "reward/total_weight": float(self.weights.sum()),
            "reward/dropped_mass": self.dropped_mass,
        }

    def averaged(self, heads: Tensor) -> RewardChain:
        """Return the uniform average of discriminators, (K, p)."""
        weights = heads.new_full((len(heads),), 1.0 / len(heads))
        return RewardChain.of(self.features, self.product.hidden, weights, heads)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is saved beside the tensors."""
        return {"dropped_mass": self.dropped_mass}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what is saved beside the tensors."""
        self.dropped_mass = float(state["dropped_mass"])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # the chain in the file may be of another length than this one
        saved = state_dict.get(f"{prefix}weights")
        if saved is not None:
            self.weights = self.weights.new_empty(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)
