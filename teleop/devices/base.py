"""What a device is, and what an operator sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from teleop.machine import Event, State
from trirl_robot.contract import PolicyContract
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.tasks.registry import TaskConfig

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DeviceContext:
    """What a device may need to know when it is opened."""

    contract: PolicyContract
    """Contract of the task: joints, limits, rate."""
    robot: RobotConfig
    """The robot, for its model."""
    task: TaskConfig
    """The task, for what is to be done."""
    seed: tuple[int, ...]
    """Entropy for devices that draw random numbers."""


@dataclass(frozen=True, kw_only=True)
class DeviceFeatures:
    """What a device delivers."""

    delivers: Literal["joint_position"]
    """Meaning of the values that `Device.command` returns."""
    unattended: bool
    """It decides by itself, without a person: a session may give up when it keeps failing."""


@dataclass(frozen=True, kw_only=True)
class OperatorView:
    """What an operator sees at the start of a control cycle; J joints."""

    step: int
    """Control cycles since the start of the episode."""
    joint_position: Array
    """Measured joint positions, shape (J,), rad or m."""
    joint_command: Array
    """Last commanded joint positions, shape (J,), rad or m."""
    end_effector_position: Array
    """Position computed from `joint_position`, shape (3,), m, base frame."""
    target_position: Array
    """The target, shape (3,), m, base frame."""
    object_position: Array | None = None
    """Measured position of the task's object, shape (3,), m, base frame; None without one."""
    object_orientation: Array | None = None
    """Its measured orientation, unit quaternion wxyz, shape (4,); None without an object."""


class Device(Protocol):
    """A thing with which an operator demonstrates."""

    features: DeviceFeatures
    """What it delivers."""

    def begin(self, view: OperatorView) -> None:
        """Get ready for an episode; called before its first cycle."""

    def command(self, view: OperatorView) -> Array:
        """Return the wish for this cycle, as `features.delivers` says; called once a cycle."""

    def event(self, state: State, success: bool) -> Event | None:
        """Return what the operator wants of the session, or None.

        Args:
            state: the session's state.
            success: in review, whether the task was fulfilled.
        """

    def close(self) -> None:
        """Release the device."""
