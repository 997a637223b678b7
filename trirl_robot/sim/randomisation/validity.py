"""Refuses, before anything is drawn, terms that could make a model invalid."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.fields import model_value

Array = NDArray[np.float64]

_ORDERED = (
    ("jnt_range", "joint_range_low", "joint_range_high"),
    ("geom_solimp", "geom_solimp_dmin", "geom_solimp_dmax"),
)
"""Fields whose first column must stay below the second, and the quantities that these are."""


def check_terms(terms: Sequence[BoundTerm], model: mujoco.MjModel) -> list[BoundTerm]:
    """Follow the least and greatest values of every field through all terms, in their order.

    Args:
        terms: the terms, each with objects; factors leave out those where nothing but 0 stands.
        model: the model.

    Returns:
        The terms that still have objects.

    Raises:
        ConfigError: a value that MuJoCo or the sensors cannot work with could be drawn.
    """
    reached: dict[str, tuple[Array, Array]] = {}
    for term in terms:
        _check_needs(term, terms, model)
        field = term.quantity.field
        if field not in reached:
            reached[field] = _start(term, terms, model)
        low, high = reached[field]
        term.leave_out_zeros(low[term.index], high[term.index])
        if not term.targets:
            continue
        low[term.index], high[term.index] = _range(term, low[term.index], high[term.index])
        _check_range(term, low[term.index], high[term.index])
        _check_time_constants(term, low[term.index], model)
    for field, first, second in _ORDERED:
        if field in reached:
            _check_order(reached[field], first, second, terms)
    left = [term for term in terms if term.targets]
    _check_moments([t for t in left if t.config.quantity == "body_inertia_moment"], model)
    return left


def _start(
    term: BoundTerm, terms: Sequence[BoundTerm], model: mujoco.MjModel
) -> tuple[Array, Array]:
    if term.quantity.store == "model":
        value = model_value(model, term.quantity.field)
    else:
        shapes = [t.field_shape for t in terms if t.quantity.field == term.quantity.field]
        value = np.zeros(np.max(shapes, axis=0))
    return value, value.copy()


def _range(term: BoundTerm, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the least and greatest values of a field after a term."""
    least, greatest = term.config.support
    with np.errstate(invalid="ignore"):
        drawn = np.array([least * term.factors, greatest * term.factors])
        if term.operation == "add":
            drawn += [low, high]
        if term.operation == "scale":
            ends = [low * least, low * greatest, high * least, high * greatest]
            drawn = np.nan_to_num(ends, posinf=np.inf, neginf=-np.inf)
    after = drawn.min(axis=0), drawn.max(axis=0)
    if term.config.when != "interval" or term.operation == "scale":
        # between two draws the factor is 1
        neutral = (low, high) if term.config.when == "interval" else after
        return np.minimum(after[0], neutral[0]), np.maximum(after[1], neutral[1])
    return np.minimum(after[0], low), np.maximum(after[1], high)


def _check_range(term: BoundTerm, low: Array, high: Array) -> None:
    quantity = term.quantity
    below = low <= quantity.minimum if quantity.above_minimum else low < quantity.minimum
    wrong = np.flatnonzero(below | (high > quantity.maximum))
    if not len(wrong):
        return
    first = wrong[0]
    factor = term.factors[first]
    least, greatest = low[first] / factor, high[first] / factor
    minimum, maximum = quantity.minimum / factor, quantity.maximum / factor
    bounds = [f"{'above' if quantity.above_minimum else 'at least'} {minimum:g}"]
    bounds = bounds if np.isfinite(minimum) else []
    bounds += [f"at most {maximum:g}"] if np.isfinite(maximum) else []
    raise ConfigError(
        f"randomisation of {term.config.quantity}: {term.names[first]} could be drawn between "
        f"{least:g} and {greatest:g} {quantity.unit}, expected {' and '.join(bounds)}; narrow the "
        "distribution (truncated_normal has limits)"
    )


def _check_time_constants(term: BoundTerm, low: Array, model: mujoco.MjModel) -> None:
    """Refuse contacts stiffer than the physics step allows: MuJoCo would clamp them silently."""
    clamped = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_REFSAFE
    if term.config.quantity != "geom_solref_time_constant" or not clamped:
        return
    least = 2.0 * model.opt.timestep
    # rounding in a factor of 1 is no fault of the term
    wrong = np.flatnonzero(low < least * (1.0 - 1e-9))
    if len(wrong):
        first = wrong[0]
        raise ConfigError(
            f"randomisation of {term.config.quantity}: {term.names[first]} could be drawn down to "
            f"{low[first]:g} s, expected at least {least:g} s (twice the physics step, below which "
            "MuJoCo clamps it); narrow the distribution, or leave the object out"
        )


def _check_order(
    reached: tuple[Array, Array], first: str, second: str, terms: Sequence[BoundTerm]
) -> None:
    low, high = reached
    for term in terms:
        if term.config.quantity not in (first, second):
            continue
        for target in term.targets:
            row = target.place[0]
            if high[row, 0] > low[row, 1]:
                raise ConfigError(
                    f"randomisation of {term.config.quantity}: {first} of {target.name} could be "
                    f"drawn up to {high[row, 0]:g}, and {second} down to {low[row, 1]:g}, which "
                    "is below it; narrow one of them"
                )


def _check_moments(terms: Sequence[BoundTerm], model: mujoco.MjModel) -> None:
    """Refuse moments of inertia that no body has: one above the sum of the other two."""
    low, high = np.ones((2, model.nbody, 3))
    for term in terms:
        least, greatest = term.config.support
        neutral = 1.0 if term.config.when == "interval" else least
        low[term.index] *= min(least, neutral)
        high[term.index] *= max(greatest, neutral)
    low, high = low * model.body_inertia, high * model.body_inertia
    for term in terms:
        for target in term.targets:
            body, axis = target.place
            others = low[body, [a for a in range(3) if a != axis]].sum()
            # rounding in the model's own moments is no fault of the term
            worst = high[body].copy(), low[body].copy()
            if any(worst[0][a] > (worst[1].sum() - worst[1][a]) * (1.0 + 1e-9) for a in range(3)):
                raise ConfigError(
                    f"randomisation of body_inertia_moment: {target.name} could be drawn up to "
                    f"{high[body, axis]:g} kg·m², and the other two together down to {others:g}, "
                    "which no body has; narrow it, or draw pseudo_inertia"
                )


def _check_needs(term: BoundTerm, terms: Sequence[BoundTerm], model: mujoco.MjModel) -> None:
    name = f"randomisation of {term.config.quantity}"
    if term.quantity.operations == ("scale",) and term.config.support[0] < 0.0:
        raise ConfigError(
            f"{name}: factors could be drawn down to {term.config.support[0]:g}, expected at least "
            "0; narrow the distribution (truncated_normal has limits)"
        )
    if term.config.when == "interval" and term.quantity.store == "initial":
        raise ConfigError(
            f"{name}: the initial state is drawn at each reset, not within an episode"
        )
    dense = any(t.config.quantity == "air_density" and t.targets for t in terms)
    airless = model.opt.density == 0 and not dense
    if term.config.quantity == "wind" and airless:
        raise ConfigError(
            f"{name}: the model's air has no density, so wind does nothing; add a term "
            "{quantity: air_density, distribution: constant, value: 1.2}"
        )
    if term.config.quantity in ("body_com", "pseudo_inertia"):
        simple = [t for t in term.targets if model.body_simple[t.place[0]]]
        if simple:
            raise ConfigError(
                f"{name}: {simple[0].name} was compiled as a body whose centre of mass cannot "
                "move; compile it with simple='false'"
            )
