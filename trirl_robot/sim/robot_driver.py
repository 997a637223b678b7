"""Commands at random or towards a place, sent to a robot's simulations as a task sends them."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.command import ActionMapping
from trirl_robot.contract import PolicyContract
from trirl_robot.sim.simulation import Simulation
from trirl_robot.sim.wiring import Wiring

Array = NDArray[np.float64]

ACTION_SECONDS = 0.4
"""Time for which a random action is kept [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """Cycles of a drive, (cycles, simulations, joints)."""

    error: Array
    """Command less what is measured, of positions, or of velocities where these are commanded."""
    reference: Array
    """Rate at which the command changes."""
    saturated: Array
    """1 at the greatest force, otherwise 0."""
    velocity: Array
    """Velocity of the joint, rad/s or m/s."""


class Driver:
    """Sends commands within the limits to simulations, as a task does."""

    def __init__(
        self, contract: PolicyContract, wiring: Wiring, simulation: Simulation, substeps: int
    ) -> None:
        """Take the simulations as they stand.

        Args:
            contract: what is commanded, and within which limits.
            wiring: where its joints stand.
            simulation: the simulations.
            substeps: physics steps in a control cycle.
        """
        self._wiring, self._simulation = wiring, simulation
        self._mapping = ActionMapping(contract)
        self._period_s = contract.control_period_s
        self._substeps = substeps
        self._position = np.array(simulation.qpos[:, wiring.qpos_index])
        self._velocity = np.zeros_like(self._position)
        self._force = simulation.batch.bind("actuator_force")
        self._limit = force_limits(simulation.model, wiring)
        self.diverged = np.zeros(len(self._position), dtype=np.bool_)

    def cycles(self, seconds: float) -> int:
        """Return control cycles in a time, at least 1."""
        return max(1, round(seconds / self._period_s))

    def towards(self, position: Array) -> None:
        """Do one cycle towards positions, (simulations, joints)."""
        self._send(self._mapping.action_towards(position, self._base()))

    def run(self, generator: np.random.Generator, seconds: float, *, still: bool) -> Record:
        """Command at random, or nothing, for a time."""
        rows: list[tuple[Array, Array, Array, Array]] = []
        action = np.zeros_like(self._position)
        rest = self._position.copy()
        for cycle in range(self.cycles(seconds)):
            if still:
                action = self._mapping.action_towards(rest, self._base())
                action[:, self._wiring.joint_takes_velocity] = 0.0
            elif cycle % self.cycles(ACTION_SECONDS) == 0:
                action = generator.uniform(-1.0, 1.0, action.shape)
            before = self._velocity
            self._send(action)
            rows.append(self._look(before))
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        return Record(
            error=columns[0], reference=columns[1], saturated=columns[2], velocity=columns[3]
        )

    def _base(self) -> Array:
        """Return where commands start from: nothing holds a joint of velocities at a position."""
        measured = self._simulation.qpos[:, self._wiring.qpos_index]
        return np.where(self._wiring.joint_takes_velocity, measured, self._position)

    def _send(self, action: Array) -> None:
        limited = self._mapping.command(action, self._base(), self._velocity)
        self._position, self._velocity = limited.position, limited.velocity
        controls = self._wiring.controls(limited.position, limited.velocity)
        self._simulation.ctrl[:, self._wiring.control_index] = controls
        broken = self._simulation.advance(self._substeps)
        self.diverged |= broken

    def _look(self, before: Array) -> tuple[Array, Array, Array, Array]:
        wiring, simulation = self._wiring, self._simulation
        position = simulation.qpos[:, wiring.qpos_index]
        velocity = np.array(simulation.qvel[:, wiring.dof_index])
        by_velocity = wiring.joint_takes_velocity
        error = np.where(by_velocity, self._velocity - velocity, self._position - position)
        change = (self._velocity - before) / self._period_s
        reference = np.where(by_velocity, change, self._velocity)
        strained = np.abs(self._force[:, wiring.control_index]) >= 0.999 * self._limit
        strongest = np.zeros_like(error)
        for actuator, joint in enumerate(wiring.control_source):
            strongest[:, joint] = np.maximum(strongest[:, joint], strained[:, actuator])
        return error, reference, strongest, velocity


def force_limits(model: mujoco.MjModel, wiring: Wiring) -> Array:
    """Return the greatest force of each driven actuator, (A,), N m or N; infinite without one."""
    limits = np.full(len(wiring.control_index), np.inf)
    for i, actuator in enumerate(wiring.control_index):
        if model.actuator_forcelimited[actuator]:
            limits[i] = np.abs(model.actuator_forcerange[actuator]).max()
        joint = int(model.actuator_trnid[actuator, 0])
        if model.jnt_actfrclimited[joint]:
            limits[i] = min(limits[i], np.abs(model.jnt_actfrcrange[joint]).max())
    return limits
