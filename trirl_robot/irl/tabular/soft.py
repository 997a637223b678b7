"""Soft value iteration: the policy of maximum causal entropy for a reward."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.irl.tabular.mdp import Array, TabularMdp

TOLERANCE = 1e-12
"""Bound on the error of soft values, nats."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftSolution:
    """A soft-optimal policy."""

    values: Array
    """Soft values V(s), shape (S,), nats."""
    log_policy: Array
    """log pi(a | s) = (Q(s, a) - V(s)) / temperature, shape (S, A)."""
    sweeps: int
    """How often all states were updated."""


def soft_maximum(q_values: Array, temperature: float | Array = 1.0) -> Array:
    """Return temperature * log sum_a exp(Q(s, a) / temperature), (S, A) to (S,)."""
    largest = q_values.max(axis=1)
    scaled = (q_values - largest[:, None]) / np.reshape(temperature, (-1, 1))
    total: Array = largest + temperature * np.log(np.exp(scaled).sum(axis=1))
    return total


def soft_value_iteration(
    mdp: TabularMdp,
    reward: Array,
    *,
    temperature: float | Array = 1.0,
    tolerance: float = TOLERANCE,
    start: Array | None = None,
) -> SoftSolution:
    """Solve V(s) = temperature * log sum_a exp((r(s, a) + gamma E V(s')) / temperature).

    The operator contracts by gamma, so that the change of a sweep times gamma / (1 - gamma) bounds
    the error that is left, and the first change tells after how many sweeps that bound is within
    the tolerance: rounding cannot keep the iteration from ending.

    Args:
        mdp: the process.
        reward: r(s, a), shape (S, A), nats.
        temperature: weight of the entropy, a scalar or shape (S,), more than 0.
        tolerance: bound on the error of the values, nats.
        start: values to begin with, shape (S,); zeros where not given.

    Raises:
        ConfigError: a temperature is not more than 0.
        NonFiniteError: the reward is not finite.
    """
    if not np.all(np.asarray(temperature) > 0.0):
        raise ConfigError(f"temperature is {np.min(temperature)}, expected more than 0")
    if not np.all(np.isfinite(reward)):
        raise NonFiniteError("the reward is not finite; expected finite values, take smaller steps")
    discount = mdp.discount
    # a constant reward only shifts the values: without it they are small and rounded less
    one_step = soft_maximum(reward, temperature)
    constant = 0.5 * float(one_step.max() + one_step.min())
    shift = constant / (1.0 - discount)
    values = np.zeros(mdp.states) if start is None else start - shift
    centred = reward - constant
    enough = tolerance * (1.0 - discount) / discount if discount > 0.0 else math.inf
    sweeps, most = 0, 1
    while sweeps < most:
        updated = soft_maximum(centred + discount * mdp.expected_next(values), temperature)
        change = float(np.max(np.abs(updated - values)))
        values = updated
        sweeps += 1
        if change <= enough:
            break
        if sweeps == 1:
            most = 1 + math.ceil(math.log(enough / change) / math.log(discount))
    q_values = centred + discount * mdp.expected_next(values)
    advantage = q_values - soft_maximum(q_values, temperature)[:, None]
    return SoftSolution(
        values=values + shift,
        log_policy=advantage / np.reshape(temperature, (-1, 1)),
        sweeps=sweeps,
    )
