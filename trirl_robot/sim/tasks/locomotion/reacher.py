"""Reacher: a planar arm of two links whose fingertip goes to a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.tasks.locomotion.benchmark import (
    BenchmarkConfig,
    BenchmarkTask,
    Rows,
    symmetric,
)
from trirl_robot.sim.tasks.locomotion.layout import Part
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

ANGLE_NOISE_RAD = 0.1
VELOCITY_NOISE_RAD_S = 0.005
TARGET_RADIUS_M = 0.2
"""Targets are drawn from a disc of this radius about the arm's axis."""
JOINTS = 2


@dataclass(frozen=True, kw_only=True)
class ReacherConfig(BenchmarkConfig):
    """Parameters of Reacher."""

    task: Literal["reacher"] = "reacher"
    """Kind of task."""
    reward_dist_weight: float
    """Cost of a distance of 1 m."""
    reward_control_weight: float
    """Cost of the sum of the squared controls."""
    success_radius_m: float
    """Distance to the target that counts as success [m]; not Gymnasium's."""


class ReacherTask(BenchmarkTask):
    """Reacher-v5."""

    config: ReacherConfig
    model_file = "reacher.xml"
    num_draws = 4 + JOINTS

    def after_step(self) -> Outcome:
        """Measure; the reward is minus the distance and the cost of control."""
        self._measure()
        distance = self.distance()
        config = self.config
        self.reward_terms = {
            "reward_dist": -distance * config.reward_dist_weight,
            "reward_ctrl": -self._control_effort() * config.reward_control_weight,
        }
        return Outcome(
            reward=self.reward_terms["reward_dist"] + self.reward_terms["reward_ctrl"],
            terminated=np.zeros(len(distance), dtype=np.bool_),
            success=distance <= config.success_radius_m,
        )

    @property
    def target_position(self) -> Array:
        """Targets, (N, 3), m."""
        return np.array(self._xpos[:, self._target])

    def distance(self) -> Array:
        """Return the distance from fingertip to target, (N,), m."""
        return np.asarray(np.linalg.norm(self._offset(slice(None)), axis=1))

    def _offset(self, rows: Rows) -> Array:
        xpos = self._xpos[rows]
        return np.asarray(xpos[:, self._fingertip] - xpos[:, self._target])

    def _bind(self) -> None:
        self._xpos: Array = self.simulation.batch.bind("xpos")
        model = self.simulation.model
        self._fingertip, self._target = (model.body(n).id for n in ("fingertip", "target"))

    def _parts(self, model: mujoco.MjModel) -> list[Part]:
        joints = tuple(model.joint(i).name for i in range(JOINTS))
        return [
            Part(name="joint_cosine", unit="1", components=joints),
            Part(name="joint_sine", unit="1", components=joints),
            Part(name="target_position", unit="m", components=("x", "y")),
            Part(name="joint_velocity", unit="rad/s", components=joints),
            Part(name="target_to_fingertip", unit="m", components=("x", "y")),
        ]

    def _true(self, rows: Rows) -> Array:
        qpos = self.simulation.qpos[rows]
        angle = qpos[:, :JOINTS]
        return np.concatenate(
            (
                np.cos(angle),
                np.sin(angle),
                qpos[:, JOINTS:],
                self.simulation.qvel[rows, :JOINTS],
                self._offset(rows)[:, :2],
            ),
            axis=1,
        )

    def _start_state(self, draws: Array) -> tuple[Array, Array]:
        qpos = np.empty((len(draws), 2 * JOINTS))
        qpos[:, :JOINTS] = symmetric(draws[:, :JOINTS], ANGLE_NOISE_RAD)
        radius = TARGET_RADIUS_M * np.sqrt(draws[:, 2])
        turn = 2.0 * np.pi * draws[:, 3]
        qpos[:, 2], qpos[:, 3] = radius * np.cos(turn), radius * np.sin(turn)
        qvel = np.zeros_like(qpos)
        qvel[:, :JOINTS] = symmetric(draws[:, 4:], VELOCITY_NOISE_RAD_S)
        return qpos, qvel
