"""The learnt reward: a weighted sum of all discriminators that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trirl_robot.config import require
from trirl_robot.irl.discriminator import Discriminator
from trirl_robot.irl.features import FeatureSelection


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Settings of the reward chain."""

    maximum_length: int = 100
    """Greatest number of discriminators that are kept."""
    tolerance: float = 0.01
    """Discriminators whose weight falls below this share of the largest are dropped; the dropped
    mass is reported."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "maximum_length")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "tolerance")


class RewardChain(nn.Module):
    """R(s, a) = sum_j w_j D_j(s, a), evaluated as one batched product.

    The recursion r <- (1 - eps_tr) r + eps_tr beta D of TRIRL gives
    w_j = eps_tr_j prod_{l > j} (1 - eps_tr_l). The reward is kept in units of the temperature
    (multiplied by entropy_coef = 1 / beta), so that the weights multiply plain logits.
    """

    weights: Tensor
    first_weight: Tensor
    first_bias: Tensor
    second_weight: Tensor
    second_bias: Tensor
    last_weight: Tensor
    last_bias: Tensor

    def __init__(self, config: RewardConfig, features: FeatureSelection, hidden: int) -> None:
        super().__init__()
        self.config = config
        self.features = features
        self.dropped_mass = 0.0
        size = features.size
        self.register_buffer("weights", torch.zeros(0))
        self.register_buffer("first_weight", torch.zeros(0, size, hidden))
        self.register_buffer("first_bias", torch.zeros(0, 1, hidden))
        self.register_buffer("second_weight", torch.zeros(0, hidden, hidden))
        self.register_buffer("second_bias", torch.zeros(0, 1, hidden))
        self.register_buffer("last_weight", torch.zeros(0, hidden, 1))
        self.register_buffer("last_bias", torch.zeros(0, 1, 1))

    @property
    def length(self) -> int:
        """Number of discriminators in the chain."""
        return self.weights.shape[0]

    def forward(
        self, observation: Tensor, action: Tensor, following: Tensor | None = None
    ) -> Tensor:
        """Return the reward in units of the temperature, (B,); arguments as of the features."""
        return self.from_features(self.features(observation, action, following))

    def from_features(self, features: Tensor) -> Tensor:
        """Return the reward for scaled inputs, (B, f) to (B,)."""
        if self.length == 0:
            return features.new_zeros(features.shape[:-1])
        stacked = features.expand(self.length, *features.shape)
        hidden = torch.tanh(torch.baddbmm(self.first_bias, stacked, self.first_weight))
        hidden = torch.tanh(torch.baddbmm(self.second_bias, hidden, self.second_weight))
        logits = torch.baddbmm(self.last_bias, hidden, self.last_weight).squeeze(-1)
        return self.weights @ logits

    @torch.no_grad()
    def correct(self, discriminator: Discriminator, corrected_step_size: float) -> None:
        """Apply R <- (1 - eps_tr) R + eps_tr D, with D frozen as it is now."""
        first, second, last = discriminator.first, discriminator.second, discriminator.last
        new = {
            "weights": torch.tensor([corrected_step_size]),
            "first_weight": first.weight.T[None],
            "first_bias": first.bias[None, None],
            "second_weight": second.weight.T[None],
            "second_bias": second.bias[None, None],
            "last_weight": last.weight.T[None],
            "last_bias": last.bias[None, None],
        }
        self.weights.mul_(1.0 - corrected_step_size)
        self.dropped_mass *= 1.0 - corrected_step_size
        for name, value in new.items():
            setattr(self, name, torch.cat([getattr(self, name), value.detach().clone()]))
        self._drop_tail()

    def _drop_tail(self) -> None:
        # relative to the largest: with a large eta every step is small, and all of them count
        keep = self.weights >= self.config.tolerance * self.weights.max()
        keep[: max(0, self.length - self.config.maximum_length)] = False
        if bool(keep.all()):
            return
        self.dropped_mass += float(self.weights[~keep].sum())
        for name in _TENSORS:
            setattr(self, name, getattr(self, name)[keep])

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is saved beside the tensors."""
        return {"dropped_mass": self.dropped_mass}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what is saved beside the tensors."""
        self.dropped_mass = float(state["dropped_mass"])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # the chain in the file may be of another length than this one
        for name in _TENSORS:
            setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *args)


_TENSORS = (
    "weights",
    "first_weight",
    "first_bias",
    "second_weight",
    "second_bias",
    "last_weight",
    "last_bias",
)
