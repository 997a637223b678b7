"""Measured signals to the observation vector, one code path for simulation, recorder and robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ContractError
from trirl_robot.kinematics import ForwardKinematics

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What is known at the start of a control cycle, for one robot or a batch of them."""

    joint_position: Array
    """Measured positions, shape (..., joints), rad or m."""
    joint_velocity: Array
    """Measured velocities, shape (..., joints), rad/s or m/s."""
    joint_command: Array
    """Last commanded positions, shape (..., joints), rad or m."""
    previous_action: Array
    """Last action, shape (..., actions), in [-1, 1]."""
    target_position: Array
    """Target in the base frame, shape (..., 3), m."""
    end_effector_position: Array | None = None
    """End effector's position for the measured joints, base frame, (..., 3), m; None to have it
    computed."""
    object_position: Array | None = None
    """Measured position of the object that the task is about, base frame, (..., 3), m."""
    object_orientation: Array | None = None
    """Its measured orientation, unit quaternion wxyz, base frame, (..., 4)."""


class ObservationBuilder:
    """Builds the observation vector that a contract describes.

    Raises:
        ContractError: a field is known to the simulation alone.
    """

    def __init__(self, contract: PolicyContract) -> None:
        unknown = [f.name for f in contract.observation if f.source == "simulation"]
        if unknown:
            raise ContractError(
                f"the policy for '{contract.robot}' reads {', '.join(unknown)}, which the "
                "simulation alone knows and no robot measures; run it in simulation"
            )
        self._fields = contract.observation
        self._scale = np.repeat([f.scale for f in self._fields], [f.size for f in self._fields])
        self._kinematics = (
            None
            if contract.kinematics is None
            else ForwardKinematics(contract.kinematics, contract.joint_names)
        )

    def build(self, signals: Signals) -> Array:
        """Return the observation vector.

        Args:
            signals: see `Signals`; all with the same leading shape.

        Returns:
            Observation in SI units, shape (..., n), float64.

        Raises:
            ContractError: the contract has a field of an object, and none is among the signals.
        """
        sources = {
            "joint_position": signals.joint_position,
            "joint_velocity": signals.joint_velocity,
            "joint_command": signals.joint_command,
            "previous_action": signals.previous_action,
            "target_position": signals.target_position,
        }
        end_effector = signals.end_effector_position
        if end_effector is None and self._kinematics is not None:
            end_effector = self._kinematics.end_effector_position(signals.joint_position)
        if end_effector is not None:
            sources["end_effector_position"] = end_effector
            sources["end_effector_to_target"] = signals.target_position - end_effector
        if signals.object_position is not None:
            sources["object_position"] = signals.object_position
            sources["object_to_target"] = signals.target_position - signals.object_position
            if end_effector is not None:
                sources["end_effector_to_object"] = signals.object_position - end_effector
        if signals.object_orientation is not None:
            sources["object_orientation"] = signals.object_orientation
        for field in self._fields:
            if field.source not in sources:
                raise ContractError(
                    f"the policy reads '{field.name}' ({field.source}), and nothing measures that "
                    "here; give it a camera that sees the object, or choose another policy"
                )
        parts = [sources[field.source] for field in self._fields]
        observation: Array = np.concatenate(parts, axis=-1, dtype=np.float64)
        observation *= self._scale
        return observation
