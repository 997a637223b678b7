"""What one control cycle came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Phase(StrEnum):
    """What the core is doing."""

    INACTIVE = "inactive"
    HOLDING = "holding"
    RAMPING = "ramping"
    RUNNING = "running"
    LATCHED = "latched"


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """Outcome of one control cycle."""

    phase: Phase
    """What the core did."""
    observation: Array
    """What the policy read, (n,), as the model got it; NaN when it was not asked."""
    action: Array
    """What the policy answered, (m,); NaN when it was not asked."""
    command: Array
    """Joint positions to command, or in shadow mode what would be commanded, (joints,)."""
    inference_s: float
    """Time that the policy took [s]."""
