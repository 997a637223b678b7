"""Grasping a cube from above."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teleop.devices.base import DeviceContext
from teleop.operators.manipulation import (
    ManipulationOperator,
    ManipulationTraits,
    planar,
    wrapped,
)
from trirl_robot.errors import ConfigError

Array = NDArray[np.float64]
Steps = Generator[float, None, None]

QUARTER = 0.5 * np.pi
"""A cube looks the same after a quarter turn."""


@dataclass(frozen=True, kw_only=True)
class GraspTraits(ManipulationTraits):
    """How a scripted operator grasps; openings are shares of the gripper's whole stroke."""

    height_m: float = 0.012
    """Height of the end effector when it grasps [m]."""
    opening: tuple[float, float] = (0.4, 0.47)
    """Range of the opening with which it goes down over the cube."""
    release_opening: float = 0.4
    """Opening with which it lets go."""
    release_speed: float = 0.6
    """Mean speed at which it opens [1/s]."""
    release_s: float = 0.45
    """Time between the beginning of that and the hand's rise [s]."""
    margin_m: float = 0.012
    """Distance at which a finger that does not move goes down beside the cube [m]."""
    retry_margin_m: float = 0.004
    """What is added to that after a failure [m]."""
    aim_spread_m: float = 0.002
    """Standard deviation of where it aims, in each direction [m]."""
    closing_speed: float = 0.64
    """Mean speed at which it closes [1/s]."""
    squeeze: float = 0.064
    """How far inside the cube it closes."""
    grip_s: tuple[float, float] = (0.04, 0.12)
    """Range of the time between closing and lifting [s]."""


class GraspOperator(ManipulationOperator):
    """Picks the cube up, with as many trials as it takes."""

    def __init__(self, context: DeviceContext, traits: GraspTraits | None = None) -> None:
        """Prepare the operator; see `ManipulationOperator`."""
        self.traits = traits or GraspTraits()
        super().__init__(context, self.traits)
        gripper = context.robot.gripper
        if gripper is None:
            raise ConfigError(f"robot '{context.robot.name}' has no gripper to grasp with")
        self._closed = gripper.closed_position
        self._stroke = gripper.open_position - gripper.closed_position
        self._one_sided = gripper.one_sided

    def pick(self, failures: int) -> Steps:
        """Go to the cube, grasp it and be about to lift it; whether it holds is not known yet.

        Args:
            failures: how often that has gone wrong in this episode.
        """
        draw, traits = self.generator, self.traits
        margin_m = traits.margin_m + failures % 3 * traits.retry_margin_m
        cube, rotation = self.cube()
        above = np.array([0.0, 0.0, traits.height_m])
        middle = self._beside(cube, rotation, margin_m) + above
        yaw = self.best_yaw(middle, [rotation + i * QUARTER for i in range(4)])
        aim = draw.normal(0.0, traits.aim_spread_m, 3) * (1.0, 1.0, 0.0) + above
        hover = np.array([0.0, 0.0, draw.uniform(*traits.hover_m)])
        opening = self._finger(draw.uniform(*traits.opening))
        yield self.move(
            self._beside(cube, yaw, margin_m) + aim + hover,
            yaw,
            finger=opening,
            straight=False,
            share=0.9,
        )
        cube, rotation = self.cube()
        yaw += wrapped(4.0 * (rotation - yaw)) / 4.0
        yield self.move(self._beside(cube, yaw, margin_m) + aim, yaw)
        yield from self._close()
        yield self.pause(draw.uniform(*traits.grip_s))

    def holding(self) -> bool:
        """Return whether the cube is seen well off the table."""
        return self.clearance() > 0.012

    def release(self) -> Steps:
        """Open the fingers."""
        speed = self.traits.release_speed * abs(self._stroke)
        self.move_finger(self._finger(self.traits.release_opening), speed)
        yield self.pause(self.traits.release_s)

    def _close(self) -> Steps:
        """Close the fingers until the cube stops them; then squeeze no more than is needed."""
        traits = self.traits
        speed = traits.closing_speed * abs(self._stroke)
        end_s = self.move_finger(self._closed, speed) + 0.1
        felt = [self._felt()]
        while self.now_s < end_s:
            yield self.now_s
            felt.append(self._felt())
            meant = self._share(self.hand.at(self.now_s)[-1])
            # late commands look like a cube between the fingers until these have begun to move
            moving = felt[0] - felt[-1] > 0.027
            stuck = len(felt) > 5 and felt[-5] - felt[-1] < 0.011
            if moving and stuck and felt[-1] - meant > 0.053:
                break
        hold = self.hand.at(self.now_s)
        hold[-1] = self._finger(max(felt[-1] - traits.squeeze, 0.0))
        self.hand.stop(hold)

    def _beside(self, cube: Array, yaw: float, margin_m: float) -> Array:
        """Return where the end effector goes down for fingers that open towards `yaw`, (3,), m."""
        offset = self.half_m + margin_m if self._one_sided else 0.0
        return cube * (1.0, 1.0, 0.0) - offset * planar(yaw)

    def _felt(self) -> float:
        return self._share(self.view.joint_position[-1])

    def _share(self, position: float) -> float:
        return float((position - self._closed) / self._stroke)

    def _finger(self, share: float) -> float:
        return float(self._closed + share * self._stroke)
