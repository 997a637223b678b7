"""What has happened in the present episode of each simulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class History:
    """Rewards, distances and end-effector positions of the episodes that are running."""

    def __init__(self, num_envs: int, max_steps: int) -> None:
        """Allocate the records of N simulations.

        Args:
            num_envs: number of simulations N.
            max_steps: greatest number of steps in an episode.
        """
        self._length = np.zeros(num_envs, dtype=np.int64)
        self._reward = np.zeros((num_envs, max_steps))
        self._distance = np.zeros((num_envs, max_steps))
        self._tip = np.full((num_envs, max_steps + 1, 3), np.nan)

    def begin(self, ids: Ids, tip: Array | None) -> None:
        """Forget the episodes of `ids`; `tip` holds all end effectors where they are, (N, 3), m."""
        self._length[ids] = 0
        if tip is not None:
            self._tip[ids, 0] = tip[ids]

    def add(self, reward: Array, distance: Array, tip: Array | None) -> None:
        """Add a step of every simulation.

        Args:
            reward: shape (N,).
            distance: shape (N,), m.
            tip: end effectors, shape (N, 3), m, or None.
        """
        rows = np.arange(len(self._length))
        self._reward[rows, self._length] = reward
        self._distance[rows, self._length] = distance
        self._length += 1
        if tip is not None:
            self._tip[rows, self._length] = tip

    def rewards(self, sim: int) -> Array:
        """Return the rewards of one simulation's episode, shape (steps,)."""
        return self._reward[sim, : self._length[sim]]

    def distances(self, sim: int) -> Array:
        """Return the distances of one simulation's episode, shape (steps,), m."""
        return self._distance[sim, : self._length[sim]]

    def trail(self, sim: int, steps: int) -> Array:
        """Return where the end effector was in the last `steps` steps, shape (steps + 1, 3), m."""
        length = int(self._length[sim])
        return self._tip[sim, max(0, length - steps) : length + 1]
