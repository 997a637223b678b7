"""Actions to joint commands within the contract's limits.

The simulator trains with the same limits that the robot enforces, so a limited command is nothing
that the policy has not seen.
"""

from __future__ import annotations

from collections.abc import Callable
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


def limit_commands(
    action: Array,
    last_position: Array,
    last_velocity: Array,
    relative: bool,
    period_s: float,
    mapping: Array,
    limits: Array,
    limited: Array,
) -> None:
    """Work commands out from actions, one joint of one robot after another.

    A robot runs these lines as they are; a simulation compiles them.

    Args:
        action: (n, joints).
        last_position: command of the cycle before, (n, joints), rad or m.
        last_velocity: velocity of that command, (n, joints), rad/s or m/s.
        relative: whether an action is added to the last command.
        period_s: control period [s].
        mapping: scale and offset of the actions, (2, joints), rad or m.
        limits: least and greatest position, greatest velocity, greatest change of velocity in a
            cycle, (4, joints).
        limited: written, (8, n, joints): the action within [-1, 1]; the position that was wished
            for, and within its limits; the velocity to it, within the limit of velocity, and of
            acceleration too; position and velocity of the command.
    """
    for i in range(action.shape[0]):
        for j in range(action.shape[1]):
            position, velocity = last_position[i, j], last_velocity[i, j]
            clipped = min(max(action[i, j], -1.0), 1.0)
            wish = clipped * mapping[0, j] + mapping[1, j]
            if relative:
                wish = wish + position
            least, greatest = limits[0, j], limits[1, j]
            inside = min(max(wish, least), greatest)
            wished = (inside - position) / period_s
            slow = min(max(wished, -limits[2, j]), limits[2, j])
            smooth = min(max(slow, velocity - limits[3, j]), velocity + limits[3, j])
            # a command that cannot brake in time must still not leave the range of the joint, and
            # one that starts outside comes back within the limits of velocity and acceleration
            low, high = min(least, position), max(greatest, position)
            command = min(max(position + smooth * period_s, low), high)
            limited[0, i, j], limited[1, i, j], limited[2, i, j] = clipped, wish, inside
            limited[3, i, j], limited[4, i, j], limited[5, i, j] = wished, slow, smooth
            limited[6, i, j], limited[7, i, j] = command, (command - position) / period_s


class ActionMapping:
    """Maps actions in [-1, 1] to joint position commands, as a contract describes."""

    def __init__(
        self, contract: PolicyContract, *, loop: Callable[..., None] = limit_commands
    ) -> None:
        """Prepare the limits.

        Args:
            contract: what actions mean.
            loop: `limit_commands`, or the same compiled.

        Raises:
            ContractError: the actions are controls of simulated actuators.
        """
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
        self._loop = loop
        self._mapping = np.array([self._scale, self._offset])
        change = [limit.acceleration * self._period_s for limit in contract.limits]
        self._limits = np.array(
            [
                [limit.position_min for limit in contract.limits],
                [limit.position_max for limit in contract.limits],
                [limit.velocity for limit in contract.limits],
                change,
            ]
        )

    def command(self, action: Array, last_position: Array, last_velocity: Array) -> LimitedCommand:
        """Return the command for one control cycle: limits of position, velocity, acceleration.

        Args:
            action: shape (..., joints); clipped to [-1, 1].
            last_position: command of the cycle before, shape (..., joints), rad or m; for joints
                whose actuators take velocities the measured position, as nothing holds them where
                the commands' sum is.
            last_velocity: velocity of that command, shape (..., joints), rad/s or m/s.
        """
        shape = (-1, self._limits.shape[1])
        rows = [
            np.ascontiguousarray(values, dtype=np.float64).reshape(shape)
            for values in (action, last_position, last_velocity)
        ]
        limited = np.empty((8, *rows[0].shape))
        constants = (self._relative, self._period_s, self._mapping, self._limits)
        self._loop(*rows, *constants, limited)
        clipped, wish, inside, wished, slow, smooth, position, velocity = limited.reshape(
            8, *np.shape(action)
        )
        return LimitedCommand(
            position=position,
            velocity=velocity,
            actions=(action, clipped),
            positions=(wish, inside),
            velocities=(wished, slow, smooth),
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
