"""What a demonstration consists of, and the names under which an HDF5 file holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import DatasetError

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Nanoseconds = NDArray[np.int64]

FORMAT = "trirl-demonstrations"
"""Value of the attribute `format` on `/data`."""
FORMAT_VERSION = 1
"""Value of the attribute `format_version` on `/data`."""
VALID_EVERY = 10
"""One demonstration in this many is listed under `mask/valid`, the others under `mask/train`."""

Outcome = Literal["success", "failure", "interrupted"]
"""How an episode ended; `interrupted`: it was cut off before its end."""

MASKS = ("train", "valid")


@dataclass(frozen=True, kw_only=True)
class EpisodeMetadata:
    """What is known when an episode starts."""

    episode_id: str
    """Unique name, by which a recovery sees whether the episode has been stored."""
    task: str
    """Name of the task."""
    task_parameters: Mapping[str, Any]
    """Parameters of this episode, such as the target's position; plain JSON data."""
    dynamics: Mapping[str, Any]
    """Dynamics drawn for this episode, by name; empty on a real robot."""
    model_xml: str
    """MuJoCo model in which `state` can be replayed; empty on a real robot."""
    operator: str
    """Who demonstrated."""
    device: str
    """Name of the device that the operator used."""
    started_utc: str
    """Start of the episode, ISO 8601, UTC."""
    started_ns: int
    """The same instant on the monotonic clock of the timestamps [ns]."""
    versions: Mapping[str, str]
    """Versions of the software, by package."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One control cycle of the episode in progress."""

    observation: Array
    """What was known when the action was chosen, shape (n,), SI units."""
    action: Array
    """The operator's action, shape (m,), in [-1, 1]."""
    next_observation: Array
    """What was known one control period later, shape (n,), SI units."""
    state: Array
    """Simulation state [time, qpos, qvel] before the action, shape (k,); empty on a real robot."""
    reward: float
    """The task's own reward, for evaluation only."""
    terminated: bool
    """The episode ended in an absorbing state."""
    truncated: bool
    """The episode ended because its time was over."""
    observation_ns: int
    """When the observation was taken, monotonic clock [ns]."""
    command_ns: int
    """When the command was sent, monotonic clock [ns]."""
    late: bool
    """The cycle missed its deadline."""
    dropped: int
    """Control periods that were skipped after this cycle because it was too late."""


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A whole recorded episode of T steps."""

    metadata: EpisodeMetadata
    """What was known when the episode started."""
    outcome: Outcome
    """How the episode ended."""
    observation: Array
    """Shape (T, n), SI units."""
    action: Array
    """Shape (T, m), in [-1, 1]; (T, 0) where none are known."""
    next_observation: Array
    """Shape (T, n), SI units."""
    state: Array
    """Shape (T, k); [time, qpos, qvel] before each action."""
    reward: Array
    """Shape (T,)."""
    terminated: Flags
    """Shape (T,)."""
    truncated: Flags
    """Shape (T,)."""
    observation_ns: Nanoseconds
    """Shape (T,), monotonic clock [ns]."""
    command_ns: Nanoseconds
    """Shape (T,), monotonic clock [ns]."""
    late_cycles: int = 0
    """Cycles that missed their deadline."""
    dropped_cycles: int = 0
    """Control periods that were skipped."""
    remark: str = ""
    """Anything a reader should know, such as why the episode was put aside."""

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.action)


def check_demonstration(demo: Demonstration, contract: PolicyContract, where: str) -> None:
    """Refuse a demonstration that cannot be learnt from.

    Args:
        demo: the demonstration.
        contract: sizes of observation and action.
        where: how messages name the demonstration.

    Raises:
        DatasetError: no steps, wrong shapes, non-finite values, actions outside [-1, 1], or
            end-of-episode flags in the wrong place.
    """
    problem = _shape_problem(demo, contract) or _value_problem(demo)
    if problem:
        raise DatasetError(f"{where}: {problem}; record it again or leave it out")


def _shape_problem(demo: Demonstration, contract: PolicyContract) -> str | None:
    steps = len(demo)
    if steps == 0:
        return "it has no steps, expected at least one"
    expected = {
        "observation": (steps, contract.observation_size),
        "next_observation": (steps, contract.observation_size),
        "action": (steps, contract.action_size if demo.action.shape[-1:] != (0,) else 0),
        "state": (steps, demo.state.shape[-1] if demo.state.ndim == 2 else 0),
        **dict.fromkeys(
            ("reward", "terminated", "truncated", "observation_ns", "command_ns"), (steps,)
        ),
    }
    for name, shape in expected.items():
        got = getattr(demo, name).shape
        if got != shape:
            return f"{name} has the shape {got}, expected {shape} from the contract"
    return None


def _value_problem(demo: Demonstration) -> str | None:
    for name in ("observation", "next_observation", "action", "state", "reward"):
        bad = ~np.isfinite(getattr(demo, name))
        if bad.any():
            step = int(np.argwhere(bad)[0][0])
            return f"{name} is not finite at step {step} ({int(bad.sum())} values in all)"
    greatest = float(np.abs(demo.action).max(initial=0.0))
    if greatest > 1.0:
        return f"an action is {greatest:g}, expected values in [-1, 1]"
    ends = demo.terminated | demo.truncated
    if ends[:-1].any():
        return f"step {int(np.argmax(ends))} of {len(demo)} is marked as the end of the episode"
    if not ends[-1] and demo.outcome != "interrupted":
        return "its last step is neither terminated nor truncated"
    return None
