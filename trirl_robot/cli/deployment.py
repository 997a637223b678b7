"""What came of a deployment, from the files that the graph left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import DeploymentError
from trirl_robot.evaluation.statistics import Interval, wilson
from trirl_robot.files import write_text_atomically
from trirl_robot.model_file import ModelFile

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CANDIDATES = 3
"""How many of the latest cycles a received command may come from."""


@dataclass(frozen=True, kw_only=True)
class DeployResult:
    """Figures of a deployment; the rest is in the files of `output`."""

    output: Path
    """Folder with deploy.json, trace.npz (every cycle) and hardware.npz (states and commands)."""
    success_rate: Interval
    """Share of successful reaches, with its 95 % interval."""
    reaches: list[dict[str, Any]]
    """One row a reach: target, success, errors, drawn dynamics, reason of a latch."""
    action_difference: float
    """Largest difference between onnxruntime's action here and the one on the wire."""
    command_difference: float
    """Largest difference between a command that was sent and the one that arrived [rad]."""
    cycles: int
    """Control cycles that were recorded."""
    asked_cycles: int
    """Those in which the policy was asked and answered with numbers; only they are compared."""
    nonfinite_actions: int
    """Those in which it was asked and an action was NaN or infinite."""
    jitter_p50_s: float
    """Median lateness of a cycle's start [s]."""
    jitter_p99_s: float
    """99 % quantile of the lateness [s]."""
    inference_p50_s: float
    """Median time of the policy [s]."""
    latches: int
    """Reaches in which the node made a protective stop."""

    def asked(self) -> tuple[Array, Array]:
        """Return the `asked_cycles`: observations (T, n) and finite actions (T, m)."""
        with np.load(self.output / "trace.npz") as trace:
            _, answered = _asked_and_answered(trace)
            return trace["observation"][answered], trace["action"][answered]


def read_result(output: Path, model: ModelFile) -> DeployResult:
    """Read what the graph wrote and compare it with the model.

    Args:
        output: folder of the deployment.
        model: the policy that ran.

    Raises:
        DeploymentError: a file is missing, or nothing was recorded.
    """
    rows = json.loads(_existing(output / "reaches.json").read_text(encoding="utf-8"))
    with (
        np.load(_existing(output / "trace.npz")) as trace,
        np.load(_existing(output / "hardware.npz")) as hardware,
    ):
        asked, answered = _asked_and_answered(trace)
        if not rows or not answered.any():
            raise DeploymentError(
                f"{output}: the graph recorded {len(rows)} reaches and {int(answered.sum())} "
                f"finite actions; see {output / 'logs'}"
            )
        # between two reaches the arm is driven to its start pose, and not by the policy
        moving = _within(hardware["command_stamp_s"], rows)
        return DeployResult(
            output=output,
            success_rate=wilson(sum(row["success"] for row in rows), len(rows)),
            reaches=rows,
            action_difference=_action_difference(
                model, trace["observation"][answered], trace["action"][answered]
            ),
            command_difference=_command_difference(
                trace["stamp_s"],
                trace["command"],
                hardware["command_stamp_s"][moving],
                hardware["command"][moving],
            ),
            cycles=len(asked),
            asked_cycles=int(answered.sum()),
            nonfinite_actions=int((asked & ~answered).sum()),
            jitter_p50_s=float(np.quantile(trace["late_s"], 0.5)),
            jitter_p99_s=float(np.quantile(trace["late_s"], 0.99)),
            inference_p50_s=float(np.median(trace["inference_s"][asked])),
            latches=sum(bool(row["latched"]) for row in rows),
        )


def write_result(result: DeployResult, model: ModelFile, randomisation: str, seed: int) -> Path:
    """Write `deploy.json`, atomically; return its path.

    Raises:
        DeploymentError: the graph did not say with which parameters its nodes ran.
    """
    parameters = _existing(result.output / "node_parameters.json").read_text(encoding="utf-8")
    document = {
        "policy": {
            "file": model.path.name,
            "sha256": model.sha256,
            "contract_sha256": model.contract.sha256,
        },
        "randomisation": randomisation,
        "seed": seed,
        "node_parameters": json.loads(parameters),
        **{k: v for k, v in asdict(result).items() if k not in ("output", "reaches")},
        "reaches": result.reaches,
    }
    path = result.output / "deploy.json"
    write_text_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
    return path


def _asked_and_answered(trace: Mapping[str, Array]) -> tuple[Mask, Mask]:
    """Return in which cycles the policy was asked, and in which its answer was finite, (T,)."""
    asked = np.asarray(np.isfinite(trace["observation"]).all(axis=1))
    return asked, np.asarray(asked & np.isfinite(trace["action"]).all(axis=1))


def _action_difference(model: ModelFile, observation: Array, action: Array) -> float:
    # one at a time, as on the robot: in a batch the order of additions differs
    expected = np.concatenate([model.run(observation=row[None]) for row in observation])
    return float(np.max(np.abs(expected - action)))


def _command_difference(sent_s: Array, sent: Array, received_s: Array, received: Array) -> float:
    """Compare each received command with the nearest of those sent just before it."""
    latest = np.searchsorted(sent_s, received_s, side="right") - 1
    # commands from before or after the recorded cycles cannot be compared
    known = (latest >= CANDIDATES - 1) & (received_s <= sent_s[-1])
    if not known.any():
        raise DeploymentError("the hardware received no command while the trace was recorded")
    candidates = sent[latest[known, None] - np.arange(CANDIDATES)]
    difference = np.abs(candidates - received[known, None]).max(axis=2)
    return float(difference.min(axis=1).max())


def _within(stamp_s: Array, reaches: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """Return which stamps lie within a reach, shape of `stamp_s`."""
    inside = np.zeros(stamp_s.shape, dtype=np.bool_)
    for reach in reaches:
        inside |= (stamp_s >= reach["start_stamp_s"]) & (stamp_s <= reach["end_stamp_s"])
    return inside


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DeploymentError(
            f"{path}: the graph did not write this file; see {path.parent / 'logs'}"
        )
    return path
