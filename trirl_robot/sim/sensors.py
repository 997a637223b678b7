"""What sensors report: late, offset, noisy, rounded, and now and then not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import BLOCK, Draws, NoiseTable, due
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Rows = Ids | slice
Steps = NDArray[np.int64]

EVERYTHING = slice(None)


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
        self._bias = _Drawn(randomiser, "sensor_bias", num_envs)
        self._deviation = _Drawn(randomiser, "sensor_noise", num_envs)
        self._quantum = _Drawn(randomiser, "sensor_quantum", num_envs)
        self._dropout = _Drawn(randomiser, "sensor_dropout", num_envs)
        self._latency_s = _Drawn(randomiser, "sensor_latency_s", num_envs)
        self._errors = (
            self._bias,
            self._deviation,
            self._quantum,
            self._dropout,
            self._latency_s,
        )
        self._noise = NoiseTable(random, Stream.SENSORS, num_envs, self._deviation.width)
        self._chance = NoiseTable(
            random, Stream.DROPOUT, num_envs, self._dropout.width, uniform=True
        )
        self._last = np.zeros((num_envs, self._dropout.width))
        self._period_s = period_s
        depth = int(np.ceil(MAXIMUM_LATENCY_S / period_s)) + 2
        self._past = np.zeros((depth, num_envs, self._latency_s.width))
        self._head = 0

    def start(self, ids: Ids, true: Array, steps: Steps) -> Array:
        """Return the first readings of new episodes, before which nothing has moved.

        Args:
            ids: the environments.
            true: true values of those, shape (n, S).
            steps: steps since each episode's start, of all environments, (N,).
        """
        for error in self._errors:
            error.update(ids)
        self._past[:, ids] = true[:, self._latency_s.columns]
        self._draw(ids, steps)
        measured = true.copy()
        self._disturb(measured, ids, steps)
        self._last[ids] = measured[:, self._dropout.columns]
        return measured

    def read(self, true: Array, steps: Steps) -> Array:
        """Return what all sensors report, (N, S).

        Args:
            true: true values, shape (N, S).
            steps: steps since each episode's start, (N,).
        """
        for error in self._errors:
            if error.changes:
                error.update(EVERYTHING)
        self._draw(due(steps), steps)
        self._head = (self._head + 1) % len(self._past)
        measured = np.empty(true.shape)
        late, lost = self._latency_s, self._dropout
        age = (late.columns, late.values, self._period_s)
        _delay(true, measured, self._past, self._head, *age)
        self._disturb(measured, np.arange(len(true)), steps)
        _lose(measured, self._last, lost.columns, lost.values, self._chance.draws, steps)
        return measured

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs beside the steps."""
        return {"last": self._last.copy(), "past": self._past.copy(), "head": self._head}

    def set_state(self, state: dict[str, Any], steps: Steps) -> None:
        """Restore what `get_state` returned; the randomiser is restored before."""
        for error in self._errors:
            error.update(EVERYTHING)
        self._last[:], self._past[:] = state["last"], state["past"]
        self._head = int(state["head"])
        self._draw(np.arange(len(steps)), steps)

    def _draw(self, ids: Ids, steps: Steps) -> None:
        for table in (self._noise, self._chance):
            table.refill(ids, steps)

    def _disturb(self, values: Array, ids: Ids, steps: Steps) -> None:
        """Add the errors of `ids` to their `values` (n, S), in place."""
        bias, deviation, quantum = self._bias, self._deviation, self._quantum
        _disturb(
            values,
            ids,
            steps,
            bias.columns,
            bias.values,
            deviation.columns,
            deviation.values,
            self._noise.draws,
            quantum.columns,
            quantum.values,
        )


class _Drawn:
    """What is drawn of one kind of error, for the signals that some term gives it."""

    def __init__(self, randomiser: Randomiser, name: str, num_envs: int) -> None:
        self._source = randomiser.own(name)
        self.columns = randomiser.written_columns(name)
        """The signals."""
        self.width = len(self.columns)
        self.changes = randomiser.changes(name)
        """Whether it may be drawn again within an episode."""
        self.values = np.zeros((num_envs, self.width))
        """The values that act, (N, width)."""

    def update(self, rows: Rows) -> None:
        """Take what has been drawn for some simulations."""
        if self._source is not None and self.width:
            self.values[rows] = self._source[rows][:, self.columns]


@compiled
def _delay(
    true: Array,
    late: Array,
    past: Array,
    head: int,
    columns: Ids,
    latency_s: Array,
    period_s: float,
) -> None:
    """Write values of `latency_s` ago into `late` (N, S), between two readings by interpolation.

    `past` is (readings, N, columns), with the present one at `head`.
    """
    depth = past.shape[0]
    for i in range(true.shape[0]):
        late[i] = true[i]
        for j, column in enumerate(columns):
            past[head, i, j] = true[i, column]
            age = latency_s[i, j] / period_s
            whole = int(age)
            recent = past[(head - whole) % depth, i, j]
            older = past[(head - whole - 1) % depth, i, j]
            late[i, column] = recent + (age - whole) * (older - recent)


@compiled
def _disturb(
    values: Array,
    ids: Ids,
    steps: Steps,
    biased: Ids,
    bias: Array,
    noisy: Ids,
    deviation: Array,
    noise: Draws,
    rounded: Ids,
    quantum: Array,
) -> None:
    """Add the errors of simulations `ids` to their `values` (n, S), in place.

    `biased`, `noisy` and `rounded` are columns of `values`, to which bias, deviation and quantum
    belong, (N, columns) each; `noise` are standard normal draws, (N, BLOCK, columns).
    """
    for row, i in enumerate(ids):
        for j, column in enumerate(biased):
            values[row, column] += bias[i, j]
        place = steps[i] % BLOCK
        for j, column in enumerate(noisy):
            values[row, column] += deviation[i, j] * noise[i, place, j]
        for j, column in enumerate(rounded):
            # a quantum of 0 is no rounding at all
            if quantum[i, j] > 0.0:
                inverse = 1.0 / quantum[i, j]
                values[row, column] = np.rint(values[row, column] * inverse) * quantum[i, j]


@compiled
def _lose(
    values: Array,
    last: Array,
    columns: Ids,
    dropout: Array,
    chance: Draws,
    steps: Steps,
) -> None:
    """Put the reading before in the place of what is lost of `values` (N, S)."""
    for i in range(values.shape[0]):
        place = steps[i] % BLOCK
        for j, column in enumerate(columns):
            if chance[i, place, j] < dropout[i, j]:
                values[i, column] = last[i, j]
            else:
                last[i, j] = values[i, column]
