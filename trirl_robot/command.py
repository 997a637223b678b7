"""Actions to joint commands within the contract's limits.

The simulator trains with the same limits that the robot enforces, so a limited command is nothing
that the policy has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ContractError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LimitedCommand:
    """A command, and which limits it met; every array has the shape (..., joints).

    Simulations ask for the command alone, so the masks are computed when they are read.
    """

    position: Array
    """Commanded positions, rad or m."""
    velocity: Array
    """Velocity of the command over this cycle, rad/s or m/s."""
    actions: tuple[Array, Array]
    """The action as it was, and within [-1, 1]."""
    positions: tuple[Array, Array]
    """The position that was wished for, and within its limits, rad or m."""
    velocities: tuple[Array, Array, Array]
    """The velocity to it, within the limit of velocity, and of acceleration too, rad/s or m/s."""

    @property
    def action_clipped(self) -> Mask:
        """The action was outside [-1, 1]."""
        return np.not_equal(*self.actions)

    @property
    def position_limited(self) -> Mask:
        """The wish was outside the position limits."""
        return np.not_equal(*self.positions)

    @property
    def velocity_limited(self) -> Mask:
        """The wish asked for more than the greatest velocity."""
        return _differs(self.velocities[0], self.velocities[1])

    @property
    def acceleration_limited(self) -> Mask:
        """The wish asked for more than the greatest acceleration."""
        return _differs(self.velocities[1], self.velocities[2])


class ActionMapping:
    """Maps actions in [-1, 1] to joint position commands, as a contract describes.

    Raises:
        ContractError: the actions are controls of simulated actuators.
    """

    def __init__(self, contract: PolicyContract) -> None:
        (field,) = contract.action
        if field.kind == "actuator_control":
            raise ContractError(
                f"the policy for '{contract.robot}' sets the controls of simulated actuators "
                "(actuator_control), which no robot can be commanded with; run it in simulation"
            )
        self._relative = field.kind != "joint_position"
        self._period_s = contract.control_period_s
        # a velocity is the step that it makes in a cycle
        unit_s = self._period_s if field.kind == "joint_velocity" else 1.0
        self._scale = np.asarray(field.scale) * unit_s
        self._offset = np.asarray(field.offset) * unit_s
        self._minimum = np.asarray([limit.position_min for limit in contract.limits])
        self._maximum = np.asarray([limit.position_max for limit in contract.limits])
        self._velocity = np.asarray([limit.velocity for limit in contract.limits])
        self._acceleration = np.asarray([limit.acceleration for limit in contract.limits])

    def command(self, action: Array, last_position: Array, last_velocity: Array) -> LimitedCommand:
        """Return the command for one control cycle: limits of position, velocity, acceleration.

        Args:
            action: shape (..., joints); clipped to [-1, 1].
            last_position: command of the cycle before, shape (..., joints), rad or m; for joints
                whose actuators take velocities the measured position, as nothing holds them where
                the commands' sum is.
            last_velocity: velocity of that command, shape (..., joints), rad/s or m/s.
        """
        clipped = np.clip(action, -1.0, 1.0)
        wish = clipped * self._scale + self._offset
        if self._relative:
            wish = wish + last_position
        inside = np.clip(wish, self._minimum, self._maximum)
        wished_velocity = (inside - last_position) / self._period_s
        slow = np.clip(wished_velocity, -self._velocity, self._velocity)
        change = self._acceleration * self._period_s
        smooth = np.clip(slow, last_velocity - change, last_velocity + change)
        # a command that cannot brake in time must still not leave the range of the joint, and one
        # that starts outside comes back within the limits of velocity and acceleration
        position = np.clip(
            last_position + smooth * self._period_s,
            np.minimum(self._minimum, last_position),
            np.maximum(self._maximum, last_position),
        )
        return LimitedCommand(
            position=position,
            velocity=(position - last_position) / self._period_s,
            actions=(action, clipped),
            positions=(wish, inside),
            velocities=(wished_velocity, slow, smooth),
        )

    def action_towards(self, position: Array, last_position: Array) -> Array:
        """Return the action in [-1, 1] whose wish is nearest to `position`, shape (..., joints).

        A teleoperator's commands become actions in this way before they are recorded.
        """
        start = last_position if self._relative else 0.0
        action: Array = np.clip((position - start - self._offset) / self._scale, -1.0, 1.0)
        return action


def _differs(first: Array, second: Array) -> Mask:
    # limits are compared after a subtraction and a division: ignore their rounding
    return np.abs(first - second) > 1e-9
