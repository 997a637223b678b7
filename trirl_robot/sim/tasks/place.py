"""Place: put a cube down on a pad and let go of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.errors import ConfigError
from trirl_robot.sim.tasks.manipulation import CubeTask, CubeTaskConfig
from trirl_robot.sim.tasks.objects import first_apart, nearness

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

UPRIGHT = 0.99
"""Least cosine between the vertical and an axis of the cube that counts as lying on a face."""
RESTING_CLEARANCE_M = 0.003
"""Greatest height of the lowest corner that counts as down [m]."""
RESTING_SPEED_M_S = 0.02
"""Greatest speed that counts as at rest [m/s]."""


@dataclass(frozen=True, kw_only=True)
class PlaceConfig(CubeTaskConfig):
    """Parameters of the place task."""

    task: Literal["place"] = "place"
    """Kind of task."""
    success_radius_m: float
    """Greatest distance of the cube's centre from the pad's that counts as on it [m]."""
    pad_radius_m: float
    """Radius of the pad, which is a mark on the table [m]."""
    pad_distance_m: tuple[float, float]
    """Least and greatest distance of the pad from where the cube starts [m]."""

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        super().__post_init__()
        require(self, "more than 0", lambda v: v > 0.0, "success_radius_m", "pad_radius_m")
        require(self, "two rising distances", lambda v: 0.0 <= v[0] <= v[1], "pad_distance_m")
        if self.pad_distance_m[0] <= self.success_radius_m:
            raise ConfigError(
                f"pad_distance_m begins at {self.pad_distance_m[0]}, within success_radius_m "
                f"({self.success_radius_m}): the cube would start on its pad"
            )


class PlaceTask(CubeTask):
    """Quantities, reward and success of placing, for a batch of arms."""

    config: PlaceConfig
    needs_gripper = True

    @property
    def mark_radius_m(self) -> float:
        """Radius of the target's mark [m]."""
        return self.config.pad_radius_m

    def choose_target(self, place: Array, candidates: Array) -> Array:
        """Return where cubes' centres are to rest on their pads, (n, 3), m."""
        pad = first_apart(place, candidates, *self.config.pad_distance_m)
        return np.column_stack([pad, np.full(len(pad), self.cube.half_m)])

    def distance(self) -> Array:
        """Return the distance from the cube's centre to where it is to rest, (N,), m."""
        offset = self._target_position - self.cube.position
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", offset, offset)))

    @property
    def above_pad(self) -> Mask:
        """Whether the cube's centre is above the pad, at any height, (N,)."""
        offset = self._target_position - self.cube.position
        return np.asarray(np.hypot(offset[:, 0], offset[:, 1]) < self.config.success_radius_m)

    @property
    def resting(self) -> Mask:
        """Whether the cube lies still on one of its faces on the table, (N,)."""
        cube = self.cube
        upright = np.abs(cube.upward).max(axis=1) > UPRIGHT
        still = cube.speed < RESTING_SPEED_M_S
        return np.asarray(upright & (cube.clearance < RESTING_CLEARANCE_M) & still)

    def fulfilled(self) -> Mask:
        """Return whether the cube rests on the pad and nothing of the robot touches it, (N,)."""
        return self.above_pad & self.resting & ~self.touched

    def partial_reward(self) -> Array:
        """Return what the way is worth, (N,).

        Up to 0.15 for a hand near the cube, 0.2 for a grasp and 0.4 for a grasped cube near its
        place; 0.8 for one that rests there while the hand still touches it.
        """
        near = 0.15 * nearness(self.end_effector_to_cube)
        carried = self.grasped * (0.2 + 0.4 * nearness(self.distance()))
        return np.where(self.above_pad & self.resting, 0.8, near + carried)
