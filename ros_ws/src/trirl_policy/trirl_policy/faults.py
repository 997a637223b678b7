"""Faults: what went wrong, in a word for programs and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Causes of a protective stop."""

    JOINT_STATE_STALE = "joint_state_stale"
    JOINT_STATE_INCOMPLETE = "joint_state_incomplete"
    JOINT_STATE_NOT_FINITE = "joint_state_not_finite"
    JOINT_STATE_TIME_BACKWARDS = "joint_state_time_backwards"
    ACTION_NOT_FINITE = "action_not_finite"
    ACTION_OUT_OF_RANGE = "action_out_of_range"
    COMMAND_LIMITED = "command_limited"
    TRACKING_ERROR = "tracking_error"
    DEADLINES_MISSED = "deadlines_missed"
    TARGET_STALE = "target_stale"
    EMERGENCY_STOP = "emergency_stop"
    HEARTBEAT_LOST = "heartbeat_lost"
    INTERNAL_ERROR = "internal_error"


DECELERATING = (
    FaultKind.TRACKING_ERROR,
    FaultKind.EMERGENCY_STOP,
    FaultKind.HEARTBEAT_LOST,
    FaultKind.TARGET_STALE,
    FaultKind.ACTION_OUT_OF_RANGE,
    FaultKind.COMMAND_LIMITED,
)
"""Faults after which the command brakes within the acceleration limit; after the others nothing is
known about the arm, and the last commanded pose is held at once."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One cause of a protective stop."""

    kind: FaultKind
    """The cause."""
    message: str
    """What was got, what was expected."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"
