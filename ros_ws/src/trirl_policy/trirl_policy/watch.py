"""Counters that turn a passing trouble into a fault when it persists."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_policy.faults import Fault, FaultKind
from trirl_policy.settings import Settings
from trirl_robot.command import LimitedCommand

Array = NDArray[np.float64]


@dataclass(kw_only=True)
class Counts:
    """What has happened since the node was configured."""

    cycles: int = 0
    """Control cycles while active."""
    deadline_misses: int = 0
    """Cycles that began or ended too late."""
    clipped_actions: int = 0
    """Actions outside [-1, 1]."""
    nonfinite_actions: int = 0
    """Actions with a NaN or infinity, dropped."""
    position_limited: int = 0
    """Commands limited in position."""
    velocity_limited: int = 0
    """Commands limited in velocity."""
    acceleration_limited: int = 0
    """Commands limited in acceleration."""
    latches: int = 0
    """Protective stops."""
    refused_messages: int = 0
    """Messages with wrong sizes, names or values, refused."""


class Watch:
    """Counts troubles by cycle; each method returns a fault once its threshold is reached."""

    def __init__(self, settings: Settings, joint_names: tuple[str, ...], counts: Counts) -> None:
        self._settings = settings
        self._names = joint_names
        self._counts = counts
        self.clear()

    def clear(self) -> None:
        """Forget what was counted in a row, for a new activation."""
        self._late: deque[bool] = deque(maxlen=self._settings.deadline_window_cycles)
        self._tracking = 0
        self._nonfinite = 0
        self._clipped = 0
        self._limited = 0

    def deadline(self, missed: bool) -> Fault | None:
        """Count a cycle that was on time or not."""
        self._late.append(missed)
        self._counts.deadline_misses += missed
        if sum(self._late) < self._settings.deadline_misses:
            return None
        return Fault(
            kind=FaultKind.DEADLINES_MISSED,
            message=f"{sum(self._late)} of the last {len(self._late)} cycles missed their "
            f"deadline, expected fewer than {self._settings.deadline_misses}; is the computer "
            "overloaded?",
        )

    def tracking(self, measured: Array, command: Array) -> Fault | None:
        """Compare joints with their commands, both (joints,)."""
        error = np.abs(measured - command)
        worst = int(np.argmax(error))
        self._tracking = self._tracking + 1 if error[worst] > self._settings.tracking_error else 0
        if self._tracking < self._settings.tracking_error_cycles:
            return None
        return Fault(
            kind=FaultKind.TRACKING_ERROR,
            message=f"{self._names[worst]} is {error[worst]:.3f} away from its command, expected "
            f"at most {self._settings.tracking_error:.3f}; is the arm blocked or unpowered?",
        )

    def nonfinite(self, bad: bool) -> Fault | None:
        """Count an action that was finite or not."""
        self._nonfinite = self._nonfinite + 1 if bad else 0
        self._counts.nonfinite_actions += bad
        if self._nonfinite < self._settings.nonfinite_action_cycles:
            return None
        return Fault(
            kind=FaultKind.ACTION_NOT_FINITE,
            message=f"the policy returned NaN or infinity {self._nonfinite} times in a row",
        )

    def limits(self, command: LimitedCommand) -> Fault | None:
        """Count the limits that a command met."""
        clipped = bool(command.action_clipped.any())
        met = {
            "position": bool(command.position_limited.any()),
            "velocity": bool(command.velocity_limited.any()),
            "acceleration": bool(command.acceleration_limited.any()),
        }
        self._counts.clipped_actions += clipped
        self._counts.position_limited += met["position"]
        self._counts.velocity_limited += met["velocity"]
        self._counts.acceleration_limited += met["acceleration"]
        self._clipped = self._clipped + 1 if clipped else 0
        self._limited = self._limited + 1 if any(met.values()) else 0
        if self._clipped >= self._settings.clipped_action_cycles:
            return Fault(
                kind=FaultKind.ACTION_OUT_OF_RANGE,
                message=f"the policy returned actions outside [-1, 1] {self._clipped} times in a "
                "row",
            )
        if self._limited >= self._settings.limited_cycles:
            names = ", ".join(name for name, hit in met.items() if hit)
            return Fault(
                kind=FaultKind.COMMAND_LIMITED,
                message=f"{self._limited} commands in a row met a limit (now: {names})",
            )
        return None
