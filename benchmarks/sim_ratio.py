"""What an environment costs beside the engine: our steps against the same `Batch.step` calls.

Three things are stepped in turn, a few control steps each, so that whatever else the machine does
slows all of them alike, and yet each finds in the caches what it would find there alone:

- the environment, everything included: actions, observations, rewards, draws, resets, jitter;
- a twin of its batch alone: the same model, bound arrays, randomised fields, controls and forces.
  Before each step it is given the controls, and at the start of an episode the state and the drawn
  fields, which is not counted; that its states stay those of the environment, bit for bit, is
  checked. The engine's copying of bound
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

from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

INPUTS = ("ctrl", "xfrc_applied")
"""Parts of the state that an environment writes before each step."""
JITTERED = "actuator_delay"
"""The field that changes at each step."""
TURN = 10
"""Control steps that each makes before the next has its turn."""


@dataclass(kw_only=True)
class _Recorded:
    """What another batch needs to make a control step of the environment."""

    inputs: dict[str, Array]
    """Controls and forces, and fields that change at each step, (N, ...)."""
    begun: Ids
    """Simulations in which an episode began after the step, (n,)."""
    state: Array
    """Their state then, (n, state size)."""
    fields: dict[str, Array]
    """Their drawn fields then, (n, ...)."""


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

    def record_inputs(self) -> None:
        """Keep what the environment is about to step its batch with."""
        start = time.perf_counter()
        batch = self._env.task.simulation.batch
        self._inputs = {name: batch.bind(name).copy() for name in INPUTS}
        if JITTERED in batch._expanded:
            self._inputs[JITTERED] = batch.expand(JITTERED).copy()
        self._recording_s += time.perf_counter() - start

    def measure(self) -> Ratio:
        """Step all three through all actions."""
        seconds = {"env": 0.0, "twin": 0.0, "plain": 0.0}
        for first in range(0, len(self._actions), TURN):
            turn = []
            for action in self._actions[first : first + TURN]:
                took, recorded = self._step_env(action)
                seconds["env"] += took
                turn.append(recorded)
            seconds["twin"] += sum(self._step_alone(self._twin, step) for step in turn)
            seconds["plain"] += sum(self._step_alone(self._plain, step) for step in turn)
            self._check_twin()
        steps = len(self._actions) * self._env.num_envs
        return Ratio(
            env=steps / seconds["env"],
            batch=steps / seconds["twin"],
            plain=steps / seconds["plain"],
        )

    def _step_env(self, action: Array) -> tuple[float, _Recorded]:
        """Return the seconds of a control step, and what leads another batch the same way."""
        self._recording_s = 0.0
        start = time.perf_counter()
        done = self._env.step(action).done
        took = time.perf_counter() - start - self._recording_s
        batch, begun = self._env.task.simulation.batch, np.flatnonzero(done)
        fields = {name: values[begun] for name, values in batch._expanded.items()}
        return took, _Recorded(
            inputs=self._inputs, begun=begun, state=batch.state[begun], fields=fields
        )

    def _step_alone(self, batch: Batch, recorded: _Recorded) -> float:
        """Return the seconds of the same step in another batch."""
        task = self._env.task
        for name, values in recorded.inputs.items():
            if name in INPUTS:
                batch.bind(name)[:] = values
            elif batch is self._twin:
                batch.expand(name)[:] = values
        start = time.perf_counter()
        batch.step(nstep=task.substeps, stage=task.advance_stage)
        took = time.perf_counter() - start
        if len(recorded.begun):
            if batch is self._twin:
                for name, values in recorded.fields.items():
                    batch.expand(name)[recorded.begun] = values
                batch.set_const(recorded.begun)
            batch.state[recorded.begun] = recorded.state
        return took

    def _check_twin(self) -> None:
        environment = self._env.task.simulation.batch.bind("qpos")
        if not np.array_equal(environment, self._twin.bind("qpos")):
            raise AssertionError("the twin of the batch has gone another way")


def _record(measurement: RatioMeasurement) -> None:
    """Have the environment's inputs recorded just before each engine step."""
    simulation = measurement.env.task.simulation
    advance = simulation.advance

    def recording(*arguments: Any) -> Any:
        measurement.record_inputs()
        return advance(*arguments)

    simulation.advance = recording  # type: ignore[method-assign,assignment]
