"""What of the expert is matched, and the rewards that are the dual variables of that.

A matching is a convex divergence f of the policy's occupancy from the expert's. In

    max_pi  E_rho[H(pi)] - beta f(rho)

its dual variable is a reward r, linear in parameters, and the dual, which is minimised, is

    G = (1 - gamma) E_mu0[V_soft(r)] + conjugate(parameters).

The direction -grad f takes the place of the expert logit D in the step of TRIRL (Diwan et al.
2026): D itself for the KL divergence, the difference of the feature expectations for the
quadratic one. The correction of the reward is a matter of the policy update alone, so it is exact
for any of them, and happens in the parameters.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.mdp import Array


class Matching(Protocol):
    """A divergence from the expert, with the rewards that are dual to it."""

    @property
    def parameters(self) -> int:
        """Number of parameters of the reward, K."""
        ...

    def reward(self, parameters: Array) -> Array:
        """Return r(s, a), (K,) to (S, A), nats."""
        ...

    def divergence(self, log_occupancy: Array) -> float:
        """Return f(rho) for log rho, shape (S, A)."""
        ...

    def direction(self, log_occupancy: Array) -> Array:
        """Return -grad f(rho) in the parameters up to a constant reward, (S, A) to (K,)."""
        ...

    def conjugate(self, parameters: Array, beta: float) -> float:
        """Return the dual's second part, max_rho' <-r, rho'> - beta f(rho'), nats."""
        ...

    def dual_gradient(self, parameters: Array, log_occupancy: Array, beta: float) -> Array:
        """Return the gradient of the dual for rho of the soft-optimal policy, shape (K,)."""
        ...


def log_sum_exp(values: Array) -> float:
    """Return log sum exp(values) over all elements, of which one at least is finite."""
    largest = float(values.max())
    return largest + float(np.log(np.sum(np.exp(values - largest))))


def kl_divergence(log_first: Array, log_second: Array) -> float:
    """Return KL(first || second) for two logarithms of distributions, nats."""
    held = log_first > -np.inf
    first, second = log_first[held], log_second[held]
    return float(np.sum(np.exp(first) * (first - second)))


class KlMatching:
    """KL(rho || rho_E) over states and actions, or over states alone: tables as rewards.

    Its direction is D = log(rho_E / rho), what a perfect classifier's logit would be, and 0 where
    neither comes.
    """

    def __init__(self, expert_log_occupancy: Array, *, states_only: bool = False) -> None:
        self.states_only = states_only
        self._shape = expert_log_occupancy.shape
        self._expert = self._marginal(expert_log_occupancy)

    @property
    def parameters(self) -> int:
        """Number of states and actions, or of states."""
        return len(self._expert)

    def reward(self, parameters: Array) -> Array:
        """Return the table as r(s, a), shape (S, A)."""
        if self.states_only:
            return np.repeat(parameters[:, None], self._shape[1], axis=1)
        return parameters.reshape(self._shape)

    def divergence(self, log_occupancy: Array) -> float:
        """Return KL(rho || rho_E), nats."""
        return kl_divergence(self._marginal(log_occupancy), self._expert)

    def direction(self, log_occupancy: Array) -> Array:
        """Return D = log(rho_E / rho), shape (K,), nats."""
        own = self._marginal(log_occupancy)
        held = own > -np.inf
        logit = np.zeros_like(own)
        logit[held] = self._expert[held] - own[held]
        return logit

    def conjugate(self, parameters: Array, beta: float) -> float:
        """Return beta * log E_rho_E[exp(-r / beta)], nats."""
        return beta * log_sum_exp(self._expert - parameters / beta)

    def dual_gradient(self, parameters: Array, log_occupancy: Array, beta: float) -> Array:
        """Return rho - q, with q proportional to rho_E exp(-r / beta), shape (K,)."""
        tilted = self._expert - parameters / beta
        own = np.exp(self._marginal(log_occupancy))
        gradient: Array = own - np.exp(tilted - log_sum_exp(tilted))
        return gradient

    def _marginal(self, log_occupancy: Array) -> Array:
        if not self.states_only:
            return log_occupancy.ravel()
        largest = log_occupancy.max(axis=1)
        # a state that nobody visits keeps its -inf
        finite = np.where(largest > -np.inf, largest, 0.0)
        with np.errstate(divide="ignore"):
            total: Array = finite + np.log(np.exp(log_occupancy - finite[:, None]).sum(axis=1))
        return total


class FeatureMatching:
    """Half the squared distance of the discounted feature expectations: r = features @ parameters.

    The gradient step stays in the span of the features: theta~ = (1 - eps) theta + eps beta
    (E_rho_E[features] - E_rho[features]).
    """

    def __init__(self, features: Array, expert_log_occupancy: Array) -> None:
        """Take the expert's expectations.

        Args:
            features: of states and actions, shape (S, A, K).
            expert_log_occupancy: log rho_E, shape (S, A), nats.

        Raises:
            ConfigError: the features are of other states and actions.
        """
        if features.ndim != 3 or features.shape[:2] != expert_log_occupancy.shape:
            raise ConfigError(
                f"features have shape {features.shape}, expected "
                f"{(*expert_log_occupancy.shape, 'features')}"
            )
        self._features = features
        self._expert = self._expectation(expert_log_occupancy)

    @property
    def parameters(self) -> int:
        """Number of features."""
        return int(self._features.shape[2])

    def reward(self, parameters: Array) -> Array:
        """Return features @ parameters, shape (S, A)."""
        reward: Array = self._features @ parameters
        return reward

    def divergence(self, log_occupancy: Array) -> float:
        """Return half the squared distance from the expert's feature expectations."""
        return 0.5 * float(np.sum(self.direction(log_occupancy) ** 2))

    def direction(self, log_occupancy: Array) -> Array:
        """Return E_rho_E[features] - E_rho[features], shape (K,)."""
        difference: Array = self._expert - self._expectation(log_occupancy)
        return difference

    def conjugate(self, parameters: Array, beta: float) -> float:
        """Return |parameters|^2 / (2 beta) - parameters @ E_rho_E[features], nats."""
        return float(parameters @ parameters / (2.0 * beta) - parameters @ self._expert)

    def dual_gradient(self, parameters: Array, log_occupancy: Array, beta: float) -> Array:
        """Return E_rho[features] - E_rho_E[features] + parameters / beta, shape (K,)."""
        gradient: Array = parameters / beta - self.direction(log_occupancy)
        return gradient

    def _expectation(self, log_occupancy: Array) -> Array:
        expectation: Array = np.einsum("sa,sak->k", np.exp(log_occupancy), self._features)
        return expectation
