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
        self._bias = _Drawn(randomiser, "sensor_bias")
        self._deviation = _Drawn(randomiser, "sensor_noise")
        self._quantum = _Drawn(randomiser, "sensor_quantum")
        self._dropout = _Drawn(randomiser, "sensor_dropout")
        self._delay = _Delay(_Drawn(randomiser, "sensor_latency_s"), shape[0], period_s)
        self._noise = NoiseTable(random, Stream.SENSORS, shape[0], self._deviation.width)
        self._chance = NoiseTable(
            random, Stream.DROPOUT, shape[0], self._dropout.width, uniform=True
        )
        self._last = np.zeros((shape[0], self._dropout.width))

    def start(self, ids: Ids, true: Array, steps: Steps) -> Array:
        """Return the first readings of new episodes, before which nothing has moved.

        Args:
            ids: the environments.
            true: true values of those, shape (n, S).
            steps: steps since each episode's start, of all environments, (N,).
        """
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
        measured = self._delay.read(true)
        self._disturb(measured, EVERYTHING, steps)
        if self._dropout.width:
            lost = self._chance.at(steps) < self._dropout.at(EVERYTHING)
            columns = self._dropout.columns
            self._last = np.where(lost, self._last, measured[:, columns])
            measured[:, columns] = self._last
        return measured

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs beside the steps."""
        return {"last": self._last.copy(), "delay": self._delay.get_state()}

    def set_state(self, state: dict[str, Any], steps: Steps) -> None:
        """Restore what `get_state` returned, `steps` into each episode."""
        self._last = state["last"].copy()
        self._delay.set_state(state["delay"])
        everyone = np.arange(len(steps))
        for table, drawn in ((self._noise, self._deviation), (self._chance, self._dropout)):
            if drawn.width:
                table.refill(everyone, steps)

    def _disturb(self, values: Array, rows: Rows, steps: Steps) -> None:
        """Add the errors of `rows` to their `values` (n, S), in place."""
        if self._bias.width:
            values[:, self._bias.columns] += self._bias.at(rows)
        if self._deviation.width:
            noise = self._deviation.at(rows) * self._noise.at(steps, rows)
            values[:, self._deviation.columns] += noise
        if self._quantum.width:
            quantum = self._quantum.at(rows)
            exact = values[:, self._quantum.columns]
            count = np.divide(exact, quantum, out=np.zeros_like(exact), where=quantum > 0.0)
            # a quantum of 0 is no rounding at all
            rounded = np.where(quantum > 0.0, np.rint(count) * quantum, exact)
            values[:, self._quantum.columns] = rounded


class _Drawn:
    """What is drawn of one kind of error, for the signals that some term gives it."""

    def __init__(self, randomiser: Randomiser, name: str) -> None:
        self._values = randomiser.own(name)
        found = randomiser.written_columns(name)
        self.width = len(found)
        self.columns: Columns = found
        if self.width and found[-1] - found[0] == self.width - 1:
            self.columns = slice(int(found[0]), int(found[-1]) + 1)

    def at(self, rows: Rows) -> Array:
        """Return the values of some simulations, (n, width)."""
        assert self._values is not None
        return np.asarray(self._values[rows][:, self.columns])


class _Delay:
    """Values of `sensor_latency_s` ago; between two readings by interpolation."""

    def __init__(self, latency_s: _Drawn, num_envs: int, period_s: float) -> None:
        self._latency_s, self._period_s = latency_s, period_s
        self._depth = int(np.ceil(MAXIMUM_LATENCY_S / period_s)) + 2
        # every reading stands here twice, `depth` apart, so that looking back never wraps round
        self._past = np.zeros((2 * self._depth, num_envs, latency_s.width))
        self._head = 0
        self._size = num_envs * latency_s.width
        self._place = np.arange(self._size).reshape(num_envs, latency_s.width)

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
        age = self._latency_s.at(EVERYTHING) / self._period_s
        whole = age.astype(np.intp)
        age -= whole
        newer = (self._head + self._depth - whole) * self._size + self._place
        recent = self._past.take(newer)
        newer -= self._size
        late[:, columns] = recent + age * (self._past.take(newer) - recent)
        return late

    def get_state(self) -> dict[str, Any]:
        return {"past": self._past.copy(), "head": self._head}

    def set_state(self, state: dict[str, Any]) -> None:
        self._past[:] = state["past"]
        self._head = int(state["head"])
