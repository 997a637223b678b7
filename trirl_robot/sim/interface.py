"""What learners and evaluations ask of environments, however these are simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.sim.randomisation.events import Event

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

PHASES = 16
"""Groups of environments that begin their episodes together, once they are staggered."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a batch of environments stands among those that several processes simulate together.

    An environment draws the same and has the same age, whichever process simulates it.
    """

    first: int
    """Number of the batch's first environment."""
    total: int
    """Environments of all processes."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step of N environments returns; n observation values each."""

    observation: Array
    """Observation to act on next, (N, n): of a new episode where one has ended."""
    final_observation: Array
    """Observation that the action led to, (N, n): the last of its episode where one has ended, and
    the one before the action where the simulation diverged."""
    reward: Array
    """The task's own reward, (N,); for evaluation, never for imitation."""
    terminated: Mask
    """The episode ended in an absorbing state, (N,)."""
    truncated: Mask
    """The episode ended because of its time limit, (N,)."""
    success: Mask
    """The task is fulfilled at this moment, (N,); counts when the episode ends."""

    @property
    def done(self) -> Mask:
        """The episode ended, (N,)."""
        return self.terminated | self.truncated


class Environments(Protocol):
    """N environments of one task, stepped together.

    `BatchEnv` holds the tasks of this project, `DmControlEnv` those of dm_control.
    """

    num_envs: int
    """Number of environments N."""
    autoreset: bool
    """Whether a new episode starts within the step in which one ends."""
    num_diverged: int
    """Simulations that have diverged so far; each was reset."""
    contract: PolicyContract
    """What a policy reads and commands."""

    @property
    def max_episode_steps(self) -> int:
        """Steps in an episode that nothing ends before."""

    @property
    def target_position(self) -> Array:
        """Targets in the base frame, (N, 3), m; NaN for a task that has none."""

    def distance(self) -> Array:
        """Return how far from fulfilled the task is, (N,), m; NaN where that is no distance."""

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the dynamics drawn for one environment, by `quantity/object`."""

    def events(self, sim: int) -> list[Event]:
        """Return what was drawn within one environment's present episode, up to now."""

    def episode_key(self, sim: int) -> EpisodeKey:
        """Return what names the random numbers of one environment's present episode."""

    def reseed(self, seed: int) -> None:
        """Fix everything that is drawn from the next reset on."""

    def reset(self, ids: Ids | None = None) -> Array:
        """Start new episodes in `ids` (all by default); return every observation, (N, n)."""

    def stagger(self) -> None:
        """Spread the episodes' ages evenly, so that environments do not end together."""

    def step(self, action: Array) -> Step:
        """Advance by one control period, for actions (N, m) in [-1, 1]; others are clipped."""

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""


def staggered_ages(
    num_envs: int, max_episode_steps: int, place: Place | None = None
) -> NDArray[np.int64]:
    """Return ages that spread evenly over an episode, (N,), in at most `PHASES` groups.

    A reset costs mostly by the call and little by the environment, so that environments which
    begin their episodes in groups step faster than such as begin them one by one.

    Args:
        num_envs: number of environments N.
        max_episode_steps: steps in an episode.
        place: which they are, of those of several processes; None where there are no others.
    """
    first, total = (place.first, place.total) if place else (0, num_envs)
    phases = min(total, PHASES)
    return (first + np.arange(num_envs)) % phases * max_episode_steps // phases
