"""A scripted operator that lifts a cube and holds it."""

from __future__ import annotations

import numpy as np

from teleop.devices.base import DeviceContext
from teleop.operators.grasp import GraspOperator
from teleop.operators.manipulation import Plan
from trirl_robot.sim.tasks.lift import LiftConfig

SPARE_M = (0.018, 0.038)
"""Range of what it lifts higher than it has to [m]."""
LEAST_SPARE_M = 0.006
"""Spare height below which it lifts a little more [m]."""


class LiftOperator(GraspOperator):
    """Grasps, lifts, holds; begins anew when the cube has slipped."""

    def __init__(self, context: DeviceContext) -> None:
        """Prepare the operator; see `GraspOperator`."""
        super().__init__(context)
        assert isinstance(context.task, LiftConfig)
        self._height_m = context.task.lift_height_m

    def plan(self) -> Plan:
        """Start movements; yield when to decide next [s]."""
        failures = 0
        while True:
            yield from self.pick(failures)
            yield self._rise(self._height_m + self.generator.uniform(*SPARE_M))
            yield self.pause(0.2)
            while self.holding():
                missing_m = self._height_m + LEAST_SPARE_M - self.clearance()
                if missing_m > 0.0:
                    yield self._rise(missing_m + LEAST_SPARE_M)
                yield self.pause(self.traits.retry_s)
            failures += 1

    def _rise(self, height_m: float) -> float:
        place, yaw = self.goal_pose()
        return self.move(place + np.array([0.0, 0.0, height_m]), yaw)
