"""What an environment costs beside the engine: our steps against the same `Batch.step` calls.

Three things are stepped in turn, control step by control step, so that whatever else the machine
does slows all of them alike:

- the environment, everything included: actions, observations, rewards, draws, resets, jitter;
- a twin of its batch alone: the same model, bound arrays, randomised fields, controls and forces.
  At the start of an episode it is given the state and the drawn fields, which is not counted; that
  its states stay those of the environment, bit for bit, is checked. The engine's copying of bound
  arrays and its reading of randomised fields are in this rate;
- a plain batch: another `Batch` of the same model, in which no field is randomised and no result
  is bound. What the twin lacks to this is what bound arrays and randomised fields cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from trirl_robot.sim.env import BatchEnv, make_batch

Array = NDArray[np.float64]

INPUTS = ("ctrl", "xfrc_applied")
"""Parts of the state that an environment writes before each step."""
JITTERED = "actuator_delay"
"""The field that changes at each step."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Rates of one measurement, control steps/s."""

    env: float
    """Of the environment, everything included."""
    batch: float
    """Of its batch's twin alone."""
    plain: float
    """Of a plain batch of the same model."""


class RatioMeasurement:
    """Steps one task with random actions, and the engine with what that leads to."""

    def __init__(self, task: str, *, num_envs: int, threads: int, steps: int) -> None:
        self._env, twin = (
            make_batch(task, num_envs=num_envs, randomisation="strong", seed=0, nthread=threads)
            for _ in range(2)
        )
        for env in (self._env, twin):
            env.reset()
        self._env.stagger()
        self._twin = twin.task.simulation.batch
        self._plain = Batch(self._env.task.simulation.model, num_envs, threads)
        self._plain.state[:] = self._twin.state
        generator = np.random.default_rng(0)
        shape = (steps, num_envs, self._env.contract.action_size)
        self._actions = generator.uniform(-1.0, 1.0, shape)
        self._inputs: dict[str, Array] = {}
        self._recording_s = 0.0
        _record(self)
        self.measure()  # warms up, and brings the episodes out of phase

    @property
    def env(self) -> BatchEnv:
        """The environment."""
        return self._env

    def record(self) -> None:
        """Keep what the environment is about to step its batch with."""
        start = time.perf_counter()
        batch = self._env.task.simulation.batch
        self._inputs = {name: batch.bind(name).copy() for name in INPUTS}
        if JITTERED in batch._expanded:
            self._inputs[JITTERED] = batch.expand(JITTERED).copy()
        self._recording_s += time.perf_counter() - start

    def measure(self) -> Ratio:
        """Step all three through all actions."""
        seconds = dict.fromkeys(("env", "twin", "plain"), 0.0)
        self._recording_s = 0.0
        for action in self._actions:
            start = time.perf_counter()
            done = self._env.step(action).done
            seconds["env"] += time.perf_counter() - start
            seconds["twin"] += self._step_alone(self._twin)
            seconds["plain"] += self._step_alone(self._plain)
            self._begin(np.flatnonzero(done))
        seconds["env"] -= self._recording_s
        steps = len(self._actions) * self._env.num_envs
        return Ratio(
            env=steps / seconds["env"],
            batch=steps / seconds["twin"],
            plain=steps / seconds["plain"],
        )

    def _step_alone(self, batch: Batch) -> float:
        """Return the seconds of the step that the environment has just made, in another batch."""
        task = self._env.task
        for name, values in self._inputs.items():
            if name in INPUTS:
                batch.bind(name)[:] = values
            elif batch is self._twin:
                batch.expand(name)[:] = values
        start = time.perf_counter()
        batch.step(nstep=task.substeps, stage=task.advance_stage)
        return time.perf_counter() - start

    def _begin(self, ids: Any) -> None:
        """Let episodes begin in the other batches as in the environment."""
        source = self._env.task.simulation.batch
        if len(ids):
            for name, values in source._expanded.items():
                self._twin.expand(name)[ids] = values[ids]
            self._twin.set_const(ids)
            self._twin.state[ids] = source.state[ids]
            self._plain.state[ids] = source.state[ids]
        if not np.array_equal(source.bind("qpos"), self._twin.bind("qpos")):
            raise AssertionError("the twin of the batch has gone another way")


def _record(measurement: RatioMeasurement) -> None:
    """Have the environment's inputs recorded just before each engine step."""
    simulation = measurement.env.task.simulation
    advance = simulation.advance

    def recording(*arguments: Any) -> Any:
        measurement.record()
        return advance(*arguments)

    simulation.advance = recording  # type: ignore[method-assign,assignment]
