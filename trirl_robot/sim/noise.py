"""Random draws for every step of every episode, made in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom, Stream

Ids = NDArray[np.intp]
Steps = NDArray[np.int64]
Draws = NDArray[np.float32]

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
        self.draws = np.zeros((num_envs, BLOCK, width), dtype=np.float32)
        """Of environment i in step s at `[i, s % BLOCK]`, (N, BLOCK, width)."""

    def refill(self, ids: Ids, steps: Steps) -> None:
        """Draw the block of the present step for `ids`.

        Args:
            ids: the environments: those whose episode begins, and in each step those of `due`.
            steps: steps since each episode's start, of all environments, (N,).
        """
        if not self.draws.size:
            return
        for env in ids.tolist():
            generator = self._random.generator(env, self._stream, int(steps[env]) // BLOCK)
            if self._uniform:
                generator.random(dtype=np.float32, out=self.draws[env])
            else:
                generator.standard_normal(dtype=np.float32, out=self.draws[env])


@compiled
def due(steps: Steps) -> Ids:
    """Return the environments whose next block begins with this step, for steps (N,)."""
    found = np.empty(steps.shape[0], np.intp)
    count = 0
    for i in range(steps.shape[0]):
        if steps[i] % BLOCK == 0:
            found[count] = i
            count += 1
    return found[:count]
