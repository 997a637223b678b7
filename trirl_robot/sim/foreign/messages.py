"""What the processes tell of a task of dm_control and its steps, and the contract of the task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import CONTRACT_VERSION, ActionField, ObservationField, PolicyContract

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a task of dm_control reads and commands."""

    fields: tuple[tuple[str, int], ...]
    """Names and sizes of what is observed."""
    actuators: tuple[str, ...]
    """Names of the actuators."""
    action_min: tuple[float, ...]
    """Least controls, one an actuator."""
    action_max: tuple[float, ...]
    """Greatest controls, one an actuator."""
    control_period_s: float
    """Time between two steps [s]."""
    time_limit_steps: int
    """Steps in an episode that nothing ends before."""


@dataclass(frozen=True, kw_only=True)
class GroupStep:
    """What one step of k environments led to."""

    observation: Array
    """Observations, (k, n); zero where the simulation diverged."""
    reward: Array
    """Rewards, (k,)."""
    last: Mask
    """Episodes that have ended, (k,)."""
    discount: Array
    """Discounts, (k,); 0 where the episode ended in an absorbing state."""
    diverged: Mask
    """Simulations that diverged, (k,)."""


def contract_of(name: str, description: Description) -> PolicyContract:
    """Return the contract of a task: its observations come from the simulation alone.

    An action of -1 or 1 is the lower or upper end of an actuator's control range.
    """
    ranges = list(zip(description.action_min, description.action_max, strict=True))
    return PolicyContract(
        contract_version=CONTRACT_VERSION,
        robot=name,
        joint_names=description.actuators,
        observation=tuple(
            ObservationField(name=field, size=size, unit="1", source="simulation")
            for field, size in description.fields
        ),
        action=(
            ActionField(
                name="actuator_control",
                size=len(ranges),
                kind="actuator_control",
                unit="1",
                scale=tuple((high - low) / 2.0 for low, high in ranges),
                offset=tuple((high + low) / 2.0 for low, high in ranges),
            ),
        ),
        control_rate_hz=1.0 / description.control_period_s,
        limits=(),
        default_joint_positions=(0.0,) * len(ranges),
        kinematics=None,
        gripper=None,
    )
