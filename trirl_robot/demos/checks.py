"""Quality of demonstrations: what goes wrong in recordings without anybody noticing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trirl_robot.contract import PolicyContract
from trirl_robot.demos.schema import Array, Demonstration

SATURATED = 0.999
"""An action of at least this size is at its limit."""
IDLE = 0.02
"""A step whose actions are all smaller than this is idle."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Figures about one demonstration."""

    success: bool
    """The task's own criterion was met at the end."""
    steps: int
    """Number of steps."""
    duration_s: float
    """Time from the first observation to the last one, as measured [s]."""
    rate_hz: float
    """Control rate achieved, as measured [Hz]; NaN with fewer than two steps."""
    late_share: float
    """Share of the cycles that missed their deadline."""
    dropped_cycles: int
    """Control periods that were skipped."""
    saturated_share: float
    """Share of the steps at which an action was at its limit."""
    idle_share: float
    """Share of the steps at which nothing was commanded."""
    jerk: float
    """Root mean square third difference of the joint positions [rad/s^3 or m/s^3]; NaN without."""
    constant_features: tuple[str, ...]
    """Observation values that never changed, such as `joint_position[3]`."""


def quality(demo: Demonstration, contract: PolicyContract) -> Quality:
    """Return figures about one demonstration.

    Args:
        demo: a demonstration of at least one step.
        contract: its contract.
    """
    elapsed_s = float(demo.observation_ns[-1] - demo.observation_ns[0]) * 1e-9
    intervals = len(demo) - 1
    size = np.abs(demo.action).max(axis=1, initial=0.0)
    return Quality(
        success=demo.outcome == "success",
        steps=len(demo),
        duration_s=elapsed_s,
        rate_hz=intervals / elapsed_s if elapsed_s > 0 else float("nan"),
        late_share=demo.late_cycles / len(demo),
        dropped_cycles=demo.dropped_cycles,
        saturated_share=float((size >= SATURATED).mean()),
        idle_share=float((size < IDLE).mean()),
        jerk=_jerk(demo, contract),
        constant_features=constant_features([demo], contract),
    )


def constant_features(demos: Sequence[Demonstration], contract: PolicyContract) -> tuple[str, ...]:
    """Return the observation values that never change over all of `demos`."""
    observation = np.concatenate([demo.observation for demo in demos])
    spread = np.ptp(observation, axis=0)
    return tuple(
        f"{name}[{index - place.start}]"
        for name, place in contract.observation_slices.items()
        for index in range(place.start, place.stop)
        if spread[index] == 0.0
    )


def warnings(figures: Quality, contract: PolicyContract) -> list[str]:
    """Return what is worth a second look, one short sentence each; empty when nothing is."""
    wanted = contract.control_rate_hz
    found = []
    if figures.saturated_share > 0.2:
        found.append(f"actions at their limit in {figures.saturated_share:.0%} of the steps")
    if figures.idle_share > 0.5:
        found.append(f"nothing commanded in {figures.idle_share:.0%} of the steps")
    if figures.late_share > 0.05:
        found.append(f"{figures.late_share:.0%} of the cycles late")
    if figures.dropped_cycles:
        found.append(f"{figures.dropped_cycles} control periods skipped")
    if figures.rate_hz < 0.95 * wanted:
        found.append(f"{figures.rate_hz:.1f} Hz achieved of {wanted:g} Hz")
    return found


def _jerk(demo: Demonstration, contract: PolicyContract) -> float:
    """Return the root mean square jerk of the measured joint positions."""
    field = next((f for f in contract.observation if f.source == "joint_position"), None)
    if field is None or len(demo) < 4:
        return float("nan")
    place = contract.observation_slices[field.name]
    position: Array = demo.observation[:, place] / field.scale
    jerk = np.diff(position, n=3, axis=0) * contract.control_rate_hz**3
    return float(np.sqrt((jerk**2).mean()))
