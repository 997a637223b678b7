"""Many simulations of one model on MuJoCo's native batch, each with model values of its own."""

from __future__ import annotations

import logging

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

MAXIMUM_LATENCY_S = 0.2
"""Longest command latency that the actuators' history buffers hold [s]."""

NO_STAGE = int(mujoco.mjtStage.mjSTAGE_NONE)
_DIVERGED = [
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
]


def add_command_history(spec: mujoco.MjSpec) -> None:
    """Let every actuator of `spec` act on a command of up to `MAXIMUM_LATENCY_S` ago."""
    for actuator in spec.actuators:
        actuator.nsample = int(np.ceil(MAXIMUM_LATENCY_S / spec.option.timestep)) + 1
        actuator.delay = 0.0


class Simulation:
    """N simulations of a model; arrays are (N, ...) and live: a write is the state."""

    def __init__(self, model: mujoco.MjModel, num_envs: int, *, nthread: int = 0) -> None:
        """Allocate the batch.

        Args:
            model: the model of all simulations.
            num_envs: number of simulations N.
            nthread: threads to step on; 0 for all cores. Results do not depend on it.
        """
        self.model = model
        self.num_envs = num_envs
        self.batch = Batch(model, num_envs, nthread)
        self.qpos: Array = self.batch.bind("qpos")
        self.qvel: Array = self.batch.bind("qvel")
        self.ctrl: Array = self.batch.bind("ctrl")
        self.time: Array = self.batch.bind("time")
        # a row of the state begins with time, positions and velocities, in this order
        self.motion: Array = self.batch.state[:, 1 : 1 + model.nq + model.nv]
        """Positions, then velocities, (N, nq + nv); a view of the state."""
        self._history: Array = self.batch.bind("history")
        self._history_template, places = _history_layout(model)
        self._history_places = np.array([p for row in places.values() for p in row], dtype=np.intp)
        self._history_actuators = np.repeat(list(places), [len(row) for row in places.values()])
        self._reported: set[int] = set()
        self._quiet = mujoco.MjLogConfig.get()
        self._quiet.logto_console = self._quiet.logto_file = False
        self.batch.reset(stage=NO_STAGE)
        self._initial = np.array(self.batch.state[0])

    def reset(self, ids: Ids) -> None:
        """Put `ids` into the model's initial state; derived fields are not computed."""
        # the state's row is all that there is; Batch.reset would touch half a megabyte besides
        self.batch.state[ids] = self._initial
        self.batch.warning[ids] = 0

    def fill_command_history(self, ids: Ids) -> None:
        """Let delayed actuators of `ids` remember the present controls as those of the past."""
        if not len(self._history_places):
            return
        history = np.repeat(self._history_template[None], len(ids), axis=0)
        history[:, self._history_places] = self.ctrl[ids[:, None], self._history_actuators]
        self._history[ids] = history

    def advance(self, physics_steps: int, stage: int = NO_STAGE) -> Mask:
        """Step every simulation.

        Args:
            physics_steps: number of physics steps.
            stage: `mjtStage` up to which derived fields are computed at the new state.

        Returns:
            Which simulations diverged, shape (N,); their state is not to be used.
        """
        failed = np.zeros(self.num_envs, dtype=np.bool_)
        before = mujoco.MjLogConfig.get()
        # the engine's own notes stay off console and disk: what it counts is reported here
        self._quiet.set()
        try:
            self.batch.step(nstep=physics_steps, stage=stage)
        except SimulationError as error:
            failed[error.ids] = True
        finally:
            before.set()
        # MuJoCo resets a diverged simulation by itself and only counts a warning
        # of [last info, count] of each kind both are zero until there is a first one
        if np.count_nonzero(self.batch.warning):
            counts = self.batch.warning[:, :, 1]
            failed |= counts[:, _DIVERGED].any(axis=1)
            self._report(counts)
            self.batch.warning[:] = 0
        return failed

    def _report(self, counts: NDArray[np.int32]) -> None:
        """Log what else the engine warns of, once for each kind; `counts` is (N, kinds)."""
        for kind in np.flatnonzero(counts.any(axis=0)):
            if kind in _DIVERGED or kind in self._reported:
                continue
            self._reported.add(int(kind))
            logger.warning(
                "MuJoCo warns of %s in simulation %d, and maybe in others later",
                mujoco.mjtWarning(int(kind)).name,
                int(np.argmax(counts[:, kind] > 0)),
            )

    def state_vector(self, sim: int) -> Array:
        """Return [time, qpos, qvel] of one simulation."""
        return np.concatenate([self.time[sim].ravel(), self.qpos[sim], self.qvel[sim]])

    def get_state(self) -> Array:
        """Return a copy of all states, for `set_state`."""
        return np.array(self.batch.state)

    def set_state(self, state: Array) -> None:
        """Restore what `get_state` returned, in this process or another."""
        self.batch.state[:] = state
        self.batch.warning[:] = 0


def _history_layout(model: mujoco.MjModel) -> tuple[Array, dict[int, Ids]]:
    """Return the history row of a fresh simulation and where each actuator's values stand in it.

    The layout is read off by writing ones, so it does not hang on MuJoCo's internals.
    """
    data = mujoco.MjData(model)
    template = data.history.copy()
    places = {}
    for actuator in range(model.nu):
        samples = int(model.actuator_history[actuator, 0])
        if samples == 0:
            continue
        mujoco.mj_initCtrlHistory(model, data, actuator, None, np.zeros(samples))
        before = data.history.copy()
        mujoco.mj_initCtrlHistory(model, data, actuator, None, np.ones(samples))
        places[actuator] = np.flatnonzero(data.history != before)
    return template, places
