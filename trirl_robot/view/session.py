"""What the viewer shows and what its buttons do, without a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, NonFiniteError, unknown_name
from trirl_robot.evaluation.rollouts import Policy
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.sim.tasks.arm import ArmTask
from trirl_robot.view.history import History

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Speeds that can be chosen; 1 is real time."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known of the simulation that is shown."""

    sim: int
    """Number of the simulation, from 0."""
    key: EpisodeKey
    """What names the present episode's random numbers."""
    elapsed_s: float
    """Time since the episode's start [s]."""
    duration_s: float
    """Time after which the episode is truncated [s]."""
    reward: float
    """The task's own reward of the last step; 0 before the first."""
    episode_return: float
    """Sum of the rewards so far."""
    distance_m: float
    """What the task measures as distance [m]; NaN for a task that measures none."""
    success: bool
    """The task is fulfilled at this moment."""
    ended: bool
    """The episode is over; the next step begins a new one."""
    episodes: int
    """Episodes of all simulations that have run to their end."""
    successes: int
    """Those of them that ended fulfilled."""
    diverged: int
    """Episodes of all simulations that ended because the physics diverged."""


class Session:
    """A batch that runs, of which one simulation is shown.

    Every simulation runs on whichever is shown. An episode that has ended stays as it ended until
    the next step, so that a pause shows its end.
    """

    def __init__(self, env: BatchEnv, actions: Mapping[str, Policy], chosen: str) -> None:
        """Start an episode in every simulation.

        Args:
            env: the environments; no longer resets by itself.
            actions: where actions can come from, by name.
            chosen: the name of where they come from at first.
        """
        env.autoreset = False
        self.env = env
        self.paused = False
        self.speed = 1.0
        self.sim = 0
        self._actions = dict(actions)
        self.choose_actions(chosen)
        self.history = History(env.num_envs, env.max_episode_steps)
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)
        self._success = np.zeros(env.num_envs, dtype=np.bool_)
        self._episodes = self._successes = 0
        self._observation = env.reset()
        self._begin(np.arange(env.num_envs))

    @property
    def period_s(self) -> float:
        """Length of a control step [s]."""
        return 1.0 / self.env.contract.control_rate_hz

    @property
    def action_sources(self) -> tuple[str, ...]:
        """Names of where actions can come from."""
        return tuple(self._actions)

    def choose_actions(self, name: str) -> None:
        """Take the actions from another source from now on."""
        if name not in self._actions:
            raise ConfigError(unknown_name("source of actions", name, self._actions))
        self.chosen = name

    def choose_speed(self, speed: float) -> None:
        """Run so many times as fast as real time."""
        if speed not in SPEEDS:
            raise ConfigError(f"speed is {speed}, expected one of {SPEEDS}")
        self.speed = speed

    def show(self, sim: int) -> None:
        """Show another simulation; counted past the last one, it is the first again."""
        self.sim = sim % self.env.num_envs

    def next(self) -> None:
        """Show the next simulation."""
        self.show(self.sim + 1)

    def previous(self) -> None:
        """Show the simulation before."""
        self.show(self.sim - 1)

    def toggle_pause(self) -> None:
        """Halt all simulations, or let them go on."""
        self.paused = not self.paused

    def step_once(self) -> None:
        """Halt, and go on by a single control step."""
        self.paused = True
        self.advance()

    def reset(self) -> None:
        """Begin a new episode in the simulation that is shown."""
        self._restart(np.array([self.sim]))

    def reset_all(self) -> None:
        """Begin a new episode in every simulation."""
        self._restart(np.arange(self.env.num_envs))

    def advance(self) -> None:
        """Go on by one control step in every simulation, with new episodes where one has ended."""
        self._restart(np.flatnonzero(self._ended))
        action = np.asarray(self._actions[self.chosen](self._observation), dtype=np.float64)
        if not np.isfinite(action).all():
            raise NonFiniteError(f"'{self.chosen}' returned an action that is NaN or infinite")
        step = self.env.step(action)
        self._observation = step.observation
        self._ended, self._success = step.done, step.success
        self._episodes += int(step.done.sum())
        self._successes += int((step.done & step.success).sum())
        self.history.add(step.reward, self.env.distance(), self._tip())

    def status(self) -> Status:
        """Return what is known of the simulation that is shown."""
        env, sim, history = self.env, self.sim, self.history
        reward = history.rewards(sim)
        return Status(
            sim=sim,
            key=env.episode_key(sim),
            elapsed_s=float(env.elapsed_steps[sim]) * self.period_s,
            duration_s=env.max_episode_steps * self.period_s,
            reward=float(reward[-1]) if len(reward) else 0.0,
            episode_return=float(reward.sum()),
            distance_m=float(env.distance()[sim]),
            success=bool(self._success[sim]),
            ended=bool(self._ended[sim]),
            episodes=self._episodes,
            successes=self._successes,
            diverged=env.num_diverged,
        )

    def _restart(self, ids: Ids) -> None:
        if len(ids):
            self._observation = self.env.reset(ids)
            self._begin(ids)

    def _begin(self, ids: Ids) -> None:
        self._ended[ids] = self._success[ids] = False
        self.history.begin(ids, self._tip())

    def _tip(self) -> Array | None:
        """Return the end effectors' true positions, (N, 3), m; None for a task without an arm."""
        task = self.env.task
        return task.arm.end_effector_position if isinstance(task, ArmTask) else None
