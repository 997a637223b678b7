"""What sensors report: late, offset, noisy, rounded, and now and then not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import NoiseTable
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Rows = Ids | slice
Steps = NDArray[np.int64]
Columns = NDArray[np.intp] | slice

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
        self._grid = _Grid(_Drawn(randomiser, "sensor_quantum", num_envs))
        self._dropout = _Drawn(randomiser, "sensor_dropout", num_envs)
        self._delay = _Delay(_Drawn(randomiser, "sensor_latency_s", num_envs), num_envs, period_s)
        self._errors = (self._bias, self._deviation, self._grid, self._dropout, self._delay)
        self._noise = NoiseTable(random, Stream.SENSORS, num_envs, self._deviation.width)
        self._chance = NoiseTable(
            random, Stream.DROPOUT, num_envs, self._dropout.width, uniform=True
        )
        self._last = np.zeros((num_envs, self._dropout.width))

    def start(self, ids: Ids, true: Array, steps: Steps) -> Array:
        """Return the first readings of new episodes, before which nothing has moved.

        Args:
            ids: the environments.
            true: true values of those, shape (n, S).
            steps: steps since each episode's start, of all environments, (N,).
        """
        for error in self._errors:
            error.update(ids)
        self._delay.start(ids, true)
        measured = true.copy()
        self._disturb(measured, ids, steps)
        if self._dropout.width:
            self._chance.refill(ids, steps)
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
        measured = self._delay.read(true)
        self._disturb(measured, EVERYTHING, steps)
        if self._dropout.width:
            kept = self._chance.at(steps) >= self._dropout.values
            columns = self._dropout.columns
            # in place: what is lost is the reading before, and the others become it
            np.copyto(self._last, measured[:, columns], where=kept)
            measured[:, columns] = self._last
        return measured

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs beside the steps."""
        return {"last": self._last.copy(), "delay": self._delay.get_state()}

    def set_state(self, state: dict[str, Any], steps: Steps) -> None:
        """Restore what `get_state` returned; the randomiser is restored before."""
        self._last = state["last"].copy()
        for error in self._errors:
            error.update(EVERYTHING)
        self._delay.set_state(state["delay"])
        everyone = np.arange(len(steps))
        for table, drawn in ((self._noise, self._deviation), (self._chance, self._dropout)):
            if drawn.width:
                table.refill(everyone, steps)

    def _disturb(self, values: Array, rows: Rows, steps: Steps) -> None:
        """Add the errors of `rows` to their `values` (n, S), in place."""
        if self._bias.width:
            values[:, self._bias.columns] += self._bias.values[rows]
        if self._deviation.width:
            noise = self._deviation.values[rows] * self._noise.at(steps, rows)
            values[:, self._deviation.columns] += noise
        self._grid.round(values, rows)


class _Drawn:
    """What is drawn of one kind of error, for the signals that some term gives it."""

    def __init__(self, randomiser: Randomiser, name: str, num_envs: int) -> None:
        self._source = randomiser.own(name)
        self._found = randomiser.written_columns(name)
        self.width = len(self._found)
        self.changes = randomiser.changes(name)
        """Whether it may be drawn again within an episode."""
        self.columns: Columns = self._found
        if self.width and self._found[-1] - self._found[0] == self.width - 1:
            self.columns = slice(int(self._found[0]), int(self._found[-1]) + 1)
        self.values = np.zeros((num_envs, self.width))
        """The values that act, (N, width)."""

    def update(self, rows: Rows) -> None:
        """Take what has been drawn for some simulations."""
        if self._source is not None and self.width:
            self.values[rows] = self._source[rows][:, self.columns]


class _Grid:
    """Rounding to multiples of a quantum; a quantum of 0 is no rounding at all."""

    def __init__(self, quantum: _Drawn) -> None:
        self._quantum = quantum
        self.changes = quantum.changes
        self._inverse = np.zeros_like(quantum.values)

    def update(self, rows: Rows) -> None:
        """Take what has been drawn for some simulations."""
        self._quantum.update(rows)
        drawn = self._quantum.values[rows]
        inverse = np.divide(1.0, drawn, out=np.zeros_like(drawn), where=drawn > 0.0)
        self._inverse[rows] = inverse

    def round(self, values: Array, rows: Rows) -> None:
        """Round the `values` (n, S) of `rows`, in place."""
        if not self._quantum.width:
            return
        exact, inverse = values[:, self._quantum.columns], self._inverse[rows]
        rounded = np.rint(exact * inverse)
        rounded *= self._quantum.values[rows]
        values[:, self._quantum.columns] = np.where(inverse, rounded, exact)


class _Delay:
    """Values of `sensor_latency_s` ago; between two readings by interpolation."""

    def __init__(self, latency_s: _Drawn, num_envs: int, period_s: float) -> None:
        self._latency_s, self._period_s = latency_s, period_s
        self.changes = latency_s.changes
        self._depth = int(np.ceil(MAXIMUM_LATENCY_S / period_s)) + 2
        # every reading stands here twice, `depth` apart, so that looking back never wraps round
        self._past = np.zeros((2 * self._depth, num_envs, latency_s.width))
        self._head = 0
        self._size = num_envs * latency_s.width
        self._place = np.arange(self._size).reshape(num_envs, latency_s.width)
        # where the newer of the two readings stands, with the head at 0, and the share of the older
        self._newer = self._place + self._depth * self._size
        self._share = np.zeros((num_envs, latency_s.width))

    def update(self, rows: Rows) -> None:
        """Take what has been drawn for some simulations."""
        if not self._latency_s.width:
            return
        self._latency_s.update(rows)
        age = self._latency_s.values[rows] / self._period_s
        whole = age.astype(np.intp)
        self._newer[rows] = self._place[rows] + (self._depth - whole) * self._size
        self._share[rows] = age - whole

    def start(self, ids: Ids, true: Array) -> None:
        """Fill the past of `ids` with their first values (n, S)."""
        if self._latency_s.width:
            self._past[:, ids] = true[:, self._latency_s.columns]

    def read(self, true: Array) -> Array:
        """Return a new array of late values for the present ones, both (N, S)."""
        late = true.copy()
        if not self._latency_s.width:
            return late
        columns = self._latency_s.columns
        self._head = (self._head + 1) % self._depth
        self._past[self._head] = self._past[self._head + self._depth] = true[:, columns]
        newer = self._newer + self._head * self._size
        recent = self._past.take(newer)
        newer -= self._size
        older = self._past.take(newer)
        older -= recent
        older *= self._share
        older += recent
        late[:, columns] = older
        return late

    def get_state(self) -> dict[str, Any]:
        return {"past": self._past.copy(), "head": self._head}

    def set_state(self, state: dict[str, Any]) -> None:
        self._past[:] = state["past"]
        self._head = int(state["head"])
