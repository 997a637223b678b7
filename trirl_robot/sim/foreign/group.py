"""Some environments of dm_control, as one process steps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from dm_control import manipulation, suite
from dm_control.rl.control import PhysicsError
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim.foreign.config import MANIPULATION, PREFIX, DmControlConfig
from trirl_robot.sim.foreign.messages import Description, GroupStep

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

UNLIMITED_TASK_STEPS = 1000
"""Steps in an episode of a task without a time limit, such as lqr: those of all others."""

SHUFFLES_IN_PLACE = ("reassemble_5_bricks_random_order_features",)
"""Tasks whose episode hangs on those before it: they shuffle what the last one has left."""


class EnvironmentGroup:
    """k environments of one task."""

    def __init__(self, config: DmControlConfig, count: int) -> None:
        """Load the task `count` times.

        Raises:
            ConfigError: unknown task, or one that observes images.
        """
        _check_name(config)
        self._config = config
        self._environments = [_load(config) for _ in range(count)]
        self.description = _describe(self._environments[0])

    def describe(self) -> Description:
        """Return what the task reads and commands."""
        return self.description

    def reset(self, rows: Ids, seeds: Sequence[NDArray[np.uint32]]) -> Array:
        """Start episodes that are a function of `seeds`; return observations, (len(rows), n)."""
        observations = []
        for row, seed in zip(rows, seeds, strict=True):
            if self._config.level in SHUFFLES_IN_PLACE:
                self._environments[row] = _load(self._config)
            environment = self._environments[row]
            _random_state(environment).seed(seed)
            observations.append(_flat(environment.reset().observation))
        return np.array(observations)

    def replay(
        self, rows: Ids, seeds: Sequence[NDArray[np.uint32]], controls: Sequence[Array]
    ) -> Array:
        """Start episodes and step them with controls (T, m) each; return observations at the end.

        Returns:
            Observations, shape (len(rows), n); NaN where the simulation diverged.
        """
        observation = self.reset(rows, seeds)
        for k, (row, taken) in enumerate(zip(rows, controls, strict=True)):
            environment = self._environments[row]
            try:
                for control in taken:
                    observation[k] = _flat(environment.step(control).observation)
            except PhysicsError:
                observation[k] = np.nan
        return observation

    def step(self, control: Array) -> GroupStep:
        """Step every environment once, for controls (k, m)."""
        count = len(self._environments)
        size = sum(n for _, n in self.description.fields)
        observation, reward, discount = np.zeros((count, size)), np.zeros(count), np.ones(count)
        last, diverged = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        for k, environment in enumerate(self._environments):
            try:
                step = environment.step(control[k])
            except PhysicsError:
                diverged[k] = True
                continue
            observation[k], last[k] = _flat(step.observation), step.last()
            reward[k], discount[k] = step.reward, step.discount
        return GroupStep(
            observation=observation, reward=reward, last=last, discount=discount, diverged=diverged
        )


def _check_name(config: DmControlConfig) -> None:
    if config.in_manipulation:
        vision = manipulation.get_environments_by_tag("vision")
        if config.level in vision:
            raise ConfigError(
                f"task '{config.name}' observes images, which policies here do not read; choose "
                f"'{config.name.removesuffix('_vision')}_features'"
            )
        known = [PREFIX + MANIPULATION + name for name in manipulation.ALL if name not in vision]
    else:
        known = [f"{PREFIX}{domain}-{task}" for domain, task in suite.ALL_TASKS]
    if config.name not in known:
        raise ConfigError(unknown_name("task", config.name, known))


def _load(config: DmControlConfig) -> Any:
    if config.in_manipulation:
        return manipulation.load(config.level)
    domain, task = config.level.split("-", 1)
    # lqr draws its springs here, once for all its environments; other tasks draw nothing yet
    return suite.load(domain, task, task_kwargs={"random": 0})


def _random_state(environment: Any) -> np.random.RandomState:
    """Return the source of every random number of an environment."""
    composed = hasattr(environment, "random_state")
    state: np.random.RandomState = environment.random_state if composed else environment.task.random
    return state


def _describe(environment: Any) -> Description:
    action = environment.action_spec()
    model = environment.physics.model
    names = [model.id2name(i, "actuator") or f"actuator_{i}" for i in range(action.shape[0])]
    low, high = (np.broadcast_to(b, action.shape) for b in (action.minimum, action.maximum))
    period = float(environment.control_timestep())
    return Description(
        fields=tuple(
            (name, int(np.prod(spec.shape)))
            for name, spec in environment.observation_spec().items()
        ),
        actuators=tuple(names),
        action_min=tuple(np.where(_limited(low), low, -1.0).tolist()),
        action_max=tuple(np.where(_limited(high), high, 1.0).tolist()),
        control_period_s=period,
        time_limit_steps=_time_limit_steps(environment, period),
    )


def _limited(bound: Array) -> Mask:
    return np.asarray(np.abs(bound) < mujoco.mjMAXVAL)


def _time_limit_steps(environment: Any, period: float) -> int:
    # dm_control has no public name for it: the suite counts steps, and composer seconds
    steps = getattr(environment, "_step_limit", None)
    if steps is None:
        steps = environment._time_limit / period
    return round(steps) if np.isfinite(steps) else UNLIMITED_TASK_STEPS


def _flat(observation: Any) -> Array:
    return np.concatenate([np.ravel(value) for value in observation.values()])
