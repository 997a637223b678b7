"""Random draws for every step of every episode, made in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.episode_random import EpisodeRandom, Stream

Ids = NDArray[np.intp]
Steps = NDArray[np.int64]

BLOCK = 128
"""Steps drawn at a time."""


class NoiseTable:
    """Draws for each step of each episode, `width` of them: standard normal, or from [0, 1)."""

    def __init__(
        self,
        random: EpisodeRandom,
        stream: Stream,
        num_envs: int,
        width: int,
        *,
        uniform: bool = False,
    ) -> None:
        self._random = random
        self._stream = stream
        self._uniform = uniform
        self._table = np.zeros((num_envs, BLOCK, width), dtype=np.float32)
        self._first = np.arange(num_envs) * BLOCK

    def at(self, steps: Steps, rows: Ids | slice = slice(None)) -> NDArray[np.float32]:
        """Return the draws of the present step, shape (n, width).

        Args:
            steps: steps since each episode's start, of all environments, (N,). Each is asked for
                its steps one after another; a jump needs `refill`.
            rows: environments.
        """
        first = self._first[rows]
        place = steps[rows] % BLOCK
        self.refill(first[place == 0] // BLOCK, steps)
        flat = self._table.reshape(-1, self._table.shape[2])
        return np.asarray(flat.take(first + place, axis=0))

    def refill(self, ids: Ids, steps: Steps) -> None:
        """Draw the block of the present step for `ids`."""
        for env in ids.tolist():
            generator = self._random.generator(env, self._stream, int(steps[env]) // BLOCK)
            if self._uniform:
                generator.random(dtype=np.float32, out=self._table[env])
            else:
                generator.standard_normal(dtype=np.float32, out=self._table[env])
