"""A term of a randomisation, bound to the objects of one model."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim.randomisation.config import NEUTRAL, Operation, RandomisationTerm
from trirl_robot.sim.randomisation.fields import Fields
from trirl_robot.sim.randomisation.quantities import QUANTITIES, Quantity
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class BoundTerm:
    """A term, its objects in this model and the values drawn last."""

    def __init__(
        self, term: RandomisationTerm, simulation: Simulation, signals: Sequence[str]
    ) -> None:
        if term.quantity not in QUANTITIES:
            raise ConfigError(
                f"randomisation: {unknown_name('quantity', term.quantity, QUANTITIES)}"
            )
        self.config = term
        self.quantity: Quantity = QUANTITIES[term.quantity]
        self.operation: Operation = term.operation or self.quantity.operation
        found = self.quantity.objects(simulation.model, signals)
        chosen = [o for o in found if any(fnmatchcase(o[0], p) for p in term.where)]
        if not term.optional:
            _require_objects(term, [name for name, _ in found])
        self.names = [f"{term.quantity}/{name}" for name, _ in chosen]
        places = np.array([place for _, place in chosen], dtype=np.intp)
        self.index = tuple(places.T)
        self.draws = 1 if term.shared else len(chosen)
        all_places = np.array([place for _, place in found], dtype=np.intp)
        self.field_shape = tuple(1 + all_places.max(axis=0)) if found else (0,)
        """Shape that holds every object of the quantity."""
        self.values = np.full((simulation.num_envs, len(chosen)), self.neutral)

    @property
    def neutral(self) -> float:
        """Value that changes nothing; NaN where every value is set."""
        return NEUTRAL.get(self.operation, np.nan)

    def select(self, ids: Ids) -> tuple[Any, ...]:
        """Return the index of the term's objects in the arrays of `ids`."""
        return (ids[:, None], *self.index)

    def draw(self, ids: Ids, uniform: Array) -> None:
        """Take the values of `ids` from uniform draws, shape (n, draws)."""
        self.values[ids] = self.config.quantile(uniform)

    def cease(self, ids: Ids) -> None:
        """Let the term change nothing in `ids`."""
        self.values[ids] = self.neutral

    def write(self, fields: Fields, ids: Ids) -> None:
        """Write the values of `ids` into the field, on top of what stands there."""
        values = self.values[ids]
        array, place = fields.array(self.quantity.field), self.select(ids)
        before = array[place]
        after = _combined(self.operation, before, values)
        array[place] = after
        for name, column in self.quantity.along:
            where = (ids[:, None], self.index[0])
            factor = np.divide(after, before, out=np.ones_like(after), where=before != 0)
            if column is None:
                fields.array(name)[where] *= factor[..., None]
            else:
                fields.array(name)[(*where, column)] *= factor


def _combined(operation: Operation, before: Array, values: Array) -> Array:
    if operation == "scale":
        return before * values
    if operation == "add":
        return before + values
    return np.where(np.isnan(values), before, values)


def _require_objects(term: RandomisationTerm, known: list[str]) -> None:
    name = f"randomisation of {term.quantity}"
    if not known:
        raise ConfigError(f"{name}: this model has nothing that it belongs to")
    for pattern in term.where:
        if not any(fnmatchcase(object_name, pattern) for object_name in known):
            raise ConfigError(f"{name}: {unknown_name('object', pattern, known)}")
