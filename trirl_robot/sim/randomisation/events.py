"""Dynamics that change within an episode: pushes, gusts, a payload that is picked up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.bound_term import BoundTerm

Ids = NDArray[np.intp]
Steps = NDArray[np.int64]

NEVER = int(np.iinfo(np.int64).max)


class Events:
    """When each term is drawn again, and until when its values act."""

    def __init__(
        self, terms: list[BoundTerm], num_envs: int, random: EpisodeRandom, period_s: float
    ) -> None:
        self._terms = terms
        self._random = random
        self._period_s = period_s
        shape = (len(terms), num_envs)
        self._next = np.full(shape, NEVER)
        self._end = np.full(shape, NEVER)
        self._count = np.zeros(shape, dtype=np.int64)

    def start(self, ids: Ids) -> None:
        """Plan the first events of the episodes that begin in `ids`."""
        for row, term in enumerate(self._terms):
            term.cease(ids)
            self._end[row, ids] = NEVER
            self._count[row, ids] = 0
            for env in ids:
                generator = self._generator(row, int(env))
                self._next[row, env] = self._gap(term, generator)

    def advance(self, steps: Steps) -> Ids:
        """Draw what is due; return the simulations in which something changed."""
        if not self._terms:
            return np.empty(0, dtype=np.intp)
        changed = (self._next <= steps) | (self._end <= steps)
        for row in np.flatnonzero(changed.any(axis=1)):
            term = self._terms[row]
            ended = np.flatnonzero(self._end[row] <= steps)
            term.cease(ended)
            self._end[row, ended] = NEVER
            for env in np.flatnonzero(self._next[row] <= steps):
                self._draw(int(row), int(env), int(steps[env]))
        return np.flatnonzero(changed.any(axis=0))

    def get_state(self) -> dict[str, Any]:
        """Return a copy of the plan."""
        return {"next": self._next.copy(), "end": self._end.copy(), "count": self._count.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._next[:], self._end[:], self._count[:] = state["next"], state["end"], state["count"]

    def _draw(self, row: int, env: int, step: int) -> None:
        term = self._terms[row]
        self._count[row, env] += 1
        generator = self._generator(row, env)
        gap = self._gap(term, generator)
        term.draw(np.array([env]), generator.random((1, term.draws)))
        self._next[row, env] = step + gap
        duration_s = term.config.duration_s
        if duration_s is not None:
            self._end[row, env] = step + max(1, round(duration_s / self._period_s))

    def _gap(self, term: BoundTerm, generator: np.random.Generator) -> int:
        assert term.config.interval_s is not None
        return max(1, round(generator.uniform(*term.config.interval_s) / self._period_s))

    def _generator(self, row: int, env: int) -> np.random.Generator:
        # blocks of one term's events lie apart from those of the next term
        block = (row << 32) + int(self._count[row, env])
        return self._random.generator(env, Stream.INTERVAL, block)
