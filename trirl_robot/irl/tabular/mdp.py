"""Finite Markov decision processes and the discounted occupancies of policies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError

Array = NDArray[np.float64]

_ROUNDING = 1e-9
"""By how much probabilities that are given may miss a sum of 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TabularMdp:
    """States, actions and transitions; the reward is kept apart, since it is what is sought.

    A state is absorbing when every action stays there: an episode that ends goes on for ever in
    such a state, and collects its reward and the entropy of its policy there.
    """

    transition: Array
    """Probability of the next state, shape (S, A, S); rows sum to 1."""
    initial: Array
    """Probability of the first state, shape (S,)."""
    discount: float
    """Discount factor, in [0, 1)."""

    def __post_init__(self) -> None:
        """Check shapes and probabilities.

        Raises:
            ConfigError: an array is not a distribution, or the discount is not in [0, 1).
        """
        shape = self.transition.shape
        if len(shape) != 3 or shape[0] != shape[2] or 0 in shape:
            raise ConfigError(f"transition has shape {shape}, expected (states, actions, states)")
        if self.initial.shape != shape[:1]:
            raise ConfigError(f"initial has shape {self.initial.shape}, expected {shape[:1]}")
        for name in ("transition", "initial"):
            values = getattr(self, name)
            sums = np.asarray(values.sum(axis=-1))
            if not (np.all(values >= 0.0) and np.all(np.abs(sums - 1.0) <= _ROUNDING)):
                raise ConfigError(f"{name}: expected probabilities that sum to 1 in each row")
        if not 0.0 <= self.discount < 1.0:
            raise ConfigError(f"discount is {self.discount}, expected a value in [0, 1)")

    @property
    def states(self) -> int:
        """Number of states, S."""
        return len(self.initial)

    @property
    def actions(self) -> int:
        """Number of actions, A."""
        return int(self.transition.shape[1])

    @cached_property
    def absorbing(self) -> NDArray[np.bool_]:
        """Which states no action leaves, shape (S,)."""
        stays: NDArray[np.bool_] = (np.einsum("sas->sa", self.transition) == 1.0).all(axis=1)
        return stays

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Which states some policy visits, shape (S,); every soft policy visits all of these."""
        follows = (self.transition > 0.0).any(axis=1)
        found: NDArray[np.bool_] = self.initial > 0.0
        for _ in range(self.states):
            found = np.logical_or(found, found @ follows)
        return found

    @cached_property
    def _rows(self) -> Array:
        return np.ascontiguousarray(self.transition.reshape(-1, self.states))

    def expected_next(self, values: Array) -> Array:
        """Return sum_s' P(s' | s, a) values(s'), (S,) to (S, A)."""
        return (self._rows @ values).reshape(self.states, self.actions)


def uniform_log_policy(mdp: TabularMdp) -> Array:
    """Return the logarithm of the uniform policy, shape (S, A), nats."""
    return np.full((mdp.states, mdp.actions), -np.log(mdp.actions))


def log_state_occupancy(mdp: TabularMdp, log_policy: Array) -> Array:
    """Return log d(s), with d = (1 - gamma) sum_t gamma^t P(s_t = s) the solution of d's equations.

    Args:
        mdp: the process.
        log_policy: log pi(a | s), shape (S, A).

    Returns:
        Shape (S,), nats; -inf where no policy comes.
    """
    visited = mdp.reachable
    chain = np.einsum("sa,sat->st", np.exp(log_policy), mdp.transition)[np.ix_(visited, visited)]
    matrix = np.eye(len(chain)) - mdp.discount * chain.T
    occupancy = (1.0 - mdp.discount) * np.linalg.solve(matrix, mdp.initial[visited])
    result = np.full(mdp.states, -np.inf)
    # what is below the rounding of the solution may come out as zero or negative
    result[visited] = np.log(np.maximum(occupancy, np.finfo(np.float64).tiny))
    return result


def log_occupancy(mdp: TabularMdp, log_policy: Array) -> Array:
    """Return log rho(s, a) of a policy, shape (S, A), nats; rho sums to 1."""
    return log_state_occupancy(mdp, log_policy)[:, None] + log_policy


def discounted_entropy(log_occupancy: Array, log_policy: Array) -> float:
    """Return E_rho[H(pi(. | s))], nats per step."""
    return -float(np.sum(np.exp(log_occupancy) * log_policy))
