"""How drawn values are written into the simulations: worked out once, then a few array operations.

The fields of one simulation lie side by side in a row. Terms become rounds, each of which changes
many places of the row by the same operation; a place that several terms change stands in as many
rounds, in the order of the terms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.config import Operation
from trirl_robot.sim.randomisation.fields import Fields, is_derived_from
from trirl_robot.sim.randomisation.pseudo_inertia import FIELDS as INERTIA_FIELDS
from trirl_robot.sim.randomisation.pseudo_inertia import PseudoInertia

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class _Change(Protocol):
    def apply(self, rows: Array, values: Array) -> None:
        """Change rows of fields (n, K) by values (n, V) of all terms, in place."""


@dataclass
class _Round:
    """Places that values scale, are added to or replace, each place once."""

    operation: Operation
    places: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)

    def finished(self) -> _Change:
        places, sources = np.array(self.places), np.array(self.sources)
        if self.operation == "scale":
            return _Scale(places, sources)
        factors = np.array(self.factors)
        return (_Add if self.operation == "add" else _Set)(places, sources, factors)


class _Scale:
    def __init__(self, places: Ids, sources: Ids) -> None:
        self._places, self._sources = places, sources

    def apply(self, rows: Array, values: Array) -> None:
        rows[:, self._places] *= values.take(self._sources, axis=1)


class _Add:
    def __init__(self, places: Ids, sources: Ids, factors: Array) -> None:
        self._places, self._sources, self._factors = places, sources, factors

    def apply(self, rows: Array, values: Array) -> None:
        rows[:, self._places] += values.take(self._sources, axis=1) * self._factors


class _Set:
    def __init__(self, places: Ids, sources: Ids, factors: Array) -> None:
        self._places, self._sources, self._factors = places, sources, factors

    def apply(self, rows: Array, values: Array) -> None:
        drawn = values.take(self._sources, axis=1) * self._factors
        # NaN: nothing is set at present
        rows[:, self._places] = np.where(np.isnan(drawn), rows[:, self._places], drawn)


class _Proportion:
    """Places that are added to or replaced, and others that change by the same factor."""

    def __init__(self, change: _Change, places: Ids, leaders: Ids, followers: Ids) -> None:
        self._change, self._places = change, places
        self._leaders, self._followers = leaders, followers

    def apply(self, rows: Array, values: Array) -> None:
        before = rows[:, self._leaders]
        self._change.apply(rows, values)
        # what has been scaled to 0 before has no proportion left
        factor = np.divide(
            rows[:, self._leaders], before, out=np.ones_like(before), where=before != 0.0
        )
        rows[:, self._followers] *= factor


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
        self._changes = self._compiled([t for t in terms if t.fields & self.names])
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
        """Write into the simulations `ids` what their values (n, V), of all terms, lead to."""
        if not self.names:
            return
        rows = np.repeat(self._base[None], len(ids), axis=0)
        for change in self._changes:
            change.apply(rows, values)
        if self._inertia is not None:
            self._inertia.apply(rows)
        for array, part in self._targets:
            array[ids] = rows[:, part].reshape(len(ids), *array.shape[1:])
        if self._derives:
            self._fields.derive(ids)

    def _place(self, name: str, index: Sequence[int]) -> int:
        shape = self._fields.base(name).shape
        return self._start[name] + int(np.ravel_multi_index(tuple(index), shape))

    def _compiled(self, terms: Sequence[BoundTerm]) -> list[_Change]:
        rounds: list[_Round | _Change] = []
        # first round that may change a place again
        earliest: defaultdict[int, int] = defaultdict(int)

        def enter(operation: Operation, place: int, source: int, factor: float) -> None:
            for number in range(earliest[place], len(rounds)):
                found = rounds[number]
                if isinstance(found, _Round) and found.operation == operation:
                    break
            else:
                number = len(rounds)
                found = _Round(operation)
                rounds.append(found)
            found.places.append(place)
            found.sources.append(source)
            found.factors.append(factor)
            earliest[place] = number + 1

        for term in terms:
            first, own = term.columns.start, term.quantity.field
            places = [self._place(own, target.place) for target in term.targets]
            followers = [(i, self._place(name, place)) for i, name, place in term.along]
            if followers and term.operation != "scale":
                rounds.append(self._proportion(term, places, followers))
                for place in (*places, *(place for _, place in followers)):
                    earliest[place] = len(rounds)
                continue
            for i, target in enumerate(term.targets):
                enter(term.operation, places[i], first + i, target.factor)
            for i, place in followers:
                enter("scale", place, first + i, 1.0)
        return [r.finished() if isinstance(r, _Round) else r for r in rounds]

    @staticmethod
    def _proportion(
        term: BoundTerm, places: list[int], followers: list[tuple[int, int]]
    ) -> _Change:
        sources = list(range(term.columns.start, term.columns.stop))
        change = _Round(term.operation, places, sources, list(term.factors))
        return _Proportion(
            change.finished(),
            np.array(places),
            np.array([places[i] for i, _ in followers]),
            np.array([place for _, place in followers]),
        )


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
