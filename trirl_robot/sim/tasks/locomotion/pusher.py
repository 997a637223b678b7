"""Pusher: an arm of seven joints that pushes a cylinder to a goal."""

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

JOINTS = 7
VELOCITY_NOISE_RAD_S = 0.005
OBJECT_LOW_M = np.array([-0.3, -0.2])
OBJECT_HIGH_M = np.array([0.0, 0.2])
"""Range of the object's two slides, the goal being at zero."""
LEAST_DISTANCE_M = 0.17
"""The object starts further than this from the goal."""
CANDIDATES = 32
"""Places drawn for the object, of which the first far enough is taken; 62 % are."""


@dataclass(frozen=True, kw_only=True)
class PusherConfig(BenchmarkConfig):
    """Parameters of Pusher."""

    task: Literal["pusher"] = "pusher"
    """Kind of task."""
    reward_near_weight: float
    """Cost of a distance of 1 m from fingertips to object."""
    reward_dist_weight: float
    """Cost of a distance of 1 m from object to goal."""
    reward_control_weight: float
    """Cost of the sum of the squared controls."""
    success_radius_m: float
    """Distance of the object to the goal that counts as success [m]; not Gymnasium's."""


class PusherTask(BenchmarkTask):
    """Pusher-v5."""

    config: PusherConfig
    model_file = "pusher_v5.xml"
    num_draws = JOINTS + 2 * CANDIDATES

    def after_step(self) -> Outcome:
        """Measure; the reward is minus both distances and the cost of control."""
        self._measure()
        config, distance = self.config, self.distance()
        reach = self._xpos[:, self._object] - self._xpos[:, self._tips]
        terms = {
            "reward_dist": -distance * config.reward_dist_weight,
            "reward_ctrl": -self._control_effort() * config.reward_control_weight,
            "reward_near": -np.linalg.norm(reach, axis=1) * config.reward_near_weight,
        }
        self.reward_terms = terms
        return Outcome(
            reward=terms["reward_dist"] + terms["reward_ctrl"] + terms["reward_near"],
            terminated=np.zeros(len(distance), dtype=np.bool_),
            success=distance <= config.success_radius_m,
        )

    @property
    def target_position(self) -> Array:
        """Goals of the object, (N, 3), m."""
        return np.array(self._xpos[:, self._goal])

    def distance(self) -> Array:
        """Return the distance from object to goal, (N,), m."""
        offset = self._xpos[:, self._object] - self._xpos[:, self._goal]
        return np.asarray(np.linalg.norm(offset, axis=1))

    def _bind(self) -> None:
        self._xpos: Array = self.simulation.batch.bind("xpos")
        model = self.simulation.model
        self._tips, self._object, self._goal = (
            model.body(name).id for name in ("tips_arm", "object", "goal")
        )

    def _parts(self, model: mujoco.MjModel) -> list[Part]:
        joints = tuple(model.joint(i).name for i in range(JOINTS))
        places = ("fingertips_position", "object_position", "goal_position")
        return [
            Part(name="joint_angle", unit="rad", components=joints),
            Part(name="joint_velocity", unit="rad/s", components=joints),
            *(Part(name=name, unit="m", components=("x", "y", "z")) for name in places),
        ]

    def _true(self, rows: Rows) -> Array:
        simulation, xpos = self.simulation, self._xpos[rows]
        return np.concatenate(
            (
                simulation.qpos[rows, :JOINTS],
                simulation.qvel[rows, :JOINTS],
                xpos[:, self._tips],
                xpos[:, self._object],
                xpos[:, self._goal],
            ),
            axis=1,
        )

    def _start_state(self, draws: Array) -> tuple[Array, Array]:
        qpos = np.zeros((len(draws), JOINTS + 4))
        qvel = np.zeros_like(qpos)
        qvel[:, :JOINTS] = symmetric(draws[:, :JOINTS], VELOCITY_NOISE_RAD_S)
        uniform = draws[:, JOINTS:].reshape(len(draws), CANDIDATES, 2)
        places = OBJECT_LOW_M + (OBJECT_HIGH_M - OBJECT_LOW_M) * uniform
        # with none far enough, once in 10^13 starts, the furthest corner
        places[:, -1] = OBJECT_LOW_M
        far = np.linalg.norm(places, axis=2) > LEAST_DISTANCE_M
        qpos[:, JOINTS : JOINTS + 2] = places[np.arange(len(draws)), far.argmax(axis=1)]
        return qpos, qvel
