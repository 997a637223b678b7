"""A trust region that holds in every state, by projection (Otto et al. 2021, arXiv 2101.09207).

Within an update PPO improves the projection of what the network gives, and the network is drawn
towards its projection by a regression beside the surrogate. That leaves the network itself, which
acts and is exported, a little outside. So an update is closed by two exact steps: the standard
deviations become the projected ones, and the network's parameters go back on the line towards those
before the update, just as far as every state of the rollout asks for. On a line one knows that
there is an end (at the old parameters the KL is 0), a few evaluations find it, and nothing has to
be fitted; regression alone, the paper's way, only comes near.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from trirl_robot.config import require
from trirl_robot.irl.trust_region.base import TrustRegion
from trirl_robot.irl.trust_region.gaussian import mean_kl, project_log_std, project_mean
from trirl_robot.rl.policy import GaussianPolicy, gaussian_kl
from trirl_robot.rl.ppo import PPOResult
from trirl_robot.rl.trust_region import Batch

_TRIALS = 10
"""Most evaluations of the line; two or three are usual."""
_FULL = 0.97
"""Share of the bound at which a step is long enough."""
_ROUNDING = 1e-4
"""Share of the bounds that is left to single precision."""


@dataclass(frozen=True, kw_only=True)
class ProjectionConfig:
    """Bounds on the policy's mean and covariance that hold in every state."""

    form: Literal["projection"] = "projection"
    """Kind of trust region."""
    mean_bound: float = 0.05
    """Bound on the part of KL(pi_{i+1} || pi_i) due to the means, in every state, nats."""
    covariance_bound: float = 1.0e-3
    """Bound on the part due to the covariance, nats."""
    regression_weight: float = 8.0
    """Weight of KL(network || its projection) beside normalised advantages; 0.5 in the authors'
    code, with which the network ends further outside and less of the step is kept."""
    multiplier: Literal["marginal", "projection"] = "marginal"
    """Which eta corrects the reward: what the update is worth, see `marginal_multiplier`; or the
    projection's largest multiplier of any state and of the covariance, as in the authors' code."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "more than 0", lambda v: v > 0, "mean_bound", "covariance_bound")
        require(self, "0 or more", lambda v: v >= 0, "regression_weight")


class Projection(TrustRegion):
    """Projects the policy in every state, and sees to it that what acts is within the bounds.

    Its multiplier is what the update is worth. The multipliers of the projection, of which the
    authors' code takes the maximum over states and the covariance, are reported beside it: they
    tell how far outside the network ended, which hangs on learning rate, epochs and regression.
    """

    def __init__(self, config: ProjectionConfig, entropy_coef: float) -> None:
        super().__init__(entropy_coef)
        self._config = config
        self._before: list[Tensor] = []
        self._largest = 0.0
        self._metrics: dict[str, float] = {}

    @property
    def kl_bound(self) -> float:
        """Bound on the KL of an update in every state, nats."""
        return self._config.mean_bound + self._config.covariance_bound

    @property
    def eta(self) -> float:
        """Multiplier of the present update, nats."""
        return self.marginal_eta if self._config.multiplier == "marginal" else self._largest

    @property
    def metrics(self) -> dict[str, float]:
        """What there is to report of the latest update beside its KL and its multiplier."""
        return {**super().metrics, **self._metrics}

    def begin(self, policy: GaussianPolicy, advantage_scale: float) -> None:
        """Take note of the policy before the update, and of what its advantages are divided by."""
        super().begin(policy, advantage_scale)
        self._before = [p.detach().clone() for p in policy.network.parameters()]

    def constrain(
        self, mean: Tensor, log_std: Tensor, old_mean: Tensor, old_log_std: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the projected policy, and the regression; see `TrustRegion.constrain`."""
        near, _ = project_mean(mean, old_mean, old_log_std, self._config.mean_bound)
        near_log_std, _ = project_log_std(log_std, old_log_std, self._config.covariance_bound)
        gap = gaussian_kl(mean, log_std, near.detach(), near_log_std.detach()).mean()
        return near, near_log_std, self._config.regression_weight * gap

    @torch.no_grad()
    def settle(self, policy: GaussianPolicy, batch: Batch) -> None:
        """Bring the policy within the bounds in every state of the batch; measure its step."""
        config, share = self._config, 1.0 - _ROUNDING
        bound = share * config.mean_bound
        inputs = policy.scaler(batch.observation)
        _, multipliers = project_mean(
            policy.mean_of(inputs), batch.mean, batch.log_std, config.mean_bound
        )
        log_std, multiplier = project_log_std(
            policy.log_std, batch.log_std, share * config.covariance_bound
        )
        policy.log_std.copy_(log_std)
        after = [p.clone() for p in policy.network.parameters()]

        def largest_kl(step: float) -> float:
            """Put the network on the line, at 0 as before the update and at 1 as after it."""
            lines = zip(policy.network.parameters(), self._before, after, strict=True)
            for parameter, start, end in lines:
                torch.lerp(start, end, step, out=parameter)
            return float(mean_kl(policy.mean_of(inputs), batch.mean, batch.log_std).max())

        step = longest_step(largest_kl, bound)
        super().settle(policy, batch)
        self._largest = max(float(multipliers.max()), multiplier)
        self._metrics = {
            "trust_region/projection_multiplier_mean": float(multipliers.mean()),
            "trust_region/projection_multiplier_max": self._largest,
            "trust_region/outside_share": float((multipliers > 0.0).float().mean()),
            "trust_region/step_kept": step,
        }

    def finish(self, kl_mean: float, progress: float) -> float:
        """Return the multiplier."""
        del kl_mean, progress
        return self.eta

    def get_state(self) -> dict[str, Any]:
        """Return what `set_state` restores."""
        return {**super().get_state(), "largest": self._largest}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self._largest = float(state["largest"])

    def is_met(self, update: PPOResult) -> bool:
        """Return whether an update is within the bounds in every state."""
        return update.kl_max <= self.kl_bound


def longest_step(largest_kl: Callable[[float], float], bound: float) -> float:
    """Return nearly the longest step of a line that is within a bound, and leave the line there.

    Args:
        largest_kl: goes to a step in [0, 1] and returns the largest KL of any state there, nats; 0
            at step 0, and rising about as the square of the step.
        bound: bound on it, nats.

    Returns:
        A step at which the KL is within the bound: 1, or where it is nearly the bound.
    """
    kl = largest_kl(1.0)
    if kl <= bound:
        return 1.0
    low, high, step = 0.0, 1.0, 1.0
    aim = 0.5 * (1.0 + _FULL) * bound
    for _ in range(_TRIALS):
        step *= math.sqrt(aim / kl) if kl > 0.0 else math.inf
        if not low < step < high:
            step = 0.5 * (low + high)
        kl = largest_kl(step)
        if kl > bound:
            high = step
            continue
        low = step
        if kl >= _FULL * bound:
            return low
    largest_kl(low)
    return low
