"""Forward kinematics from the contract alone, so that a robot needs no simulator.

Product of exponentials (Lynch and Park, Modern Robotics, 2017, chapter 4), position only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import Kinematics
from trirl_robot.errors import ContractError

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]


def move_tip(
    joint_position: Array,
    places: Ids,
    slides: Mask,
    axis: Array,
    anchor: Array,
    tip: Array,
    moved: Array,
) -> None:
    """Compute where joints move a point, one row after another.

    A robot has one row and runs these lines as they are; a simulation compiles them.

    Args:
        joint_position: (n, joints), rad or m.
        places: where in a row each joint of the chain stands, tip to base, (chain,).
        slides: which of them are sliding joints, (chain,).
        axis: their axes with all joints at 0, (chain, 3).
        anchor: a point on each axis, (chain, 3), m.
        tip: the point with all joints at 0, (3,), m.
        moved: written: the point, (n, 3), m.
    """
    for row in range(joint_position.shape[0]):
        x, y, z = tip[0], tip[1], tip[2]
        for k in range(places.shape[0]):
            value = joint_position[row, places[k]]
            ux, uy, uz = axis[k, 0], axis[k, 1], axis[k, 2]
            if slides[k]:
                x, y, z = x + value * ux, y + value * uy, z + value * uz
                continue
            # sin(q) and 1 - cos(q) from tan(q/2), in a third of the time that these two take
            tangent = math.tan(0.5 * value)
            sine = 2.0 * tangent / (1.0 + tangent * tangent)
            versine = sine * tangent
            px, py, pz = x - anchor[k, 0], y - anchor[k, 1], z - anchor[k, 2]
            # Rodrigues: R = 1 + sin(q) [axis] + (1 - cos(q)) [axis]^2
            ax, ay, az = uy * pz - uz * py, uz * px - ux * pz, ux * py - uy * px
            x += sine * ax + versine * (uy * az - uz * ay)
            y += sine * ay + versine * (uz * ax - ux * az)
            z += sine * az + versine * (ux * ay - uy * ax)
        moved[row, 0], moved[row, 1], moved[row, 2] = x, y, z


class ForwardKinematics:
    """End-effector position from joint positions."""

    def __init__(
        self,
        kinematics: Kinematics,
        joint_names: tuple[str, ...],
        *,
        loop: Callable[..., None] = move_tip,
    ) -> None:
        """Prepare the chain.

        Args:
            kinematics: the chain, base to tip.
            joint_names: order of the joint vectors that will be passed.
            loop: `move_tip`, or the same compiled.

        Raises:
            ContractError: a joint of the chain is not among `joint_names`.
        """
        missing = [s.joint for s in kinematics.screws if s.joint not in joint_names]
        if missing:
            raise ContractError(f"kinematics name joints that the contract lacks: {missing}")
        self._loop = loop
        chain = kinematics.screws[::-1]
        self._chain = (
            np.array([joint_names.index(screw.joint) for screw in chain], dtype=np.intp),
            np.array([screw.kind == "slide" for screw in chain], dtype=np.bool_),
            np.array([screw.axis for screw in chain]).reshape(-1, 3),
            np.array([screw.anchor_m for screw in chain]).reshape(-1, 3),
            np.array(kinematics.end_effector_m),
        )

    def end_effector_position(self, joint_position: Array) -> Array:
        """Return the end effector's position.

        Args:
            joint_position: shape (..., joints), rad or m.

        Returns:
            Position in the base frame, shape (..., 3), m. A row's result does not depend on the
            other rows, to the last bit.
        """
        shape = joint_position.shape
        rows = np.ascontiguousarray(joint_position, dtype=np.float64).reshape(-1, shape[-1])
        moved = np.empty((len(rows), 3))
        self._loop(rows, *self._chain, moved)
        return moved.reshape(*shape[:-1], 3)
