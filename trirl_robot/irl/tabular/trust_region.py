"""The policy update within a trust region, solved exactly for one multiplier of all states.

With multiplier eta the Lagrangian of

    max_pi  E_rho_pi[r~(s, a) + H(pi(. | s))]   s.t.  E_rho_pi[KL(pi || pi_i)] <= bound

is a soft problem again: reward r~ + eta log pi_i at the temperature 1 + eta. When pi_i is
soft-optimal for r_i, log pi_i is r_i up to shaping, and the solution is soft-optimal for

    r_i + (r~ - r_i) / (1 + eta),

the corrected reward (Diwan et al. 2026, Theorem 1), whichever way r~ - r_i points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.mdp import Array, TabularMdp, log_state_occupancy
from trirl_robot.irl.tabular.soft import TOLERANCE, soft_value_iteration

_MEETS = 5e-7
"""Half the share of the bound by which the KL of the solution may stay below it."""
_NO_KL = 1e-300
"""Stands for a KL divergence of 0 where its logarithm is taken."""
_LARGEST_LOG_SCALE = 30.0
"""log(1 + eta) where the search for a multiplier gives up: steps are then smaller than rounding."""
_MOST_ATTEMPTS = 50
"""Evaluations of the search; about eight are usual."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrustRegionStep:
    """A policy that is optimal within a trust region."""

    eta: float
    """Multiplier of the KL divergence from the policy before."""
    kl: float
    """E_rho_pi[KL(pi || pi_i)], nats."""
    log_policy: Array
    """log pi(a | s), shape (S, A)."""
    values: Array
    """Soft values of the penalised problem, shape (S,), nats."""
    sweeps: int
    """Sweeps of soft value iteration that it took, over all multipliers that were tried."""

    def values_of_corrected(self, values: Array) -> Array:
        """Return the soft values of the corrected reward, which need not be solved for.

        From log pi_i = r_i + gamma E V_i - V_i it follows that (V + eta V_i) / (1 + eta) solves
        the soft Bellman equation of r_i + (r~ - r_i) / (1 + eta).

        Args:
            values: soft values V_i of the reward before, shape (S,), nats.
        """
        return (self.values + self.eta * values) / (1.0 + self.eta)


def kl_per_state(log_policy: Array, log_previous: Array) -> Array:
    """Return KL(pi(. | s) || pi_i(. | s)), (S, A) to (S,), nats."""
    divergence: Array = np.sum(np.exp(log_policy) * (log_policy - log_previous), axis=1)
    return divergence


def penalised_step(
    mdp: TabularMdp,
    reward: Array,
    log_previous: Array,
    eta: float,
    *,
    tolerance: float = TOLERANCE,
    start: Array | None = None,
) -> TrustRegionStep:
    """Maximise E_rho_pi[r~ + H - eta KL(pi || pi_i)].

    Args:
        mdp: the process.
        reward: the provisional reward r~(s, a), shape (S, A), nats.
        log_previous: log pi_i(a | s), shape (S, A).
        eta: multiplier, >= 0; 0 is the soft problem of r~ itself.
        tolerance: bound on the error of the values in units of the temperature, 1 + eta.
        start: values to begin with, shape (S,); V_i is exact where r~ = r_i.

    Raises:
        ConfigError: eta is below 0, where nothing is kept near.
    """
    if not eta >= 0.0:
        raise ConfigError(f"eta is {eta}, expected 0 or more")
    solution = soft_value_iteration(
        mdp,
        reward + eta * log_previous,
        temperature=1.0 + eta,
        # what a policy sees of an error is its share of the temperature
        tolerance=tolerance * (1.0 + eta),
        start=start,
    )
    occupancy = np.exp(log_state_occupancy(mdp, solution.log_policy))
    return TrustRegionStep(
        eta=eta,
        kl=float(occupancy @ kl_per_state(solution.log_policy, log_previous)),
        log_policy=solution.log_policy,
        values=solution.values,
        sweeps=solution.sweeps,
    )


def bounded_step(
    mdp: TabularMdp,
    reward: Array,
    log_previous: Array,
    kl_bound: float,
    *,
    least_eta: float = 0.0,
    tolerance: float = TOLERANCE,
    start: Array | None = None,
) -> TrustRegionStep:
    """Find the multiplier with which E_rho_pi[KL(pi || pi_i)] meets a bound.

    The KL falls as eta grows, for large eta like (1 + eta)^-2: regula falsi (the Illinois rule) on
    log KL over log(1 + eta) takes a handful of solutions.

    Args:
        mdp: the process.
        reward: the provisional reward r~(s, a), shape (S, A), nats.
        log_previous: log pi_i(a | s), shape (S, A).
        kl_bound: bound, nats, more than 0.
        least_eta: floor of the multiplier, which is taken where the bound is slack.
        tolerance: bound on the error of the values in units of the temperature, 1 + eta.
        start: values to begin with, shape (S,).

    Returns:
        The step with the KL at the bound or within a millionth below it, or the one at the floor.

    Raises:
        ConfigError: kl_bound is not more than 0, or too small to be met; least_eta is below 0.
    """
    if not least_eta >= 0.0:
        raise ConfigError(f"least_eta is {least_eta}, expected 0 or more")
    if not kl_bound > 0.0:
        raise ConfigError(f"kl_bound is {kl_bound}, expected more than 0")
    sweeps, latest, low = 0, start, math.log1p(least_eta)
    found: list[TrustRegionStep] = []

    def excess(log_scale: float) -> float:
        nonlocal sweeps, latest
        # the floor itself, not what is left of it after two roundings
        eta = math.expm1(log_scale) if log_scale > low else least_eta
        step = penalised_step(mdp, reward, log_previous, eta, tolerance=tolerance, start=latest)
        latest = step.values
        sweeps += step.sweeps
        found[:] = [step]
        # a little below the bound, so that what is within the tolerance never exceeds it
        return math.log(max(step.kl, _NO_KL) / kl_bound) + _MEETS

    at_low = excess(low)
    if at_low > _MEETS:
        _fall_to_zero(excess, low, at_low)
    return replace(found[0], sweeps=sweeps)


def _fall_to_zero(function: Callable[[float], float], low: float, at_low: float) -> None:
    """Evaluate a falling function to the right of `low` until it is as good as 0, which comes last.

    Raises:
        ConfigError: it stays above 0 up to the largest multiplier.
    """
    width = 1.0
    high, at_high = low + width, function(low + width)
    while at_high > _MEETS:
        low, at_low, width = high, at_high, 2.0 * width
        high += width
        if high > _LARGEST_LOG_SCALE:
            raise ConfigError("no multiplier meets the KL bound; expected a larger kl_bound")
        at_high = function(high)
    latest = before = at_high
    for _ in range(_MOST_ATTEMPTS):
        if abs(latest) <= _MEETS:
            return
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        before, latest = latest, function(middle)
        # an end that stays a second time holds the search back: it counts half
        share = 0.5 if (latest > 0.0) == (before > 0.0) else 1.0
        if latest > 0.0:
            low, at_low, at_high = middle, latest, share * at_high
        else:
            high, at_high, at_low = middle, latest, share * at_low
    # loosely solved problems give a KL too rough to meet the bound: stay on its safe side
    function(high)
