"""A scripted operator that pushes a cube to a goal with the closed hand.

The flat side of the closed fingers is turned against the direction of the push. Two lines of
contact make a push stable (Lynch and Mason 1996): the cube turns until it is flush and then goes
where the hand goes, so the operator corrects its course by turning hand and cube together. When
the cube has slipped aside, it goes around and begins anew.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teleop.devices.base import DeviceContext
from teleop.operators.manipulation import (
    ManipulationOperator,
    ManipulationTraits,
    Plan,
    planar,
    turned,
    wrapped,
)

Array = NDArray[np.float64]
Steps = Generator[float, None, None]

DIAGONAL = float(np.sqrt(2.0))
"""Half of a square's diagonal, in halves of its side."""


@dataclass(frozen=True, kw_only=True)
class PushTraits(ManipulationTraits):
    """How a scripted operator pushes."""

    height_m: float = 0.014
    """Height of the end effector when it pushes [m]."""
    thickness_m: float = 0.006
    """Half of the closed hand's thickness, across the direction in which it opens [m]."""
    centre_m: float = 0.008
    """Distance from the end effector to the closed hand's centre, where one finger moves [m]."""
    clearance_m: float = 0.01
    """Distance from the cube at which it goes down [m]."""
    deadband_m: float = 0.009
    """Distance of the cube from the goal that is not corrected [m]."""
    first_share: float = 0.55
    """Share of the way after which it looks for the first time."""
    share: float = 0.7
    """Share of the remaining way after which it looks again."""
    last_m: float = 0.05
    """Remaining way that is gone without looking [m]."""
    strokes: int = 5
    """Most pushes before it goes around the cube."""
    greatest_turn_rad: float = 0.45
    """Change of course above which it goes around the cube [rad]."""
    greatest_slip_m: float = 0.009
    """Distance of the cube from the middle of the hand above which it goes around [m]."""
    low_m: float = 0.05
    """Height below which the hand rises before it goes around [m]."""
    look_again_s: float = 0.14
    """Time from a push's end to the look after it, so that what is seen has come to rest [s]."""


class PushOperator(ManipulationOperator):
    """Gets behind the cube, pushes, corrects."""

    def __init__(self, context: DeviceContext, traits: PushTraits | None = None) -> None:
        """Prepare the operator; see `ManipulationOperator`."""
        self.traits = traits or PushTraits()
        super().__init__(context, self.traits)
        gripper = context.robot.gripper
        self._centre_m = self.traits.centre_m if gripper and gripper.one_sided else 0.0
        self._course, self._side = 0.0, 0.0

    def plan(self) -> Plan:
        """Start movements; yield when to decide next [s]."""
        while True:
            if np.linalg.norm(self._missing()) < self.traits.deadband_m:
                yield self.pause(self.traits.retry_s)
                continue
            yield from self._get_behind()
            yield from self._push()
            yield from self._back_off()

    def _missing(self) -> Array:
        """Return the way that the cube is seen to have before it, in the plane, (3,), m."""
        return np.asarray((self.view.target_position - self.cube()[0]) * (1.0, 1.0, 0.0))

    @property
    def _yaw(self) -> float:
        return self._course + self._side

    def _get_behind(self) -> Steps:
        """Bring the hand down behind the cube, its flat side towards the goal."""
        traits, missing = self.traits, self._missing()
        self._course = float(np.arctan2(missing[1], missing[0]))
        distance = self.half_m * DIAGONAL + traits.thickness_m + traits.clearance_m
        behind = self.cube()[0] * (1.0, 1.0, 0.0) - distance * planar(self._course)
        behind[2] = traits.height_m
        sides = (0.5 * np.pi, -0.5 * np.pi)
        yaw = self.best_yaw(behind, [self._course + side for side in sides])
        self._side = yaw - self._course
        place, present = self.goal_pose()
        hover_m = traits.height_m + self.generator.uniform(*traits.hover_m)
        if place[2] < traits.low_m:
            yield self.move(np.array([*place[:2], hover_m]), present, share=0.8)
        above = np.array([*behind[:2], hover_m])
        yield self._lead(above, straight=False, share=0.9)
        yield self._lead(behind, share=0.95)

    def _push(self) -> Steps:
        """Push in a few strokes, each towards the goal as it is then seen."""
        traits = self.traits
        contact = self.half_m + traits.thickness_m
        for stroke in range(traits.strokes):
            missing, centre = self._missing(), self._hand_centre()
            way = float(np.linalg.norm(missing))
            if way < 0.7 * traits.deadband_m:
                return
            cube = self.cube()[0] * (1.0, 1.0, 0.0)
            if stroke == 0:
                reach = traits.first_share * way - contact
                end = cube + reach * planar(self._course)
            else:
                turn = wrapped(float(np.arctan2(missing[1], missing[0])) - self._course)
                relative = cube - centre
                slip = float(relative @ planar(self._course + 0.5 * np.pi))
                if abs(turn) > traits.greatest_turn_rad or abs(slip) > traits.greatest_slip_m:
                    return
                share = 1.0 if way < traits.last_m else traits.share
                # hand and cube turn together
                end = cube - turned(relative, turn) + share * missing
                self._course += turn
            end[2] = traits.height_m
            yield self._lead(end)
            yield self.pause(traits.look_again_s)

    def _back_off(self) -> Steps:
        """Leave the cube alone."""
        away = self._hand_centre() - 0.02 * planar(self._course)
        away[2] = self.traits.height_m + 0.01
        yield self._lead(away, share=0.9)

    def _lead(self, centre: Array, *, straight: bool = True, share: float = 1.0) -> float:
        """Start to bring the closed hand's centre to a place; return when to decide next."""
        place = centre - self._centre_m * planar(self._yaw)
        return self.move(place, self._yaw, straight=straight, share=share)

    def _hand_centre(self) -> Array:
        """Return where the closed hand's centre is led, in the plane, (3,), m."""
        place, yaw = self.goal_pose()
        return np.asarray((place + self._centre_m * planar(yaw)) * (1.0, 1.0, 0.0))
