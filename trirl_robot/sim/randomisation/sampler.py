"""Values of several terms from uniform numbers, all in a few array operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.distributions import normal_shares, standard_normal

Array = NDArray[np.float64]
Columns = NDArray[np.intp]


class Sampler:
    """The values of some terms; V of them, of D uniform numbers."""

    def __init__(self, terms: Sequence[BoundTerm]) -> None:
        self.draws = sum(term.draws for term in terms)
        """Uniform numbers that one draw takes, D."""
        self.columns = _concatenated([np.arange(t.columns.start, t.columns.stop) for t in terms])
        """Where the values stand among those of all terms, (V,)."""
        sources, used = [], 0
        for term in terms:
            count = len(term.targets)
            own = np.zeros(count, np.intp) if term.config.shared else np.arange(count)
            sources.append(used + own)
            used += term.draws
        self._source = _concatenated(sources)
        starts = np.cumsum([0, *(len(term.targets) for term in terms)])
        spans = [slice(a, b) for a, b in pairwise(starts)]
        spanned = list(zip(terms, spans, strict=True))
        self._straight = _Ranges([p for p in spanned if _kind(p[0]) in ("uniform", "constant")])
        self._logarithmic = _Ranges([p for p in spanned if _kind(p[0]) == "log_uniform"])
        self._normal = _Normals([p for p in spanned if _kind(p[0]).endswith("normal")])
        self._choices = [p for p in spanned if _kind(p[0]) == "choice"]

    def __call__(self, uniform: Array) -> Array:
        """Return the values for uniform numbers from [0, 1), (n, D) to (n, V)."""
        values = uniform.take(self._source, axis=1)
        self._straight.apply(values)
        self._logarithmic.apply(values)
        self._normal.apply(values)
        for term, span in self._choices:
            values[:, span] = term.config.quantile(values[:, span])
        return values


class _Ranges:
    """Columns that are spread evenly, or evenly in their logarithm, over a range each."""

    def __init__(self, terms: Sequence[tuple[BoundTerm, slice]]) -> None:
        self._columns = _concatenated([np.arange(s.start, s.stop) for _, s in terms])
        self._least = _spread(terms, lambda term: term.config.support[0])
        self._greatest = _spread(terms, lambda term: term.config.support[1])
        self._logarithmic = any(_kind(term) == "log_uniform" for term, _ in terms)
        low, high = self._least, self._greatest
        if self._logarithmic:
            low, high = np.log(low), np.log(high)
        self._low, self._width = low, high - low

    def apply(self, values: Array) -> None:
        """Turn uniform numbers in these columns of `values` into values, in place."""
        if not len(self._columns):
            return
        drawn = values.take(self._columns, axis=1)
        drawn *= self._width
        drawn += self._low
        if self._logarithmic:
            np.exp(drawn, out=drawn)
            np.maximum(drawn, self._least, out=drawn)
        # rounding must not pass the limits
        np.minimum(drawn, self._greatest, out=drawn)
        values[:, self._columns] = drawn


class _Normals:
    """Columns with normal distributions, whole or cut."""

    def __init__(self, terms: Sequence[tuple[BoundTerm, slice]]) -> None:
        self._columns = _concatenated([np.arange(s.start, s.stop) for _, s in terms])
        self._mean = _spread(terms, lambda term: term.config.mean or 0.0)
        self._std = _spread(terms, lambda term: term.config.std or 0.0)
        self._least = _spread(terms, lambda term: term.config.support[0])
        self._greatest = _spread(terms, lambda term: term.config.support[1])
        self._below = _spread(terms, lambda term: normal_shares(term.config.parameters)[0])
        self._share = _spread(terms, lambda term: np.diff(normal_shares(term.config.parameters))[0])

    def apply(self, values: Array) -> None:
        """Turn uniform numbers in these columns of `values` into values, in place."""
        if not len(self._columns):
            return
        drawn = self._below + self._share * values.take(self._columns, axis=1)
        drawn = self._mean + self._std * standard_normal(drawn)
        values[:, self._columns] = np.minimum(np.maximum(drawn, self._least), self._greatest)


def _kind(term: BoundTerm) -> str:
    return term.config.distribution


def _spread(
    terms: Sequence[tuple[BoundTerm, slice]], number: Callable[[BoundTerm], float]
) -> Array:
    """Return a number of each term, as often as the term has values."""
    lengths = [span.stop - span.start for _, span in terms]
    return np.repeat(np.array([number(term) for term, _ in terms], dtype=np.float64), lengths)


def _concatenated(parts: Sequence[NDArray[np.intp]]) -> Columns:
    return np.concatenate([np.empty(0, np.intp), *parts])
