"""How drawn values are written into the simulations: worked out once, then one loop.

The fields of one simulation lie side by side in a row. Terms become changes of places of that row,
in the order of the terms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.config import Operation
from trirl_robot.sim.randomisation.fields import Fields, is_derived_from
from trirl_robot.sim.randomisation.pseudo_inertia import FIELDS as INERTIA_FIELDS
from trirl_robot.sim.randomisation.pseudo_inertia import PseudoInertia

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

_OPERATIONS: tuple[Operation, ...] = ("scale", "add", "set")
_SCALE, _ADD = 0, 1


class Plan:
    """Writes the values of some fields, whatever stood there before."""

    def __init__(self, fields: Fields, terms: Sequence[BoundTerm], names: Iterable[str]) -> None:
        """Work out what is to be done.

        Args:
            fields: the arrays.
            terms: all terms, of which those count that write any of the fields.
            names: the fields; those that hang together with them are written too.
        """
        self._fields = fields
        self.names = _closure(set(names), terms)
        """Fields that are written."""
        self._start: dict[str, int] = {}
        size = 0
        own = [name for name in fields.own_names if name in self.names]
        for name in (*own, *sorted(self.names - set(own))):
            self._start[name] = size
            size += prod(fields.base(name).shape)
        parts = [fields.base(name).ravel() for name in self._start]
        self._base = np.concatenate([np.empty(0), *parts])
        self._changes = self._worked_out([t for t in terms if t.fields & self.names])
        self._inertia = (
            PseudoInertia(fields.base("body_mass").size, self._start)
            if "pseudo_inertia" in self.names
            else None
        )
        # (array, its part of a row), with our own arrays in one piece where all are written
        self._targets = [
            (fields.array(name), slice(start, start + fields.base(name).size))
            for name, start in self._start.items()
        ]
        if own and tuple(own) == fields.own_names:
            whole = (fields.own, slice(0, fields.own.shape[1]))
            self._targets = [whole, *self._targets[len(own) :]]
        self._derives = any(is_derived_from(name) for name in self.names)

    def write(self, values: Array, ids: Ids) -> None:
        """Write into the simulations `ids` what the values (N, V) of all terms lead to."""
        if not self.names:
            return
        rows = np.empty((len(ids), len(self._base)))
        _change(rows, self._base, values, ids, *self._changes)
        if self._inertia is not None:
            self._inertia.apply(rows)
        for array, part in self._targets:
            array[ids] = rows[:, part].reshape(len(ids), *array.shape[1:])
        if self._derives:
            self._fields.derive(ids)

    def _place(self, name: str, index: Sequence[int]) -> int:
        shape = self._fields.base(name).shape
        return self._start[name] + int(np.ravel_multi_index(tuple(index), shape))

    def _worked_out(self, terms: Sequence[BoundTerm]) -> tuple[Ids, Ids, Ids, Array, Ids, Ids]:
        """Return what `_change` takes beside rows, base, values and simulations."""
        changes: list[tuple[int, int, int, float]] = []
        first_follower, followers = [0], []
        for term in terms:
            operation = _OPERATIONS.index(term.operation)
            own, along = term.quantity.field, defaultdict(list)
            for number, name, place in term.along:
                along[number].append(self._place(name, place))
            for number, target in enumerate(term.targets):
                source = term.columns.start + number
                factor = 1.0 if operation == _SCALE else target.factor
                changes.append((operation, self._place(own, target.place), source, factor))
                followers += along[number]
                first_follower.append(len(followers))
        operations, places, sources = (
            np.array([change[k] for change in changes], dtype=np.intp) for k in range(3)
        )
        factors = np.array([factor for *_, factor in changes], dtype=np.float64)
        ends = np.array(first_follower, dtype=np.intp), np.array(followers, dtype=np.intp)
        return operations, places, sources, factors, *ends


@compiled
def _change(
    rows: Array,
    base: Array,
    values: Array,
    ids: Ids,
    operations: Ids,
    places: Ids,
    sources: Ids,
    factors: Array,
    first_follower: Ids,
    followers: Ids,
) -> None:
    """Write `rows` (n, K) of `ids`: of `base` (K,), changed by `values` (N, V), one after another.

    Each of C changes has an operation, a place in the row, a value as its source and a factor to
    that, (C,). Places from `followers[first_follower[c]]` on change by the same factor as change c.
    """
    for r, i in enumerate(ids):
        rows[r] = base
        for c in range(places.shape[0]):
            before, value = rows[r, places[c]], values[i, sources[c]] * factors[c]
            if operations[c] == _SCALE:
                after = before * value
            elif operations[c] == _ADD:
                after = before + value
            else:
                # NaN: nothing is set at present
                after = before if np.isnan(value) else value
            rows[r, places[c]] = after
            proportion = value
            if operations[c] != _SCALE:
                # what has been scaled to 0 before has no proportion left
                proportion = after / before if before != 0.0 else 1.0
            for f in range(first_follower[c], first_follower[c + 1]):
                rows[r, followers[f]] *= proportion


def _closure(names: set[str], terms: Sequence[BoundTerm]) -> set[str]:
    """Return the fields that have to be written together with `names`."""
    groups = [term.fields for term in terms]
    if any("pseudo_inertia" in group for group in groups):
        groups.append({"pseudo_inertia", *INERTIA_FIELDS})
    while True:
        wider = names.union(*(group for group in groups if group & names))
        if wider == names:
            return names
        names = wider
