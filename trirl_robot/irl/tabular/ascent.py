"""Dual ascent on the reward: TRIRL, the same without its correction, and with complete solutions.

All of them are one loop with other settings:

    r~_{i+1} = (1 - eps) r_i + eps beta D_i
    pi_{i+1} = the policy update from pi_i on r~_{i+1}, within a trust region with multiplier eta
    r_{i+1}  = r_i + (r~_{i+1} - r_i) / (1 + eta)          with the correction, else r~_{i+1}

(Diwan et al. 2026, TRIRL; in the parameters of the reward, see `matching`). Full dual ascent is
eta = 0, where the policy of each reward is solved for completely.

The dual of this maximisation is convex and is minimised. The step goes downhill: with the KL
divergence the slope along it is -beta (KL(rho || q) + KL(q || rho)) at its beginning, for q
proportional to rho_E exp(-r / beta). It is too long when the slope has changed its sign at its end;
as long as it has not, the dual has fallen for certain, which is the condition on step_size /
(1 + eta): see `Iterate.slope`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trirl_robot.config import require
from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.irl.correction import corrected_step_size
from trirl_robot.irl.tabular.matching import Matching, kl_divergence
from trirl_robot.irl.tabular.mdp import (
    Array,
    TabularMdp,
    discounted_entropy,
    log_occupancy,
    uniform_log_policy,
)
from trirl_robot.irl.tabular.soft import TOLERANCE, soft_maximum, soft_value_iteration
from trirl_robot.irl.tabular.trust_region import TrustRegionStep, bounded_step, penalised_step

DIVERGED_NATS = 1e4
"""Range of a reward beyond which a run counts as diverged: its policies are deterministic, and
float64 does not hold its soft values to the tolerance."""
ROUNDING = 1e-10
"""By how much a sequence may go the wrong way and still count as monotonic."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """What is to be solved: max_pi E_rho[H(pi)] - beta f(rho)."""

    mdp: TabularMdp
    """The process."""
    matching: Matching
    """The divergence f from the expert, and the rewards that are dual to it."""
    expert_log_occupancy: Array
    """log rho_E, shape (S, A), nats: what the KL divergence is reported against."""
    beta: float
    """Weight of the divergence, more than 0."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "more than 0", lambda v: v > 0, "beta")

    def primal(self, log_policy: Array, rho: Array) -> float:
        """Return E_rho[H(pi)] - beta f(rho) for log pi and log rho, both (S, A), nats."""
        return discounted_entropy(rho, log_policy) - self.beta * self.matching.divergence(rho)

    def dual(self, parameters: Array, values: Array) -> float:
        """Return G = (1 - gamma) E_mu0[V] + conjugate, at least the primal of every policy, nats.

        Args:
            parameters: of the reward, shape (K,).
            values: soft values of that reward, shape (S,), nats.
        """
        start = (1.0 - self.mdp.discount) * float(self.mdp.initial @ values)
        return start + self.matching.conjugate(parameters, self.beta)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to change reward and policy."""

    name: str
    """What it is called in tables and plots."""
    step_size: float
    """Step of the provisional reward (paper: epsilon), in (0, 1]."""
    eta: float = 0.0
    """Multiplier of the trust region; with a bound on the KL, the least one."""
    kl_bound: float | None = None
    """Bound on E_rho_pi[KL(pi || pi_i)] by which eta is chosen in each iteration, nats."""
    correct: bool = True
    """Whether the reward is corrected; otherwise the provisional one is kept."""
    from_scratch: bool = False
    """Whether soft value iteration starts from zeros and not from the values before."""
    tolerance: float = TOLERANCE
    """Bound on the error of a policy update's soft values, in units of its temperature."""

    def __post_init__(self) -> None:
        """Check ranges."""
        corrected_step_size(self.step_size, self.eta)
        require(self, "more than 0", lambda v: v > 0, "tolerance")
        require(self, "more than 0 or none", lambda v: v is None or v > 0, "kl_bound")


@dataclass(frozen=True, kw_only=True, eq=False)
class Iterate:
    """A reward and a policy, and how they were come by."""

    parameters: Array
    """Parameters of the reward, shape (K,)."""
    log_policy: Array
    """log pi(a | s), shape (S, A)."""
    values: Array
    """What the next policy update begins with, shape (S,), nats: with the correction, the soft
    values of the reward."""
    kl: float
    """KL(rho_pi || rho_E) over states and actions, nats."""
    dual: float
    """Value of the dual at the reward, nats."""
    primal: float
    """Value of the primal at the policy, nats."""
    slope: float = math.nan
    """Slope of the dual along the step at its end, nats: where it is not above 0, the step lowered
    the dual by convexity. Not known without the correction."""
    eta: float = math.nan
    """Multiplier of the trust region."""
    step_size: float = math.nan
    """Share of the way to beta * D that the reward went: step_size / (1 + eta) if corrected."""
    step_kl: float = math.nan
    """E_rho_pi[KL(pi || pi before)], nats."""
    sweeps: int = 0
    """Sweeps of soft value iteration in the policy update."""


