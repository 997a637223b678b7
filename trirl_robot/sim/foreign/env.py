"""Environments of dm_control with the interface of our own."""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, RunError
from trirl_robot.sim.episode_random import EpisodeKey, EpisodeRandom, Purpose
from trirl_robot.sim.foreign.config import DmControlConfig
from trirl_robot.sim.foreign.messages import contract_of
from trirl_robot.sim.foreign.pool import WorkerPool
from trirl_robot.sim.interface import Place, Step, staggered_ages
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.events import Event

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

logger = logging.getLogger(__name__)


NEEDS_OPENGL = ("dm_control:quadruped-escape",)
"""Tasks that send their terrain to a renderer at each start, whether or not anybody looks."""


class DmControlEnv:
    """N environments of one task of dm_control, shared out to processes.

    Nothing here is batched: dm_control steps one environment after the other in Python, and an
    observation crosses a pipe, so expect a small part of the speed of `BatchEnv`. The processes
    import the main module: a script builds these environments under `if __name__ == "__main__":`.

    An episode is a function of seed, environment and number, as those of our own tasks are.
    dm_control has no state that could be saved whole, so `get_state` returns the controls since
    each episode's start, and `set_state` plays these again: exact, but it takes the time that those
    steps took.
    """

    def __init__(
        self,
        task: DmControlConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        seed: int,
        autoreset: bool = True,
        purpose: Purpose = Purpose.TRAINING,
        place: Place | None = None,
    ) -> None:
        """Start the processes; call `reset` before `step`.

        Args:
            task: the task.
            num_envs: number of environments.
            randomisation: has no effect here; terms that are not optional are refused.
            seed: fixes everything that is drawn.
            autoreset: start a new episode within the step in which one ends.
            purpose: what the environments are for; see `Purpose`.
            place: which they are, of those of several processes; None where there are no others.

        Raises:
            ConfigError: unknown task, one that observes images, or a term that cannot be drawn.
            WorkerError: a process ended.
        """
        if num_envs < 1:
            raise ConfigError(f"num_envs is {num_envs}, expected at least 1")
        _refuse_terms(randomisation)
        self.num_envs = num_envs
        self.autoreset = autoreset
        self.num_diverged = 0
        self.task_config = task
        processes = min(num_envs, task.processes or os.cpu_count() or 1)
        self._shares = np.array_split(np.arange(num_envs), processes)
        self._pool = WorkerPool(_build_group, [(task, len(share)) for share in self._shares])
        _say_that_it_is_slow(task.name)
        (description, *_) = self._pool.call("describe", [()] + [None] * (processes - 1))
        self.contract = contract_of(task.name, description)
        self._max_episode_steps = task.max_episode_steps or description.time_limit_steps
        (action,) = self.contract.action
        self._scale, self._offset = np.array(action.scale), np.array(action.offset)
        self._place = place or Place(first=0, total=num_envs)
        self._random = EpisodeRandom(seed, num_envs, purpose, self._place.first)
        self.elapsed_steps = np.zeros(num_envs, dtype=np.int64)
        self._taken = np.zeros(num_envs, dtype=np.int64)
        self._controls = np.zeros((num_envs, self._max_episode_steps, action.size))
        self._observation = np.zeros((num_envs, self.contract.observation_size))
        self._ended = np.ones(num_envs, dtype=np.bool_)

    @property
    def max_episode_steps(self) -> int:
        """Steps in an episode that nothing ends before."""
        return self._max_episode_steps

    @property
    def target_position(self) -> Array:
        """NaN, (N, 3): where the target is, only the observation may tell."""
        return np.full((self.num_envs, 3), np.nan)

    def distance(self) -> Array:
        """Return NaN, (N,): dm_control measures by reward alone."""
        return np.full(self.num_envs, np.nan)

    def drawn(self, sim: int) -> dict[str, float]:
        """Return nothing: no dynamics are drawn."""
        del sim
        return {}

    def events(self, sim: int) -> list[Event]:
        """Return nothing: no dynamics are drawn."""
        del sim
        return []

    def episode_key(self, sim: int) -> EpisodeKey:
        """Return what names the random numbers of one environment's present episode."""
        return self._random.key(sim)

    def reseed(self, seed: int) -> None:
        """Fix everything that is drawn from the next reset on."""
        self._random.reseed(seed)

    def reset(self, ids: Ids | None = None) -> Array:
        """Start new episodes in `ids` (all by default); return every observation, (N, n)."""
        chosen = np.arange(self.num_envs) if ids is None else np.asarray(ids, dtype=np.intp)
        self._random.begin(chosen)
        self._observation = self._observation.copy()
        self._observation[chosen] = self._begin("reset", chosen)
        self.elapsed_steps[chosen] = 0
        self._taken[chosen] = 0
        self._ended[chosen] = False
        return self._observation

    def stagger(self) -> None:
        """Spread the episodes' ages evenly, so that environments do not end together."""
        self.elapsed_steps[:] = staggered_ages(self.num_envs, self.max_episode_steps, self._place)

    def step(self, action: Array) -> Step:
        """Advance every environment by one control period.

        Args:
            action: shape (N, m), in [-1, 1]; values outside are clipped.

        Raises:
            ConfigError: an episode has ended and was not reset.
            WorkerError: a process ended.
        """
        if self._ended.any():
            which = np.flatnonzero(self._ended)[:5].tolist()
            raise ConfigError(f"the episodes of environments {which} have ended: reset these first")
        control = np.clip(action, -1.0, 1.0) * self._scale + self._offset
        self._controls[np.arange(self.num_envs), self._taken] = control
        self._taken += 1
        self.elapsed_steps += 1
        parts = self._pool.call("step", [(control[share],) for share in self._shares])
        final, reward, last, discount, diverged = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("observation", "reward", "last", "discount", "diverged")
        )
        final[diverged] = self._observation[diverged]
        self._report(diverged)
        terminated = last & (discount == 0.0)
        out_of_time = self.elapsed_steps >= self.max_episode_steps
        truncated = (last | out_of_time | diverged) & ~terminated
        self._ended = terminated | truncated
        self._observation = final
        if self.autoreset and self._ended.any():
            self.reset(np.flatnonzero(self._ended))
        return Step(
            observation=self._observation,
            final_observation=final,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            success=(reward >= self.task_config.success_reward) & ~diverged,
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {
            "random": self._random.get_state(),
            "elapsed_steps": self.elapsed_steps.copy(),
            "taken": self._taken.copy(),
            "controls": self._controls[:, : int(self._taken.max())].copy(),
            "observation": self._observation.copy(),
            "ended": self._ended.copy(),
            "num_diverged": self.num_diverged,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned, by playing the present episodes again.

        Raises:
            RunError: an environment did not come to where it was.
        """
        self._random.set_state(state["random"])
        self._taken[:], self.elapsed_steps[:] = state["taken"], state["elapsed_steps"]
        self._controls[:, : state["controls"].shape[1]] = state["controls"]
        self._ended[:] = state["ended"]
        self.num_diverged = int(state["num_diverged"])
        going_on = np.flatnonzero(~self._ended)
        self._observation = state["observation"].copy()
        played = self._begin(
            "replay", going_on, [self._controls[i, : self._taken[i]] for i in going_on]
        )
        different = (played != self._observation[going_on]).any(axis=1)
        if different.any():
            raise RunError(
                f"task '{self.task_config.name}': environment {going_on[different][0]} is not "
                "where it was after the same steps, so the run cannot be resumed exactly; start a "
                "new one, or use the versions and the machine of the old one"
            )

    def close(self) -> None:
        """End the processes; this also happens when the object is gone."""
        self._pool.close()

    def _begin(self, method: str, ids: Ids, *values: Sequence[Any]) -> Array:
        """Call a method that begins episodes in `ids`; return its observations, (len(ids), n).

        Args:
            method: method of `EnvironmentGroup` that takes rows, seeds, and what follows.
            ids: the environments.
            values: what follows, one entry an environment.
        """
        places = [np.flatnonzero(np.isin(ids, share)) for share in self._shares]
        calls: list[tuple[Any, ...] | None] = [
            (
                ids[place] - share[0],
                [_episode_seed(self.episode_key(i)) for i in ids[place]],
                *([entries[int(k)] for k in place] for entries in values),
            )
            if len(place)
            else None
            for place, share in zip(places, self._shares, strict=True)
        ]
        observation = np.empty((len(ids), self._observation.shape[1]))
        for place, answer in zip(places, self._pool.call(method, calls), strict=True):
            if len(place):
                observation[place] = answer
        return observation

    def _report(self, diverged: Mask) -> None:
        for sim in np.flatnonzero(diverged):
            self.num_diverged += 1
            logger.warning(
                "environment %d of %s diverged in %s after %d steps and is reset",
                sim,
                self.task_config.name,
                self.episode_key(int(sim)),
                self._taken[sim],
            )


def _refuse_terms(randomisation: RandomisationConfig) -> None:
    """Refuse terms that have to be drawn.

    Raises:
        ConfigError: names the first one.
    """
    for term in randomisation.terms:
        if not term.optional:
            raise ConfigError(
                f"randomisation of {term.quantity}: tasks of dm_control draw their own starts and "
                "nothing else; choose --randomisation none"
            )


def _episode_seed(key: EpisodeKey) -> NDArray[np.uint32]:
    """Return what seeds an episode's own generator."""
    # of a fixed length: SeedSequence takes numbers that end in zeros for shorter ones
    words = np.array([key.seed, key.environment, key.episode], dtype=np.uint64).view(np.uint32)
    return np.random.SeedSequence(words.tolist()).generate_state(4).astype(np.uint32)


def _build_group(task: DmControlConfig, count: int) -> Any:
    """Build the environments of one process, in which alone dm_control is imported."""
    if task.name in NEEDS_OPENGL:
        os.environ.setdefault("MUJOCO_GL", "egl")
    else:
        # nothing is rendered, and to look for OpenGL takes time and may fail
        os.environ["MUJOCO_GL"] = "disable"
    group = importlib.import_module("trirl_robot.sim.foreign.group")
    return group.EnvironmentGroup(task, count)


@functools.cache
def _say_that_it_is_slow(name: str) -> None:
    logger.warning(
        "%s is stepped by dm_control in processes, much slower than tasks of this project are", name
    )
