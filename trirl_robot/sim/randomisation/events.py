"""Dynamics that change within an episode: pushes, gusts, a payload that is picked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.sampler import Sampler

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]
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
        self._parts = np.cumsum([0, *(len(part) for part in columns)])
        self._neutral = np.array([t.neutral for t in terms for _ in t.targets], dtype=np.float64)
        ranges = np.array([t.config.interval_s or (0.0, 0.0) for t in terms]).reshape(-1, 2)
        self._shortest, self._spread = ranges[:, 0] / period_s, np.ptp(ranges, axis=1) / period_s
        self._duration = np.array([_steps(t.config.duration_s, period_s) for t in terms], np.int64)
        shape = (len(values), len(terms))
        self._next = np.full(shape, NEVER)
        self._end = np.full(shape, NEVER)
        self._count = np.zeros(shape, dtype=np.int64)
        # what the present chunk's events are, and how long it is from each to the next
        self._ahead = np.zeros((len(values), CHUNK, len(self._columns)))
        self._gaps = np.zeros((*shape, CHUNK), dtype=np.int64)
        self._changed = np.zeros(len(values), dtype=np.bool_)
        self._used_up = np.zeros(shape, dtype=np.bool_)

    def start(self, ids: Ids) -> None:
        """Plan the first events of the episodes that begin in `ids`; until then nothing acts."""
        if not self._terms:
            return
        self._values[ids[:, None], self._columns] = self._neutral
        self._end[ids] = NEVER
        self._count[ids] = 0
        uniform = self._random.uniform(ids, Stream.INTERVAL, len(self._terms))
        self._next[ids] = self._gap(slice(None), uniform)
        for row in range(len(self._terms)):
            self._look_ahead(row, ids)

    def advance(self, steps: Steps) -> Ids:
        """Draw what is due, `steps` into each episode; return where something changed."""
        if not self._terms:
            return np.empty(0, dtype=np.intp)
        used_up = _advance(
            steps,
            *(self._next, self._end, self._count),
            *(self._gaps, self._ahead, self._duration),
            *(self._neutral, self._parts, self._columns),
            *(self._values, self._changed, self._used_up),
        )
        if used_up:
            for row in np.flatnonzero(self._used_up.any(axis=0)):
                self._look_ahead(int(row), np.flatnonzero(self._used_up[:, row]))
        return np.flatnonzero(self._changed)

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
        for row in range(len(self._terms)):
            self._look_ahead(row, np.arange(len(self._count)))

    def _look_ahead(self, row: int, envs: Ids) -> None:
        """Draw the chunk of events to which a term's next one belongs."""
        uniform = self._uniform(row, envs, self._count[envs, row])
        self._gaps[envs, row] = self._gap(row, uniform[:, :, 0])
        drawn = self._samplers[row](uniform[:, :, 1:].reshape(len(envs) * CHUNK, -1))
        part = slice(self._parts[row], self._parts[row + 1])
        self._ahead[envs, :, part] = drawn.reshape(len(envs), CHUNK, -1)

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


def _steps(duration_s: float | None, period_s: float) -> int:
    return NEVER if duration_s is None else max(1, round(duration_s / period_s))


@compiled
def _advance(
    steps: Steps,
    upcoming: Steps,
    end: Steps,
    count: Steps,
    gaps: Steps,
    ahead: Array,
    duration: Steps,
    neutral: Array,
    parts: Ids,
    columns: Ids,
    values: Array,
    changed: Mask,
    used_up: Mask,
) -> bool:
    """Go on to the events that are due; return whether a chunk of them is used up.

    Arrays are named as the members of `Events`; `changed` (N,) and `used_up` (N, T) are written.
    """
    any_used_up = False
    for i in range(steps.shape[0]):
        changed[i] = False
        for t in range(duration.shape[0]):
            used_up[i, t] = False
            over, due = end[i, t] <= steps[i], upcoming[i, t] <= steps[i]
            if over:
                end[i, t] = NEVER
                for j in range(parts[t], parts[t + 1]):
                    values[i, columns[j]] = neutral[j]
            if due:
                place = count[i, t] % CHUNK
                for j in range(parts[t], parts[t + 1]):
                    values[i, columns[j]] = ahead[i, place, j]
                upcoming[i, t] = steps[i] + gaps[i, t, place]
                if duration[t] != NEVER:
                    end[i, t] = steps[i] + duration[t]
                count[i, t] += 1
                if place == CHUNK - 1:
                    used_up[i, t] = any_used_up = True
            if over or due:
                changed[i] = True
    return any_used_up
