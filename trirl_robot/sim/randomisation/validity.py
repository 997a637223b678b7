"""Refuses, before anything is drawn, terms that could make a model invalid."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.fields import model_value

Array = NDArray[np.float64]


def check_terms(terms: list[BoundTerm], model: mujoco.MjModel) -> None:
    """Follow the least and greatest values of every field through all terms, in their order.

    Raises:
        ConfigError: a value that MuJoCo or the sensors cannot work with could be drawn.
    """
    reached: dict[str, tuple[Array, Array]] = {}
    for term in terms:
        _check_needs(term, terms, model)
        quantity = term.quantity
        low, high = reached.setdefault(quantity.field, _start(term, model))
        low[term.index], high[term.index] = _range(term, low[term.index], high[term.index])
        _check_range(term, low[term.index], high[term.index])


def _start(term: BoundTerm, model: mujoco.MjModel) -> tuple[Array, Array]:
    if term.quantity.store == "model":
        value = model_value(model, term.quantity.field)
    else:
        value = np.zeros(term.field_shape)
    return value, value.copy()


def _range(term: BoundTerm, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the least and greatest values after a term."""
    least, greatest = term.config.support
    if term.operation == "set":
        return np.full_like(low, least), np.full_like(high, greatest)
    if term.operation == "add":
        return low + least, high + greatest
    with np.errstate(invalid="ignore"):
        products = np.nan_to_num(
            [low * least, low * greatest, high * least, high * greatest],
            posinf=np.inf,
            neginf=-np.inf,
        )
    return products.min(axis=0), products.max(axis=0)


def _check_range(term: BoundTerm, low: Array, high: Array) -> None:
    quantity = term.quantity
    below = low <= quantity.minimum if quantity.above_minimum else low < quantity.minimum
    wrong = np.flatnonzero(np.atleast_1d(below | (high > quantity.maximum)))
    if not len(wrong):
        return
    first = wrong[0]
    least, greatest = np.atleast_1d(low)[first], np.atleast_1d(high)[first]
    bounds = [f"{'above' if quantity.above_minimum else 'at least'} {quantity.minimum:g}"]
    bounds = bounds if np.isfinite(quantity.minimum) else []
    bounds += [f"at most {quantity.maximum:g}"] if np.isfinite(quantity.maximum) else []
    raise ConfigError(
        f"randomisation of {term.config.quantity}: {term.names[first]} could be drawn between "
        f"{least:g} and {greatest:g} {quantity.unit}, expected {' and '.join(bounds)}; narrow the "
        "distribution (truncated_normal has limits)"
    )


def _check_needs(term: BoundTerm, terms: list[BoundTerm], model: mujoco.MjModel) -> None:
    name = f"randomisation of {term.config.quantity}"
    if term.config.when == "interval" and term.quantity.store == "initial":
        raise ConfigError(
            f"{name}: the initial state is drawn at each reset, not within an episode"
        )
    airless = model.opt.density == 0 and not any(t.config.quantity == "air_density" for t in terms)
    if term.config.quantity == "wind" and airless:
        raise ConfigError(
            f"{name}: the model's air has no density, so wind does nothing; add a term "
            "{quantity: air_density, distribution: constant, value: 1.2}"
        )
