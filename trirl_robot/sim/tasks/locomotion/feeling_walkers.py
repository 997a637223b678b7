"""Walkers that feel what they touch: forces of contacts on bodies, as Gymnasium observes them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.simulation import Simulation
from trirl_robot.sim.tasks.locomotion import layout
from trirl_robot.sim.tasks.locomotion.benchmark import Rows
from trirl_robot.sim.tasks.locomotion.models import compute_contact_forces
from trirl_robot.sim.tasks.locomotion.walkers import Range, WalkerConfig, WalkerTask, bounds
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class ContactForces:
    """Torque and force on each body at the end of a control step, zero where an episode begins.

    The model needs the sensor of `models.compute_contact_forces`.
    """

    def __init__(self, simulation: Simulation, low: float = -np.inf, high: float = np.inf) -> None:
        """Prepare.

        Args:
            simulation: the simulations.
            low: least value shown [N m, N].
            high: greatest value shown [N m, N].
        """
        self._live: Array = simulation.batch.bind("cfrc_ext")
        self._low, self._high = low, high
        self.forces = np.zeros_like(self._live)
        """Torque and force, shape (N, bodies, 6), N m and N; the world is the first body."""

    def begin(self, ids: Ids) -> None:
        """Show no forces in `ids`, where nothing has been stepped yet."""
        self.forces[ids] = 0.0

    def update(self) -> None:
        """Take the forces of the step that has just been made."""
        np.clip(self._live, self._low, self._high, out=self.forces)

    def squared(self) -> Array:
        """Return the sum of the squares of all values, (N,)."""
        flat = self.forces.reshape(len(self.forces), -1)
        square: Array = np.einsum("ij,ij->i", flat, flat)
        return square

    def of_bodies(self, rows: Rows) -> Array:
        """Return the values of all bodies but the world, (n, 6 * bodies)."""
        forces = self.forces[rows, 1:]
        return np.asarray(forces.reshape(len(forces), -1))


@dataclass(frozen=True, kw_only=True)
class FeelingWalkerConfig(WalkerConfig):
    """Parameters of every walker that feels what it touches."""

    contact_cost_weight: float
    """Cost of the sum of the squared contact forces."""


class FeelingWalkerTask(WalkerTask):
    """Adds the contact forces to the observation and their cost to the reward."""

    hidden = 2
    config: FeelingWalkerConfig

    def begin(self, ids: Ids) -> None:
        """Begin episodes in `ids` from the state that they are in."""
        self._contacts.begin(ids)
        super().begin(ids)

    def after_step(self) -> Outcome:
        """Measure; return the reward for speed and health, less the costs."""
        self._contacts.update()
        return super().after_step()

    @abstractmethod
    def _force_range(self) -> Range:
        """Return the range to which contact forces are cut [N m, N]."""

    def _spec(self) -> mujoco.MjSpec:
        spec = super()._spec()
        compute_contact_forces(spec, self.config.substeps)
        return spec

    def _bind(self) -> None:
        super()._bind()
        self._contacts = ContactForces(self.simulation, *bounds(self._force_range()))

    def _parts(self, model: mujoco.MjModel) -> list[layout.Part]:
        forces = layout.per_body(model, "contact_force", "N m, N", layout.SPATIAL_FORCE)
        return [*super()._parts(model), *self._inner_parts(model), forces]

    def _inner_parts(self, model: mujoco.MjModel) -> list[layout.Part]:
        """Return the parts of the observation between velocities and contact forces."""
        del model
        return []

    def _true(self, rows: Rows) -> Array:
        return np.concatenate(
            (super()._true(rows), *self._inner_true(rows), self._contacts.of_bodies(rows)), axis=1
        )

    def _inner_true(self, rows: Rows) -> list[Array]:
        """Return the values of `_inner_parts`, (n, size) each."""
        del rows
        return []

    def _contact_cost(self) -> Array:
        return self.config.contact_cost_weight * self._contacts.squared()
