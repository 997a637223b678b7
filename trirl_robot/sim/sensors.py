"""What sensors report: late, offset, noisy, rounded, and now and then not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import StepDraws
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Rows = Ids | slice
Steps = NDArray[np.int64]

EVERYTHING = slice(None)

ERRORS = ("sensor_latency_s", "sensor_bias", "sensor_noise", "sensor_quantum", "sensor_dropout")
"""Kinds of error, in the order in which they act."""


class Sensors:
    """Measurements of S signals in N simulations, with the errors that are drawn for each.

    An error costs only as much as the signals that some term gives it.
    """

    def __init__(
        self,
        randomiser: Randomiser,
        random: EpisodeRandom,
        shape: tuple[int, int],
        period_s: float,
    ) -> None:
        """Prepare what the randomisation draws, and nothing else.

        Args:
            randomiser: holder of the drawn sensor errors.
            random: source of the noise.
            shape: number of simulations N and of signals S.
            period_s: time between two readings [s].
        """
        num_envs, _ = shape
        self._errors = _Errors(randomiser, num_envs, period_s)
        late, _, noisy, _, lost = self._errors.widths
        self._draws = StepDraws(random, Stream.SENSORS, num_envs, normal=noisy, uniform=lost)
        self._last = np.zeros((num_envs, lost))
        depth = int(np.ceil(MAXIMUM_LATENCY_S / period_s)) + 2
        self._past = np.zeros((depth, num_envs, late))
        self._head = 0

    def start(self, ids: Ids, true: Array, steps: Steps) -> Array:
        """Return the first readings of new episodes, before which nothing has moved.

        Args:
            ids: the environments.
            true: true values of those, shape (n, S).
            steps: steps since each episode's start, of all environments, (N,).
        """
        errors = self._errors
        errors.update(ids)
        self._past[:, ids] = true[:, errors.columns_of("sensor_latency_s")]
        self._draws.begin(ids)
        normal, _ = self._draws.draw_for(ids, steps)
        measured = true.copy()
        _start(measured, ids, errors.columns, errors.parts, errors.values, normal)
        self._last[ids] = measured[:, errors.columns_of("sensor_dropout")]
        return measured

    def read(self, true: Array, steps: Steps) -> Array:
        """Return what all sensors report, (N, S).

        Args:
            true: true values, shape (N, S).
            steps: steps since each episode's start, (N,).
        """
        errors = self._errors
        if errors.change:
            errors.update(EVERYTHING)
        self._head = (self._head + 1) % len(self._past)
        measured = np.empty(true.shape)
        drawn = (errors.columns, errors.parts, errors.values, *self._draws.draw(steps))
        _read(true, measured, self._past, self._head, *drawn, self._last)
        return measured

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs beside the random numbers."""
        return {"last": self._last.copy(), "past": self._past.copy(), "head": self._head}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned; randomiser and random numbers are restored before."""
        self._errors.update(EVERYTHING)
        self._last[:], self._past[:] = state["last"], state["past"]
        self._head = int(state["head"])
        self._draws.begin(np.arange(len(self._last)))


class _Errors:
    """What is drawn of each kind of error, for the signals that some term gives it, side by side.

    In all, W signals have an error; one that has several counts as often.
    """

    def __init__(self, randomiser: Randomiser, num_envs: int, period_s: float) -> None:
        self._sources = [randomiser.own(name) for name in ERRORS]
        columns = [randomiser.written_columns(name) for name in ERRORS]
        self.columns = np.concatenate(columns)
        """The signals, (W,)."""
        self.widths = tuple(len(part) for part in columns)
        """How many signals have each kind of error."""
        self.parts = np.cumsum([0, *self.widths])
        """Where each kind of error begins among all, and the end, (kinds + 1,)."""
        self.change = any(randomiser.changes(name) for name in ERRORS)
        """Whether any may be drawn again within an episode."""
        self.values = np.zeros((num_envs, len(self.columns)))
        """The values that act, (N, W); those of latency in periods."""
        self._units = (period_s, 1.0, 1.0, 1.0, 1.0)

    def columns_of(self, name: str) -> Ids:
        """Return the signals that have one kind of error, in order."""
        kind = ERRORS.index(name)
        return self.columns[self.parts[kind] : self.parts[kind + 1]]

    def update(self, rows: Rows) -> None:
        """Take what has been drawn for some simulations."""
        for kind, source in enumerate(self._sources):
            part = slice(self.parts[kind], self.parts[kind + 1])
            if source is not None and self.widths[kind]:
                self.values[rows, part] = source[rows][:, self.columns[part]] / self._units[kind]


@compiled
def _read(
    true: Array,
    measured: Array,
    past: Array,
    head: int,
    columns: Ids,
    parts: Ids,
    values: Array,
    normal: Array,
    chance: Array,
    last: Array,
) -> None:
    """Write what sensors report of `true` (N, S) into `measured` (N, S).

    `past` is (readings, N, late signals), with the present one at `head`, `last` (N, signals that
    may be lost); `normal` and `chance` are the step's draws, (signals, N) each. The rest is named
    as in `_Errors`.
    """
    for i in range(true.shape[0]):
        measured[i] = true[i]
        for j in range(parts[0], parts[1]):
            measured[i, columns[j]] = _late(past, head, i, j, values[i, j], true[i, columns[j]])
        _disturb(measured, i, columns, parts, values[i], normal[:, i])
        for j in range(parts[4], parts[5]):
            place = j - parts[4]
            if chance[place, i] < values[i, j]:
                measured[i, columns[j]] = last[i, place]
            else:
                last[i, place] = measured[i, columns[j]]


@compiled
def _start(
    measured: Array, ids: Ids, columns: Ids, parts: Ids, values: Array, normal: Array
) -> None:
    """Add the errors of simulations `ids` to `measured` (n, S); `normal` is (signals, n)."""
    for row, i in enumerate(ids):
        _disturb(measured, row, columns, parts, values[i], normal[:, row])


@compiled
def _late(past: Array, head: int, i: int, j: int, age: float, present: float) -> float:
    """Keep the present value; return that of `age` readings ago, between two by interpolation."""
    past[head, i, j] = present
    whole = int(age)
    # a remainder takes ten times as long as a comparison
    recent = head - whole if head >= whole else head - whole + past.shape[0]
    older = recent - 1 if recent >= 1 else past.shape[0] - 1
    value = past[recent, i, j]
    return float(value + (age - whole) * (past[older, i, j] - value))


@compiled
def _disturb(
    measured: Array, row: int, columns: Ids, parts: Ids, values: Array, normal: Array
) -> None:
    """Add bias and noise to a row of `measured`, and round it; `values` are its errors, (W,)."""
    for j in range(parts[1], parts[2]):
        measured[row, columns[j]] += values[j]
    for j in range(parts[2], parts[3]):
        measured[row, columns[j]] += values[j] * normal[j - parts[2]]
    for j in range(parts[3], parts[4]):
        # a quantum of 0 is no rounding at all
        if values[j] > 0.0:
            inverse = 1.0 / values[j]
            measured[row, columns[j]] = np.rint(measured[row, columns[j]] * inverse) * values[j]
