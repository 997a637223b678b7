"""Exactly as many episodes as asked for, run side by side without favouring short ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.evaluation.statistics import Interval, wilson
from trirl_robot.model_file import ModelFile
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.sim.interface import Environments, Step
from trirl_robot.sim.randomisation.events import Event

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Policy = Callable[[Array], Array]
"""Observations (N, n) to actions (N, m) in [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """One entry an episode, E in all."""

    success: NDArray[np.bool_]
    """Whether the task was fulfilled when the episode ended, shape (E,)."""
    episode_return: Array
    """Sum of the task's own rewards, shape (E,)."""
    length: NDArray[np.int64]
    """Steps, shape (E,)."""
    final_distance_m: Array
    """True distance that the task measures at the end, such as from the end effector to the
    target, shape (E,), m; NaN for a task that measures none."""
    target_position: Array
    """Target in the base frame, shape (E, 3), m; NaN for a task that has none."""
    dynamics: tuple[dict[str, float], ...]
    """Dynamics drawn at the start of each episode, by `quantity/object`."""
    events: tuple[tuple[Event, ...], ...]
    """Dynamics drawn within each episode."""
    keys: tuple[EpisodeKey, ...]
    """What names the random numbers of each episode."""
    actions: tuple[Array, ...] = ()
    """What was done in each episode, (steps, m); empty where this was not kept."""

    @property
    def success_rate(self) -> Interval:
        """Share of successful episodes with its 95 % Wilson interval."""
        return wilson(int(self.success.sum()), len(self.success))

    @property
    def median_distance_m(self) -> float:
        """Median of the final distances [m]."""
        return float(np.median(self.final_distance_m))


class RandomPolicy:
    """Actions drawn uniformly from [-1, 1], whatever is observed."""

    def __init__(self, action_size: int, seed: int = 0) -> None:
        self._size = action_size
        self._random = np.random.default_rng(seed)

    def __call__(self, observation: Array) -> Array:
        """Return actions, shape (N, m), for observations of shape (N, n)."""
        return self._random.uniform(-1.0, 1.0, (len(observation), self._size))


class ZeroPolicy:
    """Actions of zero, whatever is observed."""

    def __init__(self, action_size: int) -> None:
        self._size = action_size

    def __call__(self, observation: Array) -> Array:
        """Return zeros, shape (N, m), for observations of shape (N, n)."""
        return np.zeros((len(observation), self._size))


class OnnxPolicy:
    """A verified ONNX policy as a function of arrays."""

    def __init__(self, model: ModelFile) -> None:
        self._model = model

    def __call__(self, observation: Array) -> Array:
        """Return actions in [-1, 1], (N, n) to (N, m)."""
        return self._model.run(observation=observation).astype(np.float64)


def evaluate(
    policy: Policy,
    env: Environments,
    episodes: int,
    seed: int | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    keep_actions: bool = False,
) -> EvaluationResult:
    """Run exactly `episodes` episodes and return what happened in each.

    Each environment is given its share of the episodes before the first step. Taking the first
    episodes that end instead would prefer short ones. The order of the results depends on neither
    lengths nor threads.

    Args:
        policy: see `Policy`.
        env: the environments; they are reset, and left in the middle of an episode.
        episodes: number of episodes, at least 1.
        seed: fixes everything that the environments draw from here on; None goes on as they are.
        progress: called with the number of episodes that have just ended.
        keep_actions: whether the result holds all actions, for records to replay.

    Raises:
        ConfigError: no episodes, or a policy whose actions have the wrong shape.
        NonFiniteError: the policy returned NaN or infinity.
    """
    if episodes < 1:
        raise ConfigError(f"got {episodes} episodes to evaluate, expected at least 1")
    if seed is not None:
        env.reseed(seed)
    ledger = _Ledger(env, episodes, keep_actions=keep_actions)
    with _manual_reset(env):
        observation = env.reset()
        ledger.start(np.arange(env.num_envs))
        while not ledger.full:
            action = _checked_action(policy(observation), env)
            step = env.step(action)
            ended = np.flatnonzero(step.done)
            counted = ledger.add(action, step, ended)
            observation = step.observation
            if len(ended):
                observation = observation.copy()
                observation[ended] = env.reset(ended)[ended]
                ledger.start(ended)
            if progress is not None and counted:
                progress(counted)
    return ledger.result()


class _Ledger:
    """Which episode each environment is running, and the results so far."""

    def __init__(self, env: Environments, episodes: int, *, keep_actions: bool) -> None:
        self._env = env
        self._keep_actions = keep_actions
        share, rest = divmod(episodes, env.num_envs)
        quota = share + (np.arange(env.num_envs) < rest)
        self._end = np.cumsum(quota)
        self._next = self._end - quota
        self._return = np.zeros(env.num_envs)
        self._length = np.zeros(env.num_envs, dtype=np.int64)
        self._success = np.zeros(episodes, dtype=np.bool_)
        self._returns = np.zeros(episodes)
        self._lengths = np.zeros(episodes, dtype=np.int64)
        self._distance = np.zeros(episodes)
        self._target = np.zeros((episodes, 3))
        self._dynamics: list[dict[str, float]] = [{} for _ in range(episodes)]
        self._events: list[tuple[Event, ...]] = [()] * episodes
        self._keys: list[EpisodeKey | None] = [None] * episodes
        self._steps: list[Array] = []
        self._actions: list[Array] = [np.empty((0, 0))] * episodes

    @property
    def full(self) -> bool:
        """Every environment has run its share."""
        return bool(np.all(self._next >= self._end))

    def start(self, ids: Ids) -> None:
        """Note that new episodes have begun in `ids`, and the dynamics drawn for them."""
        self._return[ids] = 0.0
        self._length[ids] = 0
        for i in ids[self._next[ids] < self._end[ids]]:
            self._dynamics[self._next[i]] = self._env.drawn(int(i))
            self._keys[self._next[i]] = self._env.episode_key(int(i))

    def add(self, action: Array, step: Step, ended: Ids) -> int:
        """Add one step; return how many episodes that count have ended with it."""
        self._return += step.reward
        self._length += 1
        if self._keep_actions:
            self._steps.append(action.copy())
        ids = ended[self._next[ended] < self._end[ended]]
        rows = self._next[ids]
        self._success[rows] = step.success[ids]
        self._returns[rows] = self._return[ids]
        self._lengths[rows] = self._length[ids]
        self._distance[rows] = self._env.distance()[ids]
        self._target[rows] = self._env.target_position[ids]
        for i, row in zip(ids.tolist(), rows.tolist(), strict=True):
            self._events[row] = tuple(self._env.events(i))
            if self._keep_actions:
                own = self._steps[-int(self._length[i]) :]
                self._actions[row] = np.array([taken[i] for taken in own])
        self._next[ids] += 1
        return len(ids)

    def result(self) -> EvaluationResult:
        """Return the results, by environment and then by time."""
        return EvaluationResult(
            success=self._success,
            episode_return=self._returns,
            length=self._lengths,
            final_distance_m=self._distance,
            target_position=self._target,
            dynamics=tuple(self._dynamics),
            events=tuple(self._events),
            keys=tuple(key for key in self._keys if key is not None),
            actions=tuple(self._actions) if self._keep_actions else (),
        )


@contextmanager
def _manual_reset(env: Environments) -> Iterator[None]:
    # the true pose at the end of an episode is gone once a new one has begun
    before = env.autoreset
    env.autoreset = False
    try:
        yield
    finally:
        env.autoreset = before


def _checked_action(action: Array, env: Environments) -> Array:
    expected = (env.num_envs, env.contract.action_size)
    if np.shape(action) != expected:
        raise ConfigError(
            f"the policy returned actions of shape {np.shape(action)}, expected {expected}"
        )
    action = np.asarray(action, dtype=np.float64)
    if not np.isfinite(action).all():
        raise NonFiniteError("the policy returned an action that is NaN or infinite")
    return action
