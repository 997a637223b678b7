"""What a run is asked to do, resolved to plain values."""

from __future__ import annotations

from dataclasses import dataclass

from trirl_robot.config import require
from trirl_robot.runs.algorithms import AlgorithmConfig
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.tasks.registry import TaskConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run's result, beside the software's versions."""

    demonstrations: str | None
    """HDF5 file of the demonstrations, relative to the run folder; None for a learner without."""
    demonstrations_sha256: str | None
    """SHA-256 of that file; a resumed run refuses another."""
    episodes: int | None = None
    """Demonstrations that are learnt from, the first of the file; None for all."""
    keep_every: int = 1
    """One step in this many of each demonstration is learnt from."""
    reward: str | None = None
    """ONNX file of the frozen reward, relative to the run folder; None for a learner without."""
    reward_sha256: str | None = None
    """SHA-256 of that file; a resumed run refuses another."""
    task: TaskConfig
    """The task."""
    randomisation: RandomisationConfig
    """Dynamics that are drawn in training and in the evaluations on the way."""
    algorithm: AlgorithmConfig
    """The learner."""
    seed: int = 0
    """Fixes everything that is drawn."""
    evaluation_episodes: int = 100
    """Episodes of each evaluation on the way."""
    evaluation_every: int = 20
    """Iterations between two evaluations."""
    checkpoint_every: int = 10
    """Iterations between two checkpoints."""

    def __post_init__(self) -> None:
        """Check ranges."""
        counts = ("keep_every", "evaluation_episodes", "evaluation_every", "checkpoint_every")
        require(self, "at least 1", lambda v: v >= 1, *counts)
        require(self, "0 or more", lambda v: v >= 0, "seed")
