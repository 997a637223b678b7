"""Ant: four legs, which feel what they touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.tasks.locomotion.feeling_walkers import FeelingWalkerConfig, FeelingWalkerTask
from trirl_robot.sim.tasks.locomotion.walkers import Range, bounds

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TORSO = 1


@dataclass(frozen=True, kw_only=True)
class AntConfig(FeelingWalkerConfig):
    """Parameters of Ant."""

    task: Literal["ant"] = "ant"
    """Kind of task."""
    contact_force_range: Range
    """Range to which contact forces are cut [N m, N]."""


class AntTask(FeelingWalkerTask):
    """Ant-v5."""

    model_file = "ant.xml"
    velocity_noise = "normal"
    config: AntConfig

    def _force_range(self) -> Range:
        return self.config.contact_force_range

    def _bind(self) -> None:
        super()._bind()
        self._xpos: Array = self.simulation.batch.bind("xpos")

    def _forward_position(self) -> Array:
        # of the torso's frame, which the engine computed before the last physics step
        return self._xpos[:, TORSO, 0]

    def _healthy(self) -> Mask:
        simulation = self.simulation
        low, high = bounds(self.config.healthy_z_range_m)
        height = simulation.qpos[:, 2]
        # both ends belong to the range, here alone
        healthy = (height >= low) & (height <= high)
        healthy &= np.isfinite(simulation.qpos).all(axis=1)
        healthy &= np.isfinite(simulation.qvel).all(axis=1)
        return healthy
