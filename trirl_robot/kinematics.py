"""Forward kinematics from the contract alone, so that a robot needs no simulator.

Product of exponentials (Lynch and Park, Modern Robotics, 2017, chapter 4), position only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import JointScrew, Kinematics
from trirl_robot.errors import ContractError

Array = NDArray[np.float64]


class ForwardKinematics:
    """End-effector position from joint positions."""

    def __init__(self, kinematics: Kinematics, joint_names: tuple[str, ...]) -> None:
        """Prepare the chain.

        Args:
            kinematics: the chain, base to tip.
            joint_names: order of the joint vectors that will be passed.

        Raises:
            ContractError: a joint of the chain is not among `joint_names`.
        """
        missing = [s.joint for s in kinematics.screws if s.joint not in joint_names]
        if missing:
            raise ContractError(f"kinematics name joints that the contract lacks: {missing}")
        self._tip = np.asarray(kinematics.end_effector_m)[:, None]
        self._chain = [
            (joint_names.index(screw.joint), _Screw(screw)) for screw in reversed(kinematics.screws)
        ]

    def end_effector_position(self, joint_position: Array) -> Array:
        """Return the end effector's position.

        Args:
            joint_position: shape (..., joints), rad or m.

        Returns:
            Position in the base frame, shape (..., 3), m. A row's result does not depend on the
            other rows, to the last bit.
        """
        shape = joint_position.shape[:-1]
        # joints first: every operation then runs over contiguous rows
        values = np.ascontiguousarray(joint_position.reshape(-1, joint_position.shape[-1]).T)
        # sin(q) and 1 - cos(q) from tan(q/2), in a third of the time that these two take
        tangent = np.tan(0.5 * values)
        sine = 2.0 * tangent / (1.0 + tangent * tangent)
        versine = sine * tangent
        point = self._tip
        for index, screw in self._chain:
            point = screw.move(point, values[index], sine[index], versine[index])
        moved = np.broadcast_to(point, (3, values.shape[1]))
        return np.ascontiguousarray(moved.T).reshape(*shape, 3)


class _Screw:
    """Motion of a point by one joint; `point` has the shape (3, n) or (3, 1)."""

    def __init__(self, screw: JointScrew) -> None:
        x, y, z = screw.axis
        cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        self._slide = screw.kind == "slide"
        self._axis = np.asarray(screw.axis)[:, None]
        self._anchor = np.asarray(screw.anchor_m)[:, None]
        # columns of [axis] over [axis]^2
        self._once_and_twice = np.concatenate([cross, cross @ cross]).T[:, :, None]

    def move(self, point: Array, value: Array, sine: Array, versine: Array) -> Array:
        if self._slide:
            return np.asarray(point + value * self._axis)
        # Rodrigues: R = 1 + sin(q) [axis] + (1 - cos(q)) [axis]^2. Not a matrix product of BLAS,
        # whose rounding hangs on the number of rows
        arm = point - self._anchor
        first, second, third = self._once_and_twice
        turned = first * arm[0] + second * arm[1] + third * arm[2]
        return np.asarray(point + sine * turned[:3] + versine * turned[3:])
