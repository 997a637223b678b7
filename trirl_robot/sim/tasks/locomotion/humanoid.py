"""Humanoid: two legs and two arms, with everything that the engine knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.tasks.locomotion import layout
from trirl_robot.sim.tasks.locomotion.benchmark import Rows
from trirl_robot.sim.tasks.locomotion.feeling_walkers import FeelingWalkerConfig, FeelingWalkerTask
from trirl_robot.sim.tasks.locomotion.walkers import Range, bounds, inside

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BASE_DOFS = 6
"""Degrees of freedom of the free joint, which no actuator drives."""


@dataclass(frozen=True, kw_only=True)
class HumanoidConfig(FeelingWalkerConfig):
    """Parameters of Humanoid."""

    task: Literal["humanoid"] = "humanoid"
    """Kind of task."""
    contact_cost_range: Range
    """Range to which the cost of contacts is cut."""


class HumanoidTask(FeelingWalkerTask):
    """Humanoid-v5."""

    model_file = "humanoid.xml"
    config: HumanoidConfig

    def _force_range(self) -> Range:
        return (None, None)

    def _bind(self) -> None:
        super()._bind()
        batch = self.simulation.batch
        self._centre_of_mass: Array = batch.bind("subtree_com")
        self._inertia: Array = batch.bind("cinert")
        self._velocity: Array = batch.bind("cvel")
        self._actuation: Array = batch.bind("qfrc_actuator")

    def _inner_parts(self, model: mujoco.MjModel) -> list[layout.Part]:
        joints = tuple(model.joint(i).name for i in range(1, model.njnt))
        return [
            layout.per_body(model, "body_inertia", "kg m^2, kg m, kg", layout.INERTIA),
            layout.per_body(model, "body_velocity", "rad/s, m/s", layout.SPATIAL_VELOCITY),
            layout.Part(name="actuator_torque", unit="N m", components=joints),
        ]

    def _inner_true(self, rows: Rows) -> list[Array]:
        inertia, velocity = self._inertia[rows, 1:], self._velocity[rows, 1:]
        return [
            inertia.reshape(len(inertia), -1),
            velocity.reshape(len(velocity), -1),
            self._actuation[rows, BASE_DOFS:],
        ]

    def _forward_position(self) -> Array:
        # of the whole robot, which is all that hangs on the world
        return self._centre_of_mass[:, 0, 0]

    def _healthy(self) -> Mask:
        return inside(self.simulation.qpos[:, 2], self.config.healthy_z_range_m)

    def _contact_cost(self) -> Array:
        return np.asarray(np.clip(super()._contact_cost(), *bounds(self.config.contact_cost_range)))
