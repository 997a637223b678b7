"""What a recording session needs of an arm, simulated or real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Everything known at one instant; n observation values, J joints."""

    observation: Array
    """Observation vector of the contract, shape (n,), SI units."""
    observation_ns: int
    """When it was taken, monotonic clock [ns]."""
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
    state: Array
    """Simulation state [time, qpos, qvel], shape (k,); empty on a real arm."""
    reward: float
    """The task's own reward for what led here; 0 on a real arm."""
    terminated: bool
    """The episode has ended in an absorbing state."""
    truncated: bool
    """The episode's time is over."""
    success: bool
    """The task is fulfilled at this moment."""


@dataclass(frozen=True, kw_only=True)
class EpisodeStart:
    """What is fixed for one episode."""

    task_parameters: Mapping[str, Any]
    """Parameters of this episode; plain JSON data."""
    dynamics: Mapping[str, Any]
    """Dynamics drawn, by name; empty on a real arm."""
    model_xml: str
    """Model in which states can be replayed; empty on a real arm."""
    state_size: int
    """Length of `Sample.state`."""


class Backend(Protocol):
    """An arm with a task; the session alternates `observe` and `command` at the control rate."""

    contract: PolicyContract
    """Contract of the task."""
    task: str
    """Name of the task."""
    max_episode_steps: int
    """Control cycles in an episode."""

    def begin_episode(self) -> EpisodeStart:
        """Put the arm and the task into the start of an episode."""

    def observe(self) -> Sample:
        """Return what is known now."""

    def command(self, action: Array) -> None:
        """Send the command that an action in [-1, 1] stands for, shape (m,)."""

    def close(self) -> None:
        """Release the arm."""
