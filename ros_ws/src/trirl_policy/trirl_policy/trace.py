"""The trace of a control cycle as a row of numbers, for recording and for checking parity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_policy.cycle import Cycle, Phase
from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ContractError

Array = NDArray[np.float64]

PHASES = tuple(Phase)
"""A phase is sent as its place in this tuple."""
HEADER = ("stamp_s", "cycle", "phase", "late_s", "inference_s")
"""Single numbers at the start of a row; the stamp is the ROS time of the cycle's start [s]."""


@dataclass(frozen=True, kw_only=True)
class TraceRow:
    """One control cycle as it was sent on the trace topic."""

    stamp_s: float
    """ROS time of the cycle's start [s]."""
    cycle: int
    """Number of the cycle since the node was configured."""
    phase: Phase
    """What the core did."""
    late_s: float
    """How much later than its deadline the cycle began [s]."""
    inference_s: float
    """Time that the policy took [s]."""
    observation: Array
    """What the policy read, (n,); NaN when it was not asked."""
    action: Array
    """What it answered, (m,); NaN when it was not asked."""
    command: Array
    """Commanded joint positions, (joints,)."""


def layout(contract: PolicyContract) -> list[tuple[str, int]]:
    """Return name and size of each part of a row, in order."""
    return [
        *((name, 1) for name in HEADER),
        ("observation", contract.observation_size),
        ("action", contract.action_size),
        ("command", len(contract.joint_names)),
    ]


def encode(outcome: Cycle, *, stamp_s: float, cycle: int, late_s: float) -> list[float]:
    """Return the row of a cycle."""
    header = (stamp_s, cycle, PHASES.index(outcome.phase), late_s, outcome.inference_s)
    return [*map(float, header), *outcome.observation, *outcome.action, *outcome.command]


def decode(row: Sequence[float], contract: PolicyContract) -> TraceRow:
    """Read a row.

    Raises:
        ContractError: the row has another length than the contract gives.
    """
    sizes = [size for _, size in layout(contract)]
    if len(row) != sum(sizes):
        raise ContractError(
            f"a trace row has {len(row)} numbers, the contract gives {sum(sizes)}; "
            "record and read with the same policy"
        )
    numbers = np.asarray(row, dtype=np.float64)
    ends = np.cumsum(sizes)[len(HEADER) - 1 : -1]
    header, observation, action, command = np.split(numbers, ends)
    return TraceRow(
        stamp_s=float(header[0]),
        cycle=int(header[1]),
        phase=PHASES[int(header[2])],
        late_s=float(header[3]),
        inference_s=float(header[4]),
        observation=observation,
        action=action,
        command=command,
    )
