"""Point Maze: a point goes round a wall to a goal; the flipped maze has its gap on the other side.

Fu et al. 2018 (adversarial inverse reinforcement learning) use the pair to ask whether a reward
that was learnt in one maze leads a new policy through the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.errors import ConfigError
from trirl_robot.sim.tasks.locomotion.benchmark import (
    BenchmarkConfig,
    BenchmarkTask,
    Rows,
    symmetric,
)
from trirl_robot.sim.tasks.locomotion.layout import Part
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]

WALL_M = 0.02
"""Half the thickness of all walls."""
HEIGHT_M = 0.05
"""Half the height of all walls."""
RADIUS_M = 0.03
"""Radius of the point."""
TIMESTEP_S = 0.01


@dataclass(frozen=True, kw_only=True)
class PointMazeConfig(BenchmarkConfig):
    """Parameters of the maze; its origin is the centre of the box, y points to the goal's side."""

    task: Literal["point-maze"] = "point-maze"
    """Kind of task."""
    gap_side: Literal["left", "right"]
    """End of the wall at which the gap is: left is towards negative x."""
    gap_width_m: float
    """Width of the gap [m]."""
    half_width_m: float
    """Half the inner width and length of the box [m]."""
    start_m: tuple[float, float]
    """Mean start of the point, x and y [m]."""
    start_noise_m: float
    """Greatest offset of the start in x and y [m]."""
    goal_m: tuple[float, float]
    """The goal, x and y [m]."""
    mass_kg: float
    """Mass of the point [kg]."""
    force_n: float
    """Force along an axis for an action of 1 [N]."""
    damping_n_s_m: float
    """Force against the motion for each m/s [N s/m]."""
    ctrl_cost_weight: float
    """Cost of the sum of the squared controls."""
    success_radius_m: float
    """Distance to the goal that counts as success [m]."""

    def __post_init__(self) -> None:
        """Check that point and gap fit."""
        super().__post_init__()
        positive = ("half_width_m", "mass_kg", "force_n", "success_radius_m")
        require(self, "more than 0", lambda v: v > 0, *positive)
        require(self, "at least 0", lambda v: v >= 0, "start_noise_m", "damping_n_s_m")
        if not 2 * RADIUS_M < self.gap_width_m < 2 * self.half_width_m:
            raise ConfigError(
                f"gap_width_m is {self.gap_width_m}, expected more than the point's diameter "
                f"{2 * RADIUS_M} and less than the box's width {2 * self.half_width_m}"
            )
        reach = self.half_width_m - RADIUS_M
        for name, noise in (("start_m", self.start_noise_m), ("goal_m", 0.0)):
            place = getattr(self, name)
            if max(map(abs, place)) + noise > reach:
                raise ConfigError(f"{name} is {list(place)}, which is not inside the box")


class PointMazeTask(BenchmarkTask):
    """Reward is minus the distance to the goal, less the cost of control; nothing ends early."""

    config: PointMazeConfig
    num_draws = 2

    def after_step(self) -> Outcome:
        """Measure; return reward and success."""
        self._measure()
        distance = self.distance()
        self.reward_terms = {
            "reward_dist": -distance,
            "reward_ctrl": -self.config.ctrl_cost_weight * self._control_effort(),
        }
        return Outcome(
            reward=self.reward_terms["reward_dist"] + self.reward_terms["reward_ctrl"],
            terminated=np.zeros(len(distance), dtype=np.bool_),
            success=distance <= self.config.success_radius_m,
        )

    @property
    def target_position(self) -> Array:
        """Goals, (N, 3), m."""
        return np.tile([*self._goal, 0.0], (self.simulation.num_envs, 1))

    def distance(self) -> Array:
        """Return the distance to the goal, (N,), m."""
        return np.asarray(np.linalg.norm(self._goal - self.simulation.qpos, axis=1))

    def _spec(self) -> mujoco.MjSpec:
        return maze(self.config)

    def _bind(self) -> None:
        self._goal = np.array(self.config.goal_m)

    def _parts(self, model: mujoco.MjModel) -> list[Part]:
        axes = tuple(model.joint(i).name for i in range(model.njnt))
        return [
            Part(name="position", unit="m", components=axes),
            Part(name="velocity", unit="m/s", components=axes),
            Part(name="position_to_goal", unit="m", components=axes),
        ]

    def _true(self, rows: Rows) -> Array:
        position = self.simulation.qpos[rows]
        return np.concatenate((position, self.simulation.qvel[rows], self._goal - position), axis=1)

    def _start_state(self, draws: Array) -> tuple[Array, Array]:
        start = np.array(self.config.start_m) + symmetric(draws, self.config.start_noise_m)
        return start, np.zeros_like(start)


def maze(config: PointMazeConfig) -> mujoco.MjSpec:
    """Return the model: a box with a wall along x, open at one end, and a point on two slides."""
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # seen from above; nothing moves up or down
    spec.option.gravity = [0.0, 0.0, 0.0]
    half = config.half_width_m
    outer = half + 2 * WALL_M
    for name, x, y, length_x, length_y in (
        ("south", 0.0, -half - WALL_M, outer, WALL_M),
        ("north", 0.0, half + WALL_M, outer, WALL_M),
        ("west", -half - WALL_M, 0.0, WALL_M, outer),
        ("east", half + WALL_M, 0.0, WALL_M, outer),
        ("wall", _wall_centre(config), 0.0, half - config.gap_width_m / 2, WALL_M),
    ):
        spec.worldbody.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[x, y, HEIGHT_M],
            size=[length_x, length_y, HEIGHT_M],
            rgba=[0.5, 0.5, 0.55, 1.0],
        )
    spec.worldbody.add_site(name="goal", pos=[*config.goal_m, 0.0], size=[RADIUS_M] * 3)
    spec.worldbody.add_light(pos=[0.0, 0.0, 2.0], dir=[0.0, 0.0, -1.0])
    _add_point(spec, config)
    return spec


def _wall_centre(config: PointMazeConfig) -> float:
    away = config.gap_width_m / 2
    return away if config.gap_side == "left" else -away


def _add_point(spec: mujoco.MjSpec, config: PointMazeConfig) -> None:
    point = spec.worldbody.add_body(name="point", pos=[0.0, 0.0, HEIGHT_M])
    point.add_geom(
        name="point",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[RADIUS_M, 0.0, 0.0],
        mass=config.mass_kg,
        condim=1,
        rgba=[0.85, 0.35, 0.2, 1.0],
    )
    for axis, vector in (("x", [1.0, 0.0, 0.0]), ("y", [0.0, 1.0, 0.0])):
        point.add_joint(
            name=axis,
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=vector,
            damping=config.damping_n_s_m,
        )
        motor = spec.add_actuator(
            name=axis,
            target=axis,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            ctrllimited=mujoco.mjtLimited.mjLIMITED_TRUE,
            ctrlrange=[-1.0, 1.0],
        )
        motor.set_to_motor()
        motor.gear[0] = config.force_n
