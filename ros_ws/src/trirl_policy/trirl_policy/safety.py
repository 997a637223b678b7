"""What outlives a policy: the latched fault and the emergency stop."""

from __future__ import annotations

from dataclasses import dataclass

from trirl_policy.faults import Fault, FaultKind
from trirl_robot.errors import DeploymentError


@dataclass(kw_only=True)
class SafetyState:
    """Latch and emergency stop of a node; loading another policy changes neither."""

    fault: Fault | None = None
    """Cause of the latch; None when nothing is latched."""
    pressed: bool = False
    """Whether the emergency stop is pressed, as it said last."""
    heard_s: float | None = None
    """Monotonic time of its last message [s]; None when it has never been heard."""

    def latch(self, fault: Fault) -> bool:
        """Keep the first cause, later ones are consequences; return whether it is this one."""
        if self.fault is not None:
            return False
        self.fault = fault
        return True

    def on_emergency_stop(self, pressed: bool, now_s: float) -> Fault | None:
        """Take a message of the emergency stop; return the fault that a pressed one is."""
        self.pressed, self.heard_s = pressed, now_s
        if not pressed:
            return None
        return Fault(
            kind=FaultKind.EMERGENCY_STOP,
            message="the emergency stop was pressed; release it, reset and activate again",
        )

    def heartbeat(self, now_s: float, limit_s: float) -> Fault | None:
        """Return a fault when the emergency stop has been silent for more than `limit_s`; 0: never.

        Args:
            now_s: monotonic time [s].
            limit_s: longest silence [s].
        """
        if limit_s == 0.0:
            return None
        silence_s = float("inf") if self.heard_s is None else now_s - self.heard_s
        if silence_s <= limit_s:
            return None
        return Fault(
            kind=FaultKind.HEARTBEAT_LOST,
            message=f"the emergency stop has been silent for {silence_s:.3f} s, expected a message "
            f"every {limit_s:.3f} s",
        )

    def reset(self) -> None:
        """Clear the latch.

        Raises:
            DeploymentError: the emergency stop is still pressed.
        """
        if self.pressed:
            raise DeploymentError("the emergency stop is still pressed; release it first")
        self.fault = None
