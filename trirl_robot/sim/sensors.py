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
Steps = NDArray[np.int64]


class Sensors:
    """Measurements of S signals in N simulations, with the errors that are drawn for each."""

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
        num_envs, count = shape
        self._bias = randomiser.own("sensor_bias")
        self._deviation = randomiser.own("sensor_noise")
        self._quantum = randomiser.own("sensor_quantum")
        self._dropout = randomiser.own("sensor_dropout")
        self._latency_s = randomiser.own("sensor_latency_s")
        self._period_s = period_s
        self._tables: list[NoiseTable] = []
        if self._deviation is not None:
            self._noise = NoiseTable(random, Stream.SENSORS, num_envs, count)
            self._tables.append(self._noise)
        if self._dropout is not None:
            self._chance = NoiseTable(random, Stream.DROPOUT, num_envs, count, uniform=True)
            self._tables.append(self._chance)
        self._last = np.zeros(shape)
        depth = int(np.ceil(MAXIMUM_LATENCY_S / period_s)) + 2
        self._past = np.zeros((depth if self._latency_s is not None else 0, *shape))
        self._head = 0
        self._rows, self._columns = np.arange(num_envs)[:, None], np.arange(count)

    def start(self, ids: Ids, true: Array, steps: Steps) -> Array:
        """Return the first readings of new episodes, before which nothing has moved.

        Args:
            ids: the environments.
            true: true values of those, shape (n, S).
            steps: steps since each episode's start, of all environments, (N,).
        """
        for table in self._tables:
            table.refill(ids, steps)
        self._past[:, ids] = true
        measured = self._disturbed(true, ids, steps)
        self._last[ids] = measured
        return measured

    def read(self, true: Array, steps: Steps) -> Array:
        """Return what all sensors report, (N, S).

        Args:
            true: true values, shape (N, S).
            steps: steps since each episode's start, (N,).
        """
        measured = self._disturbed(self._delayed(true), slice(None), steps)
        if self._dropout is not None:
            measured = np.where(self._chance.at(steps) < self._dropout, self._last, measured)
            self._last = measured
        return measured

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs beside the steps."""
        return {"last": self._last.copy(), "past": self._past.copy(), "head": self._head}

    def set_state(self, state: dict[str, Any], steps: Steps) -> None:
        """Restore what `get_state` returned, `steps` into each episode."""
        self._last = state["last"].copy()
        self._past[:] = state["past"]
        self._head = int(state["head"])
        self.redraw(steps)

    def redraw(self, steps: Steps) -> None:
        """Draw the present blocks of noise again, after `steps` were changed from outside."""
        for table in self._tables:
            table.refill(np.arange(len(steps)), steps)

    def _disturbed(self, values: Array, rows: Ids | slice, steps: Steps) -> Array:
        if self._bias is not None:
            values = values + self._bias[rows]
        if self._deviation is not None:
            values = values + self._deviation[rows] * self._noise.at(steps, rows)
        if self._quantum is not None:
            quantum = self._quantum[rows]
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.where(quantum > 0, np.round(values / quantum) * quantum, values)
        return values

    def _delayed(self, true: Array) -> Array:
        """Return values of `sensor_latency_s` ago, between two readings by interpolation."""
        if self._latency_s is None:
            return true
        depth = len(self._past)
        self._head = (self._head + 1) % depth
        self._past[self._head] = true
        age = self._latency_s / self._period_s
        whole = age.astype(np.intp)
        part = age - whole
        newer = self._past[(self._head - whole) % depth, self._rows, self._columns]
        older = self._past[(self._head - whole - 1) % depth, self._rows, self._columns]
        return newer + part * (older - newer)
