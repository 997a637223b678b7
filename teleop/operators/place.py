"""A scripted operator that puts a cube on a pad."""

from __future__ import annotations

import numpy as np

from teleop.devices.base import DeviceContext
from teleop.operators.grasp import GraspOperator, Steps
from teleop.operators.manipulation import Plan, turned, wrapped
from trirl_robot.sim.tasks.place import PlaceConfig

CARRY_M = (0.045, 0.06)
"""Range of the height at which it carries the cube [m]."""
DROP_M = 0.002
"""Height from which it lets the cube go [m]."""
RETREAT_M = 0.07
"""How far the hand rises afterwards [m]."""
TURNS = (0.0, -0.5, 0.5, -1.0, 1.0)
"""Turns of the hand on the way, of which it makes the most comfortable [rad]."""


class PlaceOperator(GraspOperator):
    """Grasps, carries, puts down, lets go; begins anew when the cube is not where it should be."""

    def __init__(self, context: DeviceContext) -> None:
        """Prepare the operator; see `GraspOperator`."""
        super().__init__(context)
        assert isinstance(context.task, PlaceConfig)
        self._satisfied_m = 0.8 * context.task.success_radius_m

    def plan(self) -> Plan:
        """Start movements; yield when to decide next [s]."""
        failures = 0
        while True:
            yield from self.pick(failures)
            place, yaw = self.goal_pose()
            yield self.move(place + self._up(self.generator.uniform(*CARRY_M)), yaw)
            if self.holding():
                yield from self._carry()
            if self.holding():
                yield from self._put_down()
                while self._missed_m() < self._satisfied_m:
                    yield self.pause(self.traits.retry_s)
            failures += 1

    def _carry(self) -> Steps:
        """Bring the cube above the pad; it turns with the hand."""
        place, yaw = self.goal_pose()
        offset = place - self.cube()[0]
        pad = self.view.target_position
        there = np.array([*(pad + offset)[:2], place[2]])
        wanted = self.best_yaw(there, [yaw + turn for turn in TURNS])
        there[:2] = (pad + turned(offset, wrapped(wanted - yaw)))[:2]
        yield self.move(there, wanted)
        yield self.pause(self.traits.visual_delay_s)

    def _put_down(self) -> Steps:
        """Lower the cube to where it is seen to be missing the pad, let go, and retreat."""
        place, yaw = self.goal_pose()
        offset = place - self.cube()[0]
        there = self.view.target_position + offset
        there[2] = place[2] - self.clearance() + DROP_M
        yield self.move(there, yaw)
        yield self.pause(0.1)
        yield from self.release()
        place, yaw = self.goal_pose()
        yield self.move(place + self._up(RETREAT_M), yaw)

    def _missed_m(self) -> float:
        offset = self.view.target_position - self.cube()[0]
        return float(np.hypot(offset[0], offset[1]))

    @staticmethod
    def _up(height_m: float) -> np.ndarray:
        return np.array([0.0, 0.0, height_m])
