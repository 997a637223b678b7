"""A term of a randomisation, bound to the objects of one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim.randomisation.config import NEUTRAL, Operation, RandomisationTerm
from trirl_robot.sim.randomisation.quantities import QUANTITIES
from trirl_robot.sim.randomisation.quantities.quantity import Quantity, Subject, Target

Array = NDArray[np.float64]
Columns = NDArray[np.intp]


class BoundTerm:
    """A term and the numbers of this model that it draws."""

    def __init__(self, term: RandomisationTerm, subject: Subject) -> None:
        if term.quantity not in QUANTITIES:
            raise ConfigError(
                f"randomisation: {unknown_name('quantity', term.quantity, QUANTITIES)}"
            )
        self.config = term
        self.quantity: Quantity = QUANTITIES[term.quantity]
        self.operation: Operation = term.operation or self.quantity.operation
        if self.operation not in self.quantity.operations:
            raise ConfigError(
                f"randomisation of {term.quantity}: operation {self.operation} makes no sense "
                f"here; expected {' or '.join(self.quantity.operations)}"
            )
        found = self.quantity.targets(subject)
        chosen = [t for t in found if any(fnmatchcase(t.name, p) for p in term.where)]
        if not term.optional:
            _require_objects(term, [target.name for target in found])
        self._model = subject.model
        self._aim(chosen)
        all_places = np.array([target.place for target in found], dtype=np.intp)
        self.field_shape = tuple(1 + all_places.max(axis=0)) if found else (0,)
        """Shape that holds every object of the quantity."""
        self.columns = slice(0, 0)
        """Where the term's values stand among those of all terms."""
        self.values: Array = np.zeros((0, len(self.targets)))
        """The values, (N, numbers); a view of those of all terms, see `place_values`."""

    @property
    def neutral(self) -> float:
        """Value that changes nothing; NaN where every value is set."""
        return NEUTRAL.get(self.operation, np.nan)

    @property
    def fields(self) -> set[str]:
        """Fields that the term writes."""
        return {self.quantity.field, *(field for _, field, _ in self.along)}

    def leave_out_zeros(self, low: Array, high: Array) -> None:
        """Leave out what a factor cannot change, because there is nothing but 0.

        Args:
            low: least values that earlier terms leave at the term's places, (numbers,).
            high: greatest ones, (numbers,).

        Raises:
            ConfigError: nothing is left of a term that is not optional.
        """
        if self.operation != "scale" or self.quantity.store != "model":
            return
        changing = (low != 0.0) | (high != 0.0)
        if not changing.any() and not self.config.optional:
            raise ConfigError(
                f"randomisation of {self.config.quantity}: {self.targets[0].name} is 0 in the "
                "model or set to 0 before, so a factor changes nothing; choose operation add or set"
            )
        self._aim([t for t, changes in zip(self.targets, changing, strict=True) if changes])

    def _aim(self, targets: list[Target]) -> None:
        """Choose the numbers that the term draws."""
        self.targets = targets
        places = np.array([target.place for target in targets], dtype=np.intp)
        self.index: tuple[Columns, ...] = tuple(places.T)
        """Index of the term's numbers in one simulation's field."""
        self.factors: Array = np.array([target.factor for target in targets])
        """What one unit of the quantity is in the field, (numbers,)."""
        self.along = tuple(
            (i, field, place)
            for i, target in enumerate(targets)
            for field, place in self.quantity.along(self._model, target.place)
        )
        """Number, field and place of everything that changes by the same factor."""
        self.draws = 1 if self.config.shared else len(targets)
        """How many uniform numbers a draw takes."""
        self.names = [f"{self.config.quantity}/{target.name}" for target in targets]
        """Names of the term's values, `quantity/object`."""


def place_values(terms: Sequence[BoundTerm], num_envs: int) -> Array:
    """Put the values of all terms side by side, under names of their own.

    Where several terms draw the same, the name of the second ends in `#2`, and so on.

    Args:
        terms: the terms, which get their columns, values and names.
        num_envs: number of simulations N.

    Returns:
        The values of all terms, (N, V), at first 0.

    Raises:
        ConfigError: objects of the model that go by the same name.
    """
    values = np.zeros((num_envs, sum(len(term.targets) for term in terms)))
    seen: Counter[str] = Counter()
    start = 0
    for term in terms:
        term.columns = slice(start, start + len(term.targets))
        term.values = values[:, term.columns]
        start = term.columns.stop
        seen.update(term.names)
        term.names = [n if seen[n] == 1 else f"{n}#{seen[n]}" for n in term.names]
    name, count = next(iter(Counter(n for t in terms for n in t.names).most_common(1)), ("", 0))
    if count > 1:
        raise ConfigError(
            f"randomisation: {count} numbers are called {name.partition('#')[0]}, expected "
            "a name of its own for each object of the model; rename one there"
        )
    return values


def _require_objects(term: RandomisationTerm, known: list[str]) -> None:
    name = f"randomisation of {term.quantity}"
    if not known:
        raise ConfigError(
            f"{name}: this model has nothing that it belongs to; leave it out, or give it "
            "optional: true"
        )
    for pattern in term.where:
        if not any(fnmatchcase(object_name, pattern) for object_name in known):
            raise ConfigError(f"{name}: {unknown_name('object', pattern, known)}")
