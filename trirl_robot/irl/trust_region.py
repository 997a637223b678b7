"""The trust region of the policy update, and the multiplier that was really enforced."""

from __future__ import annotations

from dataclasses import dataclass

from trirl_robot.config import require


@dataclass(frozen=True, kw_only=True)
class TrustRegionConfig:
    """Settings of the KL penalty whose multiplier follows a bound."""

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


class AdaptiveKLPenalty:
    """Adapts the coefficient of KL(pi || pi_i) so that the mean KL meets the bound.

    The surrogate that PPO maximises holds advantages divided by their standard deviation s, in
    units of the temperature (entropy_coef). Divided by entropy_coef / s, it reads
    E[A_nats] + H - eta KL with eta = penalty * s / entropy_coef, which is what is reported: the
    multiplier in the objective that was really descended, in the units of the reward.

    A heuristic remains, as in every deep form of the method: the theorem's problem takes the
    Q-function of the new policy, PPO that of the old one, its clip binds beside the penalty, and a
    few epochs do not reach the optimum. In the exact case the error is 5e-3 at eta = 10 and
    7e-5 at eta = 100.
    """

    def __init__(self, config: TrustRegionConfig, entropy_coef: float) -> None:
        self.config = config
        self._entropy_coef = entropy_coef
        self.penalty = config.initial_penalty

    def eta(self, penalty: float, advantage_scale: float) -> float:
        """Return the multiplier in nats for a coefficient beside normalised advantages.

        Args:
            penalty: coefficient of the KL in the update that was made.
            advantage_scale: standard deviation by which the advantages were divided.
        """
        return penalty * advantage_scale / self._entropy_coef

    def adapt(self, kl_mean: float, advantage_scale: float) -> None:
        """Choose the coefficient of the next update from the KL of this one."""
        if kl_mean > self.config.kl_bound:
            self.penalty *= self.config.adaptation
        elif kl_mean < self.config.kl_bound / self.config.adaptation:
            self.penalty /= self.config.adaptation
        # the next update's scale is not known yet; it changes by a few per cent an iteration
        floor = self.config.minimum_eta * self._entropy_coef / advantage_scale
        self.penalty = max(self.penalty, floor)
