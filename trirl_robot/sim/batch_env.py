"""A batch of environments: actions in, observations out, arrays all the way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, DatasetError
from trirl_robot.sim.compiled import count_step
from trirl_robot.sim.episode_random import EpisodeKey, EpisodeRandom, Purpose, Stream
from trirl_robot.sim.interface import Place, Step, staggered_ages
from trirl_robot.sim.moments import Moments
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.events import Event
from trirl_robot.sim.tasks.registry import OurTaskConfig, build_task

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

logger = logging.getLogger(__name__)


class BatchEnv:
    """N environments of one task, stepped together."""

    def __init__(
        self,
        task: OurTaskConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        seed: int,
        nthread: int = 0,
        autoreset: bool = True,
        purpose: Purpose = Purpose.TRAINING,
        place: Place | None = None,
    ) -> None:
        """Build the simulations; call `reset` before `step`.

        Args:
            task: the task.
            num_envs: number of environments.
            randomisation: dynamics to draw at each reset.
            seed: fixes everything that is drawn.
            nthread: threads to step on; 0 for all cores. Results do not depend on it.
            autoreset: start a new episode within the step in which one ends.
            purpose: what the environments are for; see `Purpose`.
            place: which they are, of those of several processes; None where there are no others.
        """
        if num_envs < 1:
            raise ConfigError(f"num_envs is {num_envs}, expected at least 1")
        self.num_envs = num_envs
        self.autoreset = autoreset
        self.task_config = task
        self.randomisation = randomisation
        self._place = place or Place(first=0, total=num_envs)
        self._random = EpisodeRandom(seed, num_envs, purpose, self._place.first)
        self.task = build_task(
            task, num_envs, randomisation=randomisation, random=self._random, nthread=nthread
        )
        self.contract = self.task.contract
        self.elapsed_steps = np.zeros(num_envs, dtype=np.int64)
        self._age = np.zeros(num_envs, dtype=np.int64)
        self.num_diverged = 0
        self._moments: Moments | None = None
        self._moments_share = 0.0
        self._last_observation = np.zeros((num_envs, self.contract.observation_size))

    @property
    def max_episode_steps(self) -> int:
        """Steps in an episode."""
        return self.task.max_episode_steps

    @property
    def target_position(self) -> Array:
        """Targets in the base frame, shape (N, 3), m; NaN for a task that has none."""
        return self.task.target_position

    def distance(self) -> Array:
        """Return how far from fulfilled the task is, (N,), m; NaN where that is no distance."""
        return self.task.distance()

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the dynamics drawn for one simulation, by `quantity/object`."""
        return self.task.randomiser.drawn(sim)

    def events(self, sim: int) -> list[Event]:
        """Return what was drawn within one simulation's present episode, up to now."""
        return self.task.randomiser.events(sim, int(self._age[sim]))

    def episode_key(self, sim: int) -> EpisodeKey:
        """Return what names the random numbers of one simulation's present episode."""
        return self._random.key(sim)

    def state_vector(self, sim: int) -> Array:
        """Return [time, qpos, qvel] of one simulation."""
        return self.task.simulation.state_vector(sim)

    def reseed(self, seed: int) -> None:
        """Fix everything that is drawn from the next reset on."""
        self._random.reseed(seed)

    def reseed_each(self, ids: Ids, seeds: Sequence[int]) -> None:
        """Give each environment of `ids` a seed of its own, from the next reset on.

        It then runs as a single environment with that seed does.
        """
        self._random.reseed_each(ids, seeds)

    def repeat(self, key: EpisodeKey) -> Array:
        """Start the episode of `key` in the first environment; return every observation, (N, n).

        With the same task, randomisation and actions it runs as it did, bit for bit.
        """
        self._random.repeat(key)
        return self.reset(np.array([0]))

    def reset(self, ids: Ids | None = None) -> Array:
        """Start new episodes in `ids` (all by default); return every observation, (N, n)."""
        self._restart(np.arange(self.num_envs) if ids is None else np.asarray(ids, dtype=np.intp))
        self._last_observation = self.task.observe()
        return self._last_observation

    def go_on_from(self, moments: Moments, share: float) -> None:
        """Let a share of the episodes, from the next reset on, go on from recorded moments.

        Such an episode is as old as the recorded one was, so that it ends when that one did.

        Args:
            moments: of the same robot and task; one is drawn for each episode.
            share: share of the episodes, in [0, 1].

        Raises:
            DatasetError: the states are not of this task's scene, or were not recorded.
        """
        expected = 1 + self.task.simulation.motion.shape[1]
        if moments.state.shape[1] != expected:
            raise DatasetError(
                f"a recorded state has {moments.state.shape[1]} values, expected {expected} as the "
                "task's scene has: it is of another scene, or of a real robot"
            )
        self._moments, self._moments_share = moments, share

    def stagger(self) -> None:
        """Spread the episodes' ages evenly, so that environments do not end together.

        With episodes in phase, a discriminator can learn the clock instead of the behaviour. Only
        the time that is left to them changes; those that go on from a moment have its age.
        """
        ages = staggered_ages(self.num_envs, self.max_episode_steps, self._place)
        self.elapsed_steps[:] = np.where(self.elapsed_steps == 0, ages, self.elapsed_steps)

    def step(self, action: Array) -> Step:
        """Advance every environment by one control period.

        Args:
            action: shape (N, m), in [-1, 1]; values outside are clipped.
        """
        task = self.task
        task.apply(action)
        diverged = task.simulation.advance(task.substeps, task.advance_stage)
        outcome = task.after_step()
        final = task.observe()
        terminated, success, reward = outcome.terminated, outcome.success, outcome.reward
        broken = diverged.any()
        if broken:
            # what a diverged simulation shows now is not where its action led
            final[diverged] = self._last_observation[diverged]
            reward = np.where(diverged, 0.0, reward)
            terminated, success = terminated & ~diverged, success & ~diverged
        truncated = np.empty_like(diverged)
        ages = (self.elapsed_steps, self._age)
        ended = count_step(*ages, self.max_episode_steps, terminated, diverged, truncated)
        if broken:
            self._report(diverged)
        observation = final
        if self.autoreset and ended:
            observation = final.copy()
            ids = np.flatnonzero(terminated | truncated)
            self._restart(ids)
            observation[ids] = task.observe(ids)
        self._last_observation = observation
        return Step(
            observation=observation,
            final_observation=final,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            success=success,
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {
            "random": self._random.get_state(),
            "task": self.task.get_state(),
            "elapsed_steps": self.elapsed_steps.copy(),
            "age": self._age.copy(),
            "num_diverged": self.num_diverged,
            "last_observation": self._last_observation.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._random.set_state(state["random"])
        self.task.set_state(state["task"])
        self.elapsed_steps[:] = state["elapsed_steps"]
        self._age[:] = state["age"]
        self.num_diverged = int(state["num_diverged"])
        self._last_observation = state["last_observation"].copy()

    def _restart(self, ids: Ids) -> None:
        self._random.begin(ids)
        self.task.start(ids)
        self.elapsed_steps[ids] = 0
        self._age[ids] = 0
        if self._moments is not None:
            self._go_on(ids, self._moments)

    def _go_on(self, ids: Ids, moments: Moments) -> None:
        whether, which = self._random.uniform(ids, Stream.MOMENT, 2).T
        chosen = whether < self._moments_share
        ids, rows = ids[chosen], (which[chosen] * len(moments)).astype(np.intp)
        if len(ids):
            self.task.go_on(ids, moments[rows])
            self.elapsed_steps[ids] = moments.step[rows]

    def _report(self, diverged: Mask) -> None:
        for sim in np.flatnonzero(diverged):
            self.num_diverged += 1
            logger.warning(
                "simulation %d diverged in %s after %d steps and is reset; drawn: %s",
                sim,
                self.episode_key(int(sim)),
                self._age[sim],
                self.drawn(int(sim)),
            )
