"""By how much the two sides of the reward correction theorem differ (Diwan et al. 2026, Theorem 1).

One side is the policy that is optimal within a trust region around pi_i for the provisional
reward, the other the policy of maximum causal entropy for the corrected reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.mdp import Array, TabularMdp
from trirl_robot.irl.tabular.soft import soft_value_iteration
from trirl_robot.irl.tabular.trust_region import kl_per_state

_BISECTIONS = 80
"""Halvings of log(1 + eta), from 0 to `_LARGEST_LOG_SCALE`: down to rounding."""
_LARGEST_LOG_SCALE = 40.0
_MOST_IMPROVEMENTS = 500
_SETTLED = 1e-12
"""Greatest change of log pi, as a share of its size, at which a policy has settled."""


def policy_gap(mdp: TabularMdp, reward: Array, log_policy: Array) -> float:
    """Return max |pi(a | s) - pi_r(a | s)| for pi_r soft-optimal for the reward.

    Args:
        mdp: the process.
        reward: r(s, a), shape (S, A), nats.
        log_policy: log pi(a | s), shape (S, A).
    """
    optimal = soft_value_iteration(mdp, reward).log_policy
    return float(np.max(np.abs(np.exp(log_policy) - np.exp(optimal))))


@dataclass(frozen=True, kw_only=True, eq=False)
class PerStateStep:
    """A policy update with a trust region, and a multiplier, for every state."""

    eta: Array
    """Multiplier in each state, shape (S,)."""
    log_policy: Array
    """log pi(a | s), shape (S, A)."""


def per_state_step(
    mdp: TabularMdp, reward: Array, log_previous: Array, kl_bound: float
) -> PerStateStep:
    """Maximise E_rho_pi[r~ + H] with KL(pi(. | s) || pi_i(. | s)) <= bound in every state.

    What a projection of every state's action distribution does. It is solved by soft policy
    iteration. There is no scalar eta in it, so the theorem does not speak of it: this is the
    counterexample.

    Args:
        mdp: the process.
        reward: the provisional reward r~(s, a), shape (S, A), nats.
        log_previous: log pi_i(a | s), shape (S, A).
        kl_bound: bound in each state, nats, more than 0.

    Raises:
        ConfigError: kl_bound is not more than 0, or the policy does not settle.
    """
    if not kl_bound > 0.0:
        raise ConfigError(f"kl_bound is {kl_bound}, expected more than 0")
    log_policy, eta = log_previous, np.zeros(mdp.states)
    for _ in range(_MOST_IMPROVEMENTS):
        q_values = reward + mdp.discount * mdp.expected_next(_soft_values(mdp, reward, log_policy))
        eta, improved = _project(q_values, log_previous, kl_bound)
        change = float(np.max(np.abs(improved - log_policy)))
        log_policy = improved
        # of a policy that is nearly deterministic, rounding leaves more
        if change < _SETTLED * max(1.0, float(np.max(np.abs(log_policy)))):
            return PerStateStep(eta=eta, log_policy=log_policy)
    raise ConfigError("the policy of a bound per state does not settle; expected a smaller bound")


def _soft_values(mdp: TabularMdp, reward: Array, log_policy: Array) -> Array:
    """Return the expected discounted sum of r + H(pi) from each state, shape (S,)."""
    policy = np.exp(log_policy)
    chain = np.einsum("sa,sat->st", policy, mdp.transition)
    collected = np.sum(policy * (reward - log_policy), axis=1)
    return np.linalg.solve(np.eye(mdp.states) - mdp.discount * chain, collected)


def _project(q_values: Array, log_previous: Array, kl_bound: float) -> tuple[Array, Array]:
    """Return eta(s) and log pi proportional to exp((Q + eta log pi_i) / (1 + eta)) in the bound."""

    def policy_at(log_scale: Array) -> Array:
        eta = np.expm1(log_scale)[:, None]
        logits = (q_values + eta * log_previous) / (1.0 + eta)
        logits -= logits.max(axis=1, keepdims=True)
        log_policy: Array = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return log_policy

    low, high = np.zeros(len(q_values)), np.full(len(q_values), _LARGEST_LOG_SCALE)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        outside = kl_per_state(policy_at(middle), log_previous) > kl_bound
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    # where even eta = 0 is within the bound, the search ends at a rounded 0
    return np.expm1(high), policy_at(high)
