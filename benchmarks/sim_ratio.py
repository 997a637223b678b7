"""What an environment costs beside the engine: our steps against the same `Batch.step` calls.

Three things are stepped, in turn, with the same controls and applied forces and the same states at
the starts of episodes:

- the environment, everything included: actions, observations, rewards, draws, resets, jitter;
- its batch alone: the very `Batch`, with the same model, bound arrays and randomised fields, the
  latter as they were drawn at the start; dynamics are not drawn anew, there is no jitter, and to
  write the starts is not counted. The engine's copying of bound arrays and its reading of
  randomised fields are in this rate;
- a plain batch: another `Batch` of the same compiled model, in which no field is randomised and no
  result is bound, with as many physics steps and the same stage after them. Controls and forces are
  views of the states, so they cost nothing. What the batch alone lacks to this is what bound arrays
  and randomised fields cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from trirl_robot.sim.env import make_batch

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Rates of one measurement, control steps/s."""

    env: float
    """Of the environment, everything included."""
    batch: float
    """Of the environment's `Batch` alone, with the same controls, forces and starts."""
    plain: float
    """Of a plain `Batch` of the same model, with the same controls, forces and starts."""


class RatioMeasurement:
    """Steps one task with random actions, and then the engine with what that led to."""

    def __init__(self, task: str, *, num_envs: int, threads: int, steps: int) -> None:
        self._env = make_batch(
            task, num_envs=num_envs, randomisation="strong", seed=0, nthread=threads
        )
        self._env.reset()
        self._env.stagger()
        self._plain = Batch(self._env.task.simulation.model, num_envs, threads)
        generator = np.random.default_rng(0)
        shape = (steps, num_envs, self._env.contract.action_size)
        self._actions = generator.uniform(-1.0, 1.0, shape)
        self._run()  # warms up, and brings the episodes out of phase

    def measure(self) -> Ratio:
        """Measure all three, one right after the other."""
        env, batch = self._env, self._env.task.simulation.batch
        before = env.get_state()
        seconds = self._run()
        after = env.get_state()
        env.set_state(before)
        controls, starts = self._record()
        env.set_state(before)
        self._plain.state[:] = batch.state
        alone = self._engine_alone(batch, controls, starts)
        plain = self._engine_alone(self._plain, controls, starts)
        env.set_state(after)
        steps = len(self._actions) * env.num_envs
        return Ratio(env=steps / seconds, batch=steps / alone, plain=steps / plain)

    def _run(self) -> float:
        start = time.perf_counter()
        for action in self._actions:
            self._env.step(action)
        return time.perf_counter() - start

    def _record(self) -> tuple[list[dict[str, Array]], list[tuple[Any, Array]]]:
        """Return the inputs of every engine step, and the states that episodes begin in."""
        env, controls, starts = self._env, [], []
        simulation = env.task.simulation
        advance = simulation.advance

        def recording(*arguments: Any) -> Any:
            controls.append({name: simulation.batch.bind(name).copy() for name in _INPUTS})
            return advance(*arguments)

        simulation.advance = recording  # type: ignore[method-assign,assignment]
        try:
            for action in self._actions:
                done = np.flatnonzero(env.step(action).done)
                starts.append((done, simulation.batch.state[done].copy()))
        finally:
            del simulation.advance
        return controls, starts

    def _engine_alone(
        self, batch: Batch, controls: list[dict[str, Array]], starts: list[tuple[Any, Array]]
    ) -> float:
        """Return the seconds of the same steps of a batch; episodes' starts are not counted."""
        task, seconds = self._env.task, 0.0
        live = {name: batch.bind(name) for name in _INPUTS}
        for inputs, (ids, states) in zip(controls, starts, strict=True):
            start = time.perf_counter()
            for name, values in inputs.items():
                live[name][:] = values
            batch.step(nstep=task.substeps, stage=task.advance_stage)
            seconds += time.perf_counter() - start
            batch.state[ids] = states
        return seconds


_INPUTS = ("ctrl", "xfrc_applied")
