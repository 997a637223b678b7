"""What the environments ask of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.moments import Moments
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a control step led to, in N environments."""

    reward: Array
    """The task's own reward, (N,)."""
    terminated: Mask
    """The episode ended in an absorbing state, (N,)."""
    success: Mask
    """The task is fulfilled at this moment, (N,)."""


class Task(ABC):
    """A task for N simulations: start, control, observation, reward and ends.

    A step is `apply`, `simulation.advance(substeps)`, `after_step`, `observe`.
    """

    contract: PolicyContract
    """What a policy reads and commands."""
    simulation: Simulation
    """The simulations."""
    randomiser: Randomiser
    """Their dynamics."""
    random: EpisodeRandom
    """Source of every draw."""
    components: dict[str, tuple[str, ...]]
    """What each number of a field of the observation is, such as a joint or an axis, by field."""
    model_xml: str
    """The scene, from which an episode can be shown again."""
    substeps: int
    """Physics steps in a control step."""
    max_episode_steps: int
    """Control steps after which an episode is truncated."""

    @abstractmethod
    def start(self, ids: Ids) -> None:
        """Draw and write the initial state of new episodes in `ids`."""

    @abstractmethod
    def go_on(self, ids: Ids, moments: Moments) -> None:
        """Let episodes in `ids`, which have just been started, go on from `moments`, one each.

        The dynamics stay those of the start.
        """

    @abstractmethod
    def apply(self, action: Array) -> None:
        """Set the controls for actions (N, m) in [-1, 1]."""

    @abstractmethod
    def after_step(self) -> Outcome:
        """Measure, once a control step; return reward, termination and success."""

    @abstractmethod
    def observe(self, rows: Ids | slice = slice(None)) -> Array:
        """Return a new array of the observations of some environments, (n, observation size)."""

    @property
    def advance_stage(self) -> int:
        """`mjtStage` up to which MuJoCo computes derived fields after each control step."""
        return 0

    @property
    def target_position(self) -> Array:
        """Targets in the base frame, (N, 3), m; NaN for a task that has none."""
        return np.full((self.simulation.num_envs, 3), np.nan)

    def distance(self) -> Array:
        """Return how far from fulfilled the task is, (N,), m; NaN where that is no distance."""
        return np.full(self.simulation.num_envs, np.nan)

    @abstractmethod
    def get_state(self) -> dict[str, Any]:
        """Return everything beside simulation and random numbers that `set_state` needs."""

    @abstractmethod
    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned; the simulation is restored before."""
