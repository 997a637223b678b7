"""Reaches through ROS: what is asked, what the arm did, and whether it counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import from_mapping
from trirl_robot.errors import ConfigError, DeploymentError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Goals:
    """What is asked of the arm, as a JSON file."""

    duration_s: float
    """Time for each reach [s]."""
    hold_s: float
    """Time at the end of a reach over which the end effector must be at the target [s]."""
    radius_m: float
    """Greatest distance to the target that counts as there [m]."""
    targets_m: tuple[tuple[float, float, float], ...]
    """Targets in the base frame [m], one a reach."""
    starts: tuple[tuple[float, ...], ...] = ()
    """Start poses in the contract's order [rad or m], one a reach; without any, each reach starts
    where the one before has ended."""

    def __post_init__(self) -> None:
        """Refuse times and sizes without meaning."""
        if not self.targets_m:
            raise ConfigError("targets_m is empty, expected at least one target")
        if self.starts and len(self.starts) != len(self.targets_m):
            raise ConfigError(
                f"got {len(self.starts)} starts for {len(self.targets_m)} targets, expected as many"
            )
        if not 0.0 < self.hold_s <= self.duration_s or self.radius_m <= 0.0:
            raise ConfigError(
                f"expected 0 < hold_s <= duration_s and radius_m > 0, got hold_s {self.hold_s}, "
                f"duration_s {self.duration_s}, radius_m {self.radius_m}"
            )


def read_goals(path: Path) -> Goals:
    """Read goals.

    Raises:
        ConfigError: the file is missing, is not JSON or not of the form of `Goals`.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected goals") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON ({error}); expected goals") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a JSON object of goals")
    return from_mapping(Goals, data, str(path))


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
    goals: Goals, target_m: Array, stamps_s: Array, positions_m: Array, end_s: float
) -> tuple[bool, float, float]:
    """Judge a reach by the true path of the end effector.

    Args:
        goals: hold time and radius.
        target_m: target, shape (3,), m.
        stamps_s: times of the positions, increasing, shape (K,), s.
        positions_m: end-effector positions, shape (K, 3), m.
        end_s: end of the reach, on the clock of `stamps_s`.

    Returns:
        Success, distance at the end and largest distance within the hold time [m].

    Raises:
        DeploymentError: too few positions to judge by.
    """
    inside = (stamps_s >= end_s - goals.hold_s) & (stamps_s <= end_s)
    if inside.sum() < 5:
        raise DeploymentError(
            f"the hardware reported {int(inside.sum())} positions in the last {goals.hold_s} s of "
            "a reach, expected at least 5; did it stop?"
        )
    distance = np.linalg.norm(positions_m[inside] - target_m, axis=1)
    largest = float(distance.max())
    return largest < goals.radius_m, float(distance[-1]), largest
