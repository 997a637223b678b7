"""Lift: grasp a cube and hold it above the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.sim.tasks.manipulation import CubeTask, CubeTaskConfig
from trirl_robot.sim.tasks.objects import nearness

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LiftConfig(CubeTaskConfig):
    """Parameters of the lift task."""

    task: Literal["lift"] = "lift"
    """Kind of task."""
    lift_height_m: float
    """Least height of the whole cube above the table that counts as lifted [m]."""

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        super().__post_init__()
        require(self, "more than 0", lambda v: v > 0.0, "lift_height_m")


class LiftTask(CubeTask):
    """Quantities, reward and success of lifting, for a batch of arms."""

    config: LiftConfig
    needs_gripper = True

    @property
    def mark_radius_m(self) -> float:
        """Radius of the target's mark [m]."""
        return self.config.cube.size_m

    def choose_target(self, place: Array, candidates: Array) -> Array:
        """Return places at the wanted height above the start, (n, 3), m."""
        del candidates
        height = self.config.lift_height_m + self.cube.half_m
        return np.column_stack([place, np.full(len(place), height)])

    def distance(self) -> Array:
        """Return how much height is missing, (N,), m."""
        return np.maximum(self.config.lift_height_m - self.cube.clearance, 0.0)

    def fulfilled(self) -> Mask:
        """Return whether the cube is in the gripper and high enough, (N,)."""
        return self.grasped & (self.cube.clearance >= self.config.lift_height_m)

    def partial_reward(self) -> Array:
        """Return up to 0.2 for a hand near the cube, 0.2 for a grasp and 0.4 for height, (N,).

        Height counts in the gripper alone: a cube that is knocked up earns nothing.
        """
        near, height = nearness(self.end_effector_to_cube), self.config.lift_height_m
        share = np.clip(self.cube.clearance / height, 0.0, 1.0)
        return 0.2 * near + self.grasped * (0.2 + 0.4 * share)
