"""Dynamics that change within an episode: pushes, gusts, a payload that is picked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.sampler import Sampler

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Steps = NDArray[np.int64]

NEVER = int(np.iinfo(np.int64).max)

CHUNK = 16
"""Events of a term that are drawn ahead at a time: most of a draw's time is to find its place."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Values that are drawn within an episode."""

    step: int
    """Control step before which they begin to act."""
    drawn: dict[str, float]
    """The values, by `quantity/object`."""


class Events:
    """When each term is drawn again, and until when its values act; T terms, N simulations."""

    def __init__(
        self, terms: Sequence[BoundTerm], values: Array, random: EpisodeRandom, period_s: float
    ) -> None:
        """Plan nothing yet.

        Args:
            terms: the terms that are drawn within an episode.
            values: values of all terms, (N, V), of which theirs are written.
            random: source of every draw.
            period_s: control period [s].
        """
        self._terms = terms
        self._values = values
        self._random = random
        self._samplers = [Sampler([term]) for term in terms]
        columns = [np.arange(t.columns.start, t.columns.stop) for t in terms]
        self._columns = np.concatenate([np.empty(0, np.intp), *columns])
        self._neutral = np.array([t.neutral for t in terms for _ in t.targets])
        ranges = np.array([t.config.interval_s or (0.0, 0.0) for t in terms]).reshape(-1, 2)
        self._shortest, self._spread = ranges[:, 0] / period_s, np.ptp(ranges, axis=1) / period_s
        self._duration = [_steps(t.config.duration_s, period_s) for t in terms]
        shape = (len(terms), len(values))
        self._next = np.full(shape, NEVER)
        self._end = np.full(shape, NEVER)
        self._count = np.zeros(shape, dtype=np.int64)
        self._ahead = [np.zeros((len(values), CHUNK, 1 + s.draws)) for s in self._samplers]

    def start(self, ids: Ids) -> None:
        """Plan the first events of the episodes that begin in `ids`; until then nothing acts."""
        if not self._terms:
            return
        self._values[ids[:, None], self._columns] = self._neutral
        self._end[:, ids] = NEVER
        self._count[:, ids] = 0
        uniform = self._random.uniform(ids, Stream.INTERVAL, len(self._terms))
        self._next[:, ids] = self._gap(slice(None), uniform).T

    def advance(self, steps: Steps) -> Ids:
        """Draw what is due, `steps` into each episode; return where something changed."""
        due, over = self._next <= steps, self._end <= steps
        if not (due.any() or over.any()):
            return np.empty(0, dtype=np.intp)
        changed = due | over
        for row in np.flatnonzero(changed.any(axis=1)):
            term, ended = self._terms[int(row)], np.flatnonzero(over[row])
            self._values[ended, term.columns] = term.neutral
            self._end[row, ended] = NEVER
            self._draw(int(row), np.flatnonzero(due[row]), steps)
        return np.flatnonzero(changed.any(axis=0))

    def history(self, env: int, steps: int) -> Iterator[tuple[int, BoundTerm, Array]]:
        """Yield every event of an environment's present episode, term by term.

        Args:
            env: the environment.
            steps: steps since the episode's start up to which events are wanted.

        Yields:
            The step, the term, and its values, (values of the term,).
        """
        ids = np.array([env])
        uniform = self._random.uniform(ids, Stream.INTERVAL, len(self._terms))
        for row, first in enumerate(self._gap(slice(None), uniform)[0]):
            step, count = int(first), 0
            while step < steps:
                uniform = self._uniform(row, ids, np.array([count]))[:, count % CHUNK]
                yield step, self._terms[row], self._samplers[row](uniform[:, 1:])[0]
                step += int(self._gap(row, uniform[:, 0])[0])
                count += 1

    def get_state(self) -> dict[str, Any]:
        """Return a copy of the plan."""
        return {"next": self._next.copy(), "end": self._end.copy(), "count": self._count.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned; the random numbers are restored before."""
        self._next[:], self._end[:], self._count[:] = state["next"], state["end"], state["count"]
        for row, count in enumerate(self._count):
            under_way = np.flatnonzero(count % CHUNK)
            self._ahead[row][under_way] = self._uniform(row, under_way, count[under_way])

    def _draw(self, row: int, envs: Ids, steps: Steps) -> None:
        if not len(envs):
            return
        count, ahead = self._count[row], self._ahead[row]
        place = count[envs] % CHUNK
        used_up = envs[place == 0]
        ahead[used_up] = self._uniform(row, used_up, count[used_up])
        uniform = ahead[envs, place]
        count[envs] += 1
        self._values[envs, self._terms[row].columns] = self._samplers[row](uniform[:, 1:])
        self._next[row, envs] = steps[envs] + self._gap(row, uniform[:, 0])
        duration = self._duration[row]
        if duration is not None:
            self._end[row, envs] = steps[envs] + duration

    def _uniform(self, row: int, envs: Ids, count: Steps) -> Array:
        """Return what the chunks of the `count`-th events are drawn from, (n, CHUNK, 1 + draws)."""
        width = 1 + self._samplers[row].draws
        # blocks of one term's events lie apart from those of the next, and from the first gaps
        block = ((row + 1) << 32) + count // CHUNK
        uniform = self._random.uniform(envs, Stream.INTERVAL, CHUNK * width, block)
        return uniform.reshape(len(envs), CHUNK, width)

    def _gap(self, rows: int | slice, uniform: Array) -> Steps:
        gap = self._shortest[rows] + self._spread[rows] * uniform
        return np.asarray(np.maximum(1, np.rint(gap)), dtype=np.int64)


def _steps(duration_s: float | None, period_s: float) -> int | None:
    return None if duration_s is None else max(1, round(duration_s / period_s))
