"""Expert of Point Maze: PPO on the distance to the goal stays behind the wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.tasks.point_maze import RADIUS_M, WALL_M, PointMazeConfig

Array = NDArray[np.float64]

STIFFNESS_N_M = 12.0
"""Force towards the next point of the way, for each metre to it [N/m]."""
DAMPING_N_S_M = 4.0
"""Force against the motion [N s/m]."""
CLEARANCE_M = WALL_M + RADIUS_M + 0.02
"""Distance from the wall's middle at which the point passes it [m]."""


class MazeExpert:
    """Goes to the gap, through it, and to the goal, and stays there."""

    def __init__(self, config: PointMazeConfig) -> None:
        side = -1.0 if config.gap_side == "left" else 1.0
        self._gap_x = side * (config.half_width_m - config.gap_width_m / 2)
        self._free = config.gap_width_m / 2 - RADIUS_M - 0.01
        self._force_n = config.force_n

    def __call__(self, observation: Array) -> Array:
        """Return actions in [-1, 1], (N, 6) to (N, 2), for position, velocity and way to go."""
        position, velocity, to_goal = np.split(observation, 3, axis=1)
        before = position[:, 1] < CLEARANCE_M
        aligned = np.abs(position[:, 0] - self._gap_x) < self._free
        # up to the gap's height beside the wall, then across it
        height = np.where(aligned, 2 * CLEARANCE_M, -CLEARANCE_M)
        gap = np.stack([np.full(len(position), self._gap_x), height], axis=1)
        way = np.where(before[:, None], gap - position, to_goal)
        force = STIFFNESS_N_M * way - DAMPING_N_S_M * velocity
        return np.asarray(np.clip(force / self._force_n, -1.0, 1.0))
