"""Trust regions that are a KL penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from trirl_robot.config import require
from trirl_robot.irl.trust_region.base import TrustRegion
from trirl_robot.rl.policy import GaussianPolicy, gaussian_kl


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
    """Floor of the multiplier: where the bound is slack, near the optimum or because PPO's clip and
    epochs hold the KL by themselves, a multiplier chased to 0 would take the correction away."""
    adaptation: float = 1.3
    """Factor by which the coefficient moves when the KL is off its bound."""
    multiplier: Literal["penalty", "marginal"] = "penalty"
    """Which eta corrects the reward: the penalty's, which is the multiplier of an update that has
    converged; or what the update is worth, see `marginal_multiplier`, which also counts the clip
    and the epochs that were not run."""

    def __post_init__(self) -> None:
        """Check ranges."""
        positive = ("kl_bound", "initial_penalty", "minimum_eta")
        require(self, "more than 0", lambda v: v > 0, *positive)
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
    multiplier: Literal["penalty", "marginal"] = "penalty"
    """Which eta corrects the reward: the penalty's, which is the multiplier of an update that has
    converged; or what the update is worth, see `marginal_multiplier`, which also counts the clip
    and the epochs that were not run."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "0 or more", lambda v: v >= 0, "initial_eta", "final_eta")
        require(self, "more than 0", lambda v: v > 0, "kl_bound")


class Penalty(TrustRegion):
    """Adds a multiple of the mean KL to the loss."""

    def __init__(
        self, config: AdaptedPenaltyConfig | AnnealedPenaltyConfig, entropy_coef: float
    ) -> None:
        super().__init__(entropy_coef)
        self._measured = config.multiplier == "marginal"
        self.penalty = 0.0
        """Coefficient of the KL beside normalised advantages."""
        self._used = 0.0

    @property
    def eta(self) -> float:
        """Multiplier of the present update, nats."""
        return self.marginal_eta if self._measured else self._eta_of(self.penalty)

    @property
    def metrics(self) -> dict[str, float]:
        """What there is to report of the latest update beside its KL and its multiplier."""
        return {**super().metrics, "trust_region/penalty": self._used}

    def constrain(
        self, mean: Tensor, log_std: Tensor, old_mean: Tensor, old_log_std: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the policy as it is, and the penalty; see `TrustRegion.constrain`."""
        self._used = self.penalty
        kl = gaussian_kl(mean, log_std, old_mean, old_log_std).mean()
        return mean, log_std, self.penalty * kl

    def get_state(self) -> dict[str, Any]:
        """Return what `set_state` restores."""
        return {**super().get_state(), "penalty": self.penalty}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self.penalty = float(state["penalty"])

    def _eta_of(self, penalty: float) -> float:
        return penalty * self._scale / self._entropy_coef

    def _penalty_of(self, eta: float) -> float:
        return eta * self._entropy_coef / self._scale


class AdaptedPenalty(Penalty):
    """Adapts the coefficient of KL(pi || pi_i) so that the mean KL meets the bound."""

    def __init__(self, config: AdaptedPenaltyConfig, entropy_coef: float) -> None:
        super().__init__(config, entropy_coef)
        self._config = config
        self.penalty = config.initial_penalty

    @property
    def eta(self) -> float:
        """Multiplier of the present update, nats, at least its floor."""
        return max(super().eta, self._config.minimum_eta)

    @property
    def kl_bound(self) -> float:
        """Bound on the mean KL of an update, nats."""
        return self._config.kl_bound

    def begin(self, policy: GaussianPolicy, advantage_scale: float) -> None:
        """Hold the multiplier above its floor, beside the advantages of this update."""
        super().begin(policy, advantage_scale)
        self.penalty = max(self.penalty, self._penalty_of(self._config.minimum_eta))

    def finish(self, kl_mean: float, progress: float) -> float:
        """Return the multiplier; choose the next coefficient from the KL of this update."""
        del progress
        eta = self.eta
        if kl_mean > self._config.kl_bound:
            self.penalty *= self._config.adaptation
        elif kl_mean < self._config.kl_bound / self._config.adaptation:
            self.penalty /= self._config.adaptation
        return eta


class AnnealedPenalty(Penalty):
    """Takes the multiplier from a schedule, whatever the KL."""

    def __init__(self, config: AnnealedPenaltyConfig, entropy_coef: float) -> None:
        super().__init__(config, entropy_coef)
        self._config = config
        self._scheduled = config.initial_eta

    @property
    def kl_bound(self) -> float:
        """KL that is shown beside the measured one, nats."""
        return self._config.kl_bound

    def begin(self, policy: GaussianPolicy, advantage_scale: float) -> None:
        """Convert the scheduled multiplier to a coefficient beside normalised advantages."""
        super().begin(policy, advantage_scale)
        self.penalty = self._penalty_of(self._scheduled)

    def finish(self, kl_mean: float, progress: float) -> float:
        """Return the multiplier; take the next from the schedule."""
        del kl_mean
        eta, start, end = self.eta, self._config.initial_eta, self._config.final_eta
        self._scheduled = start + (end - start) * progress
        return eta

    def get_state(self) -> dict[str, Any]:
        """Return what `set_state` restores."""
        return {**super().get_state(), "scheduled": self._scheduled}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self._scheduled = float(state["scheduled"])
