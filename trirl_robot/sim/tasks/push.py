"""Push: move a cube over the table to a goal; the gripper, if there is one, stays as it is."""

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


@dataclass(frozen=True, kw_only=True)
class PushConfig(CubeTaskConfig):
    """Parameters of the push task."""

    task: Literal["push"] = "push"
    """Kind of task."""
    success_radius_m: float
    """Greatest distance of the cube's centre from the goal that counts as there [m]."""
    goal_distance_m: tuple[float, float]
    """Least and greatest distance of the goal from where the cube starts [m]."""

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        super().__post_init__()
        require(self, "more than 0", lambda v: v > 0.0, "success_radius_m")
        require(self, "two rising distances", lambda v: 0.0 <= v[0] <= v[1], "goal_distance_m")
        if self.goal_distance_m[0] <= self.success_radius_m:
            raise ConfigError(
                f"goal_distance_m begins at {self.goal_distance_m[0]}, within success_radius_m "
                f"({self.success_radius_m}): the cube would start at its goal"
            )


class PushTask(CubeTask):
    """Quantities, reward and success of pushing, for a batch of arms."""

    config: PushConfig

    @property
    def mark_radius_m(self) -> float:
        """Radius of the target's mark [m]."""
        return self.config.success_radius_m

    def choose_target(self, place: Array, candidates: Array) -> Array:
        """Return goals: where the cube's centre is to rest, (n, 3), m."""
        goal = first_apart(place, candidates, *self.config.goal_distance_m)
        return np.column_stack([goal, np.full(len(goal), self.cube.half_m)])

    def distance(self) -> Array:
        """Return the distance from the cube's centre to the goal in the plane, (N,), m."""
        offset = self._target_position - self.cube.position
        return np.asarray(np.hypot(offset[:, 0], offset[:, 1]))

    def fulfilled(self) -> Mask:
        """Return whether the cube is at the goal, (N,)."""
        return self.distance() < self.config.success_radius_m

    def partial_reward(self) -> Array:
        """Return up to 0.2 for a hand near the cube and 0.6 for a cube near the goal, (N,)."""
        near = nearness(self.end_effector_to_cube)
        return 0.2 * near + 0.6 * nearness(self.distance())
