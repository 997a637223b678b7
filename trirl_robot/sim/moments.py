"""Moments of recorded episodes, from which simulated ones can go on.

An episode that begins in the midst of a demonstration shows a learner what comes late in a task
before it can get there by itself (T. Salimans and R. Chen, arXiv 1812.03381; reference state
initialisation of X. B. Peng et al., "DeepMimic", SIGGRAPH 2018, arXiv 1804.02717).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """S moments of recorded episodes."""

    state: Array
    """[time, qpos, qvel] of the simulation, (S, 1 + nq + nv)."""
    observation: Array
    """What was observed then, (S, n), SI units."""
    target: Array
    """Target in the base frame, (S, 3), m; NaN for a task that has none."""
    step: NDArray[np.int64]
    """Control steps since the episode's start, (S,)."""

    def __len__(self) -> int:
        """Number of moments."""
        return len(self.step)

    def __getitem__(self, rows: NDArray[np.intp]) -> Moments:
        """Return some of the moments, in the order of `rows`."""
        return Moments(
            state=self.state[rows],
            observation=self.observation[rows],
            target=self.target[rows],
            step=self.step[rows],
        )
