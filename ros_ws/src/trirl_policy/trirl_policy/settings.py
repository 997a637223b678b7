"""Thresholds of the safety core, validated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trirl_robot.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """When the core holds, stops and latches; each field is a parameter of the node."""

    mode: Literal["command", "shadow"] = "command"
    """`shadow` computes and publishes what it would do, and commands nothing."""
    ramp_s: float = 0.5
    """Time after activation over which actions grow from zero to their full size [s]."""
    joint_state_timeout_s: float = 0.2
    """Oldest joint state that is acted on [s]."""
    target_timeout_s: float = 1.0
    """Oldest target that is acted on [s]; 0 for a target that never ages."""
    target_stale: Literal["hold", "latch"] = "hold"
    """What an old target leads to."""
    emergency_stop_timeout_s: float = 0.0
    """Longest silence of the emergency-stop topic [s]; 0 when it has no heartbeat."""
    tracking_error: float = 0.8
    """Greatest distance between a joint and its command [rad or m]."""
    tracking_error_cycles: int = 5
    """Consecutive cycles with a greater tracking error that latch."""
    nonfinite_action_cycles: int = 3
    """Consecutive actions with a NaN or infinity that latch; each is dropped."""
    clipped_action_cycles: int = 25
    """Consecutive actions outside [-1, 1] that latch; each is clipped."""
    limited_cycles: int = 125
    """Consecutive commands limited in position, velocity or acceleration that latch."""
    deadline_misses: int = 10
    """Missed deadlines within the window that latch."""
    deadline_window_cycles: int = 50
    """Cycles over which missed deadlines are counted."""
    activation_margin: float = 0.1
    """Greatest distance of a joint beyond its limits at which activation is accepted [rad or m]."""

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        may_be_zero = ("ramp_s", "target_timeout_s", "emergency_stop_timeout_s")
        for name, value in vars(self).items():
            if isinstance(value, str):
                continue
            least = 0 if name in may_be_zero else 1 if isinstance(value, int) else 1e-6
            if not math.isfinite(value) or value < least:
                raise ConfigError(f"{name} is {value}, expected at least {least:g}")
        if self.deadline_misses > self.deadline_window_cycles:
            raise ConfigError(
                f"deadline_misses is {self.deadline_misses}, more than the "
                f"{self.deadline_window_cycles} cycles of deadline_window_cycles: it never latches"
            )
