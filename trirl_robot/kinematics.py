"""Forward kinematics from the contract alone, so that a robot needs no simulator.

Product of exponentials (Lynch and Park, Modern Robotics, 2017, chapter 4), position only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import Kinematics
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
        self._end_effector = np.asarray(kinematics.end_effector_m)
        self._chain = [
            (
                joint_names.index(screw.joint),
                screw.kind,
                np.asarray(screw.axis),
                np.asarray(screw.anchor_m),
            )
            for screw in reversed(kinematics.screws)
        ]

    def end_effector_position(self, joint_position: Array) -> Array:
        """Return the end effector's position.

        Args:
            joint_position: shape (..., joints), rad or m.

        Returns:
            Position in the base frame, shape (..., 3), m.
        """
        point = np.broadcast_to(self._end_effector, (*joint_position.shape[:-1], 3))
        for index, kind, axis, anchor in self._chain:
            value = joint_position[..., index, None]
            if kind == "slide":
                point = point + value * axis
                continue
            arm = point - anchor
            along = arm @ axis
            point = (
                anchor
                + arm * np.cos(value)
                + _cross(axis, arm) * np.sin(value)
                + axis * (along[..., None] * (1.0 - np.cos(value)))
            )
        return point


def _cross(axis: Array, vectors: Array) -> Array:
    # np.cross is an order of magnitude slower on arrays this small
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    a, b, c = axis
    return np.stack((b * z - c * y, c * x - a * z, a * y - b * x), axis=-1)
