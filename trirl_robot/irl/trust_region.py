"""The trust region of the policy update, and the multiplier that was really enforced.

The surrogate that PPO maximises holds advantages divided by their standard deviation s, in units of
the temperature (entropy_coef). Divided by entropy_coef / s, it reads E[A_nats] + H - eta KL with
eta = penalty * s / entropy_coef, which is what is reported: the multiplier in the objective that
was really descended, in nats.

A heuristic remains, as in every deep form of the method: the theorem's problem takes the Q-function
of the new policy, PPO that of the old one, its clip binds beside the penalty, and a few epochs do
not reach the optimum. In the exact case the error is 5e-3 at eta = 10 and 7e-5 at eta = 100.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from trirl_robot.config import require


@dataclass(frozen=True, kw_only=True)
class AdaptedPenaltyConfig:
    """A KL penalty whose multiplier follows a bound on the mean KL."""

    form: Literal["adapted"] = "adapted"
    """Kind of trust region."""
    kl_bound: float = 0.015
    """Bound on the mean KL(pi_{i+1} || pi_i), nats."""
    initial_penalty: float = 1.0
    """Coefficient of the KL at the start, beside normalised advantages."""
    minimum_eta: float = 10.0
    """Floor of the multiplier: near the optimum the bound is slack, and a multiplier chased to 0
    would take the correction away just where steps have to be small."""
    adaptation: float = 1.3
    """Factor by which the coefficient moves when the KL is off its bound."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "more than 0", lambda v: v > 0, "kl_bound", "initial_penalty")
        require(self, "0 or more", lambda v: v >= 0, "minimum_eta")
        require(self, "more than 1", lambda v: v > 1, "adaptation")


@dataclass(frozen=True, kw_only=True)
class AnnealedPenaltyConfig:
    """A KL penalty whose multiplier falls linearly, as in the authors' public code."""

    form: Literal["annealed"] = "annealed"
    """Kind of trust region."""
    initial_eta: float = 100.0
    """Multiplier at the start, nats."""
    final_eta: float = 0.0
    """Multiplier at the end, nats."""
    kl_bound: float = 0.015
    """KL that is shown beside the measured one; nothing enforces it."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "0 or more", lambda v: v >= 0, "initial_eta", "final_eta")
        require(self, "more than 0", lambda v: v > 0, "kl_bound")


TrustRegionConfig = AdaptedPenaltyConfig | AnnealedPenaltyConfig


class TrustRegion(ABC):
    """One form of the trust region, used by `PPO.update` and closed after it."""

    def __init__(self, entropy_coef: float) -> None:
        self._entropy_coef = entropy_coef
        self._scale = 1.0
        self.penalty = 0.0
        """Coefficient of the KL beside normalised advantages."""

    @property
    @abstractmethod
    def kl_bound(self) -> float:
        """Bound on the mean KL of an update, nats."""

    def begin(self, advantage_scale: float) -> None:
        """Take note of the scale that the advantages of this update are divided by."""
        self._scale = advantage_scale

    def project(
        self, mean: Tensor, log_std: Tensor, old_mean: Tensor, old_log_std: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the nearest policy within the region: means (B, m) and log deviations (m,)."""
        del old_mean, old_log_std
        return mean, log_std

    def loss(self, kl: Tensor) -> Tensor:
        """Return what is added to the loss, for the mean KL(new || old) of a minibatch."""
        return self.penalty * kl

    @abstractmethod
    def finish(self, kl_mean: float, progress: float) -> float:
        """Close an update: return the multiplier that it enforced, nats, and choose the next.

        Args:
            kl_mean: mean KL(new || old) after the update, nats.
            progress: share of the training done, in [0, 1].
        """

    @property
    def eta(self) -> float:
        """Multiplier of the present update, nats."""
        return self.penalty * self._scale / self._entropy_coef

    def get_state(self) -> dict[str, Any]:
        """Return what `set_state` restores."""
        return {"penalty": self.penalty, "scale": self._scale}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self.penalty, self._scale = float(state["penalty"]), float(state["scale"])

    def _penalty_of(self, eta: float) -> float:
        return eta * self._entropy_coef / self._scale


class AdaptedPenalty(TrustRegion):
    """Adapts the coefficient of KL(pi || pi_i) so that the mean KL meets the bound."""

    def __init__(self, config: AdaptedPenaltyConfig, entropy_coef: float) -> None:
        super().__init__(entropy_coef)
        self._config = config
        self.penalty = config.initial_penalty

    @property
    def kl_bound(self) -> float:
        """Bound on the mean KL of an update, nats."""
        return self._config.kl_bound

    def finish(self, kl_mean: float, progress: float) -> float:
        """Return the multiplier; choose the next coefficient from the KL of this update."""
        del progress
        eta = self.eta
        if kl_mean > self._config.kl_bound:
            self.penalty *= self._config.adaptation
        elif kl_mean < self._config.kl_bound / self._config.adaptation:
            self.penalty /= self._config.adaptation
        # the next update's scale is not known yet; it changes by a few per cent an iteration
        self.penalty = max(self.penalty, self._penalty_of(self._config.minimum_eta))
        return eta


class AnnealedPenalty(TrustRegion):
    """Takes the multiplier from a schedule, whatever the KL."""

    def __init__(self, config: AnnealedPenaltyConfig, entropy_coef: float) -> None:
        super().__init__(entropy_coef)
        self._config = config
        self._eta = config.initial_eta

    @property
    def kl_bound(self) -> float:
        """KL that is shown beside the measured one, nats."""
        return self._config.kl_bound

    def begin(self, advantage_scale: float) -> None:
        """Convert the scheduled multiplier to a coefficient beside normalised advantages."""
        super().begin(advantage_scale)
        self.penalty = self._penalty_of(self._eta)

    def finish(self, kl_mean: float, progress: float) -> float:
        """Return the multiplier; take the next from the schedule."""
        del kl_mean
        eta, start, end = self._eta, self._config.initial_eta, self._config.final_eta
        self._eta = start + (end - start) * progress
        return eta

    def get_state(self) -> dict[str, Any]:
        """Return what `set_state` restores."""
        return {**super().get_state(), "eta": self._eta}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self._eta = float(state["eta"])


def build_trust_region(config: TrustRegionConfig, entropy_coef: float) -> TrustRegion:
    """Return the trust region of a configuration."""
    if isinstance(config, AdaptedPenaltyConfig):
        return AdaptedPenalty(config, entropy_coef)
    return AnnealedPenalty(config, entropy_coef)