@dataclass(kw_only=True)
class Ascent:
    """A run of a method; the first iterate is where it starts."""

    method: Method
    """What was run."""
    iterates: list[Iterate] = field(default_factory=list)
    """Rewards and policies."""
    diverged: bool = False
    """Whether the run was ended since its reward grew without bound."""

    def series(self, name: str) -> Array:
        """Return a field of all iterates, such as `kl`, shape (iterations + 1,)."""
        return np.array([getattr(iterate, name) for iterate in self.iterates], dtype=np.float64)

    def falls(self, name: str) -> bool:
        """Return whether a field never rises by more than rounding, in a run to its end."""
        return not self.diverged and bool(np.all(np.diff(self.series(name)) <= ROUNDING))

    def sweeps_to(self, kl: float) -> int | None:
        """Return the sweeps until KL(rho_pi || rho_E) is at most `kl`, or None if it never is."""
        reached = np.flatnonzero(self.series("kl") <= kl)
        return int(self.series("sweeps")[: reached[0] + 1].sum()) if len(reached) else None


def ascend(
    problem: Problem,
    method: Method,
    iterations: int,
    progress: Callable[[Iterate], None] = lambda _: None,
) -> Ascent:
    """Run a method from a reward of 0 and the uniform policy.

    Args:
        problem: what is to be solved.
        method: how.
        iterations: number of steps, at least 1; fewer are taken when the run diverges.
        progress: called with each new iterate.

    Raises:
        ConfigError: fewer than one step is asked for, or no multiplier meets the KL bound.
    """
    if iterations < 1:
        raise ConfigError(f"iterations is {iterations}, expected at least 1")
    ascent = Ascent(method=method, iterates=[_start(problem)])
    for _ in range(iterations):
        try:
            latest = _next(problem, method, ascent.iterates[-1])
        except NonFiniteError:
            ascent.diverged = True
            break
        ascent.iterates.append(latest)
        progress(latest)
        if np.ptp(problem.matching.reward(latest.parameters)) > DIVERGED_NATS:
            ascent.diverged = True
            break
    return ascent


def _start(problem: Problem) -> Iterate:
    mdp = problem.mdp
    log_policy = uniform_log_policy(mdp)
    parameters = np.zeros(problem.matching.parameters)
    # without a reward all that is collected is entropy
    entropy = soft_maximum(np.zeros((mdp.states, mdp.actions)))
    return _iterate(problem, parameters, log_policy, entropy / (1.0 - mdp.discount))


def _next(problem: Problem, method: Method, before: Iterate) -> Iterate:
    """Take one step."""
    matching = problem.matching
    direction = matching.direction(log_occupancy(problem.mdp, before.log_policy))
    target = problem.beta * direction
    provisional = before.parameters + method.step_size * (target - before.parameters)
    update = _update_policy(problem.mdp, method, matching.reward(provisional), before)
    if method.correct:
        step_size = corrected_step_size(method.step_size, update.eta)
        parameters = before.parameters + step_size * (target - before.parameters)
        values = update.values_of_corrected(before.values)
    else:
        step_size, parameters = method.step_size, provisional
        values = update.values
    return _iterate(
        problem,
        parameters,
        update.log_policy,
        values,
        along=target - before.parameters if method.correct else None,
        exact=method.correct and method.tolerance <= TOLERANCE,
        eta=update.eta,
        step_size=step_size,
        step_kl=update.kl,
        sweeps=update.sweeps,
    )


def _update_policy(
    mdp: TabularMdp, method: Method, reward: Array, before: Iterate
) -> TrustRegionStep:
    start = None if method.from_scratch else before.values
    if method.kl_bound is None:
        return penalised_step(
            mdp, reward, before.log_policy, method.eta, tolerance=method.tolerance, start=start
        )
    return bounded_step(
        mdp,
        reward,
        before.log_policy,
        method.kl_bound,
        least_eta=method.eta,
        tolerance=method.tolerance,
        start=start,
    )


def _iterate(
    problem: Problem,
    parameters: Array,
    log_policy: Array,
    values: Array,
    *,
    along: Array | None = None,
    exact: bool = True,
    **how: Any,
) -> Iterate:
    """Put a reward and a policy together with what is reported of them.

    Args:
        problem: what is to be solved.
        parameters: of the reward, shape (K,).
        log_policy: log pi(a | s), shape (S, A).
        values: what the next policy update begins with, shape (S,), nats.
        along: change of the parameters for a step size of 1, shape (K,).
        exact: whether the values are the soft values of the reward. The dual otherwise takes a
            solution of its own, which no method needs and whose sweeps do not count.
        how: further fields of the iterate.
    """
    rho = log_occupancy(problem.mdp, log_policy)
    soft_values = values
    if not exact:
        reward = problem.matching.reward(parameters)
        soft_values = soft_value_iteration(problem.mdp, reward).values
    slope = math.nan
    if along is not None:
        slope = float(along @ problem.matching.dual_gradient(parameters, rho, problem.beta))
    return Iterate(
        parameters=parameters,
        log_policy=log_policy,
        values=values,
        kl=kl_divergence(rho, problem.expert_log_occupancy),
        dual=problem.dual(parameters, soft_values),
        primal=problem.primal(log_policy, rho),
        slope=slope,
        **how,
    )
