"""Reaches through ROS: what is asked, what the arm did, and whether it counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import DeploymentError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """One reach and its score."""

    index: int
    """Number of the reach, from 0."""
    target_m: tuple[float, float, float]
    """Target in the base frame [m]."""
    start_stamp_s: float
    """ROS time at which the target was published [s]."""
    end_stamp_s: float
    """ROS time at which the reach was over [s]."""
    success: bool
    """Whether the end effector was at the target throughout the hold time at the end."""
    final_error_m: float
    """Distance at the end [m]."""
    largest_hold_error_m: float
    """Largest distance within the hold time [m]."""
    dynamics: dict[str, float]
    """The arm's dynamics drawn for this reach, by `quantity/object`."""
    latched: str = ""
    """Why the policy node latched during the reach; empty if it did not."""


def score(
    stamps_s: Array,
    positions_m: Array,
    target_m: Array,
    *,
    end_s: float,
    hold_s: float,
    radius_m: float,
) -> tuple[bool, float, float]:
    """Judge a reach by the true path of the end effector.

    Args:
        stamps_s: times of the positions, increasing, shape (K,), s.
        positions_m: end-effector positions, shape (K, 3), m.
        target_m: target, shape (3,), m.
        end_s: end of the reach, on the clock of `stamps_s`.
        hold_s: time before the end within which every position counts.
        radius_m: greatest distance that counts as there.

    Returns:
        Success, distance at the end and largest distance within the hold time [m].

    Raises:
        DeploymentError: too few positions to judge by.
    """
    inside = (stamps_s >= end_s - hold_s) & (stamps_s <= end_s)
    if inside.sum() < 5:
        raise DeploymentError(
            f"the hardware reported {int(inside.sum())} positions in the last {hold_s} s of a "
            "reach, expected at least 5; did it stop?"
        )
    distance = np.linalg.norm(positions_m[inside] - target_m, axis=1)
    largest = float(distance.max())
    return largest < radius_m, float(distance[-1]), largest
