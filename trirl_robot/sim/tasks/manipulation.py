"""What push, lift and place share: a cube on the table, a target, and what is seen of them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.contract import ObservationField, ObservationSource
from trirl_robot.errors import ConfigError
from trirl_robot.sim.arm import ObjectSignals, Rows
from trirl_robot.sim.compiled import distances
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.robots import RobotConfig, load_robot
from trirl_robot.sim.tasks.arm import ArmTask
from trirl_robot.sim.tasks.objects import (
    FINGER_TOUCHES,
    ROBOT_TOUCH,
    SIGNALS,
    Cube,
    CubeConfig,
    RegionConfig,
    add_cube,
    add_target_mark,
    add_touches,
    length,
    read_pose,
)
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

CANDIDATES = 32
"""Targets drawn for each episode, of which the first at an allowed distance is taken."""


@dataclass(frozen=True, kw_only=True)
class CubeTaskConfig:
    """Parameters that push, lift and place share."""

    task: str
    """Kind of task."""
    name: str
    """Name of the task."""
    robot: str
    """Robot, by built-in name or file."""
    duration_s: float
    """Length of an episode [s]."""
    success_hold_s: float
    """Time at the end of the episode over which the task must be fulfilled [s]."""
    start_spread_rad: float
    """Greatest deviation of start poses from the robot's home pose, in each joint [rad or m]."""
    region: RegionConfig
    """Where the cube starts, and where its target is."""
    yaw_rad: float = 0.785
    """Greatest rotation of the cube at the start [rad]; it looks the same after a quarter turn."""
    maximum_radius_m: float = 0.5
    """Distance from the base's axis beyond which the cube is lost and the episode ends [m]."""
    cube: CubeConfig = field(default_factory=CubeConfig)
    """The cube."""

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        require(self, "more than 0", lambda v: v > 0.0, "duration_s")
        require(
            self, "0 or more", lambda v: v >= 0.0, "success_hold_s", "start_spread_rad", "yaw_rad"
        )
        if self.maximum_radius_m <= self.region.radius_m[1]:
            raise ConfigError(
                f"maximum_radius_m is {self.maximum_radius_m}, expected more than the region's "
                f"greatest radius, {self.region.radius_m[1]}"
            )


class CubeTask(ArmTask):
    """Start, observation and ends; what a task is about stands in the classes derived from this."""

    config: CubeTaskConfig
    """The task's parameters."""
    needs_gripper: ClassVar[bool] = False
    """Whether the gripper is commanded, as the last joint."""

    def __init__(
        self,
        config: CubeTaskConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        random: EpisodeRandom,
        nthread: int = 0,
    ) -> None:
        """Build the simulations.

        Args:
            config: the task.
            num_envs: number of simulations.
            randomisation: what is drawn at each reset.
            random: source of every draw.
            nthread: threads to step on; 0 for all cores.

        Raises:
            ConfigError: the gripper is needed, and the robot has none.
        """
        self.config = config
        robot = load_robot(config.robot)
        if self.needs_gripper and robot.gripper is None:
            raise ConfigError(
                f"task '{config.name}' needs a gripper, and robot '{robot.name}' has none; choose "
                "another robot, or describe its gripper in its file"
            )
        super().__init__(
            config,
            num_envs,
            randomisation=randomisation,
            random=random,
            nthread=nthread,
            with_gripper=self.needs_gripper,
            furnish=partial(_furnish, robot, config.cube, self.mark_radius_m),
            objects=ObjectSignals(SIGNALS, read_pose),
        )
        self.cube = Cube(self.simulation, config.cube)
        batch, model = self.simulation.batch, self.simulation.model
        self._sensordata: Array = batch.bind("sensordata")
        sensors = (model.sensor(i) for i in range(model.nsensor))
        self._touches = {sensor.name: int(sensor.adr[0]) for sensor in sensors}
        self._mark: Array = batch.bind("mocap_pos")
        self._start_place, self._start_yaw = np.zeros((num_envs, 2)), np.zeros(num_envs)
        # 0.5 s at 25 Hz are 12.5 periods: round up, never in the policy's favour
        hold_steps = np.ceil(config.success_hold_s * robot.control.rate_hz)
        self._hold_steps = max(1, int(hold_steps))
        self._steps_there = np.zeros(num_envs, dtype=np.int64)

    @property
    @abstractmethod
    def mark_radius_m(self) -> float:
        """Radius of the target's mark [m]."""

    def observation_fields(self, robot: RobotConfig) -> tuple[ObservationField, ...]:
        """Return what a real arm knows of itself, and a camera of a marker on the cube."""
        count = len(self.arm.joint_names)

        def seen(source: ObservationSource, size: int, unit: str, frame: str | None = None) -> None:
            fields.append(
                ObservationField(name=source, size=size, unit=unit, source=source, frame=frame)
            )

        fields: list[ObservationField] = []
        seen("joint_position", count, "rad")
        seen("joint_velocity", count, "rad/s")
        seen("joint_command", count, "rad")
        seen("previous_action", count, "1")
        seen("end_effector_position", 3, "m", "base")
        seen("end_effector_to_object", 3, "m", "base")
        seen("object_position", 3, "m", "base")
        seen("object_orientation", 4, "1", "base")
        seen("object_to_target", 3, "m", "base")
        return tuple(fields)

    # physics

    @property
    def end_effector_to_cube(self) -> Array:
        """Distance from the end effector to the cube's centre, (N,), m."""
        return distances(self.cube.position, self.arm.end_effector_position)

    @property
    def touched(self) -> Mask:
        """Whether any part of the robot touches the cube, (N,)."""
        return np.asarray(self._sensordata[:, self._touches[ROBOT_TOUCH]] > 0)

    @property
    def grasped(self) -> Mask:
        """Whether the cube is touched from both sides of the gripper, (N,)."""
        first, second = (self._sensordata[:, self._touches[name]] for name in FINGER_TOUCHES)
        return np.asarray((first > 0) & (second > 0))

    @property
    def lost(self) -> Mask:
        """Whether the cube is out of reach for good, (N,)."""
        position = self.cube.position
        radius = np.hypot(position[:, 0], position[:, 1])
        return np.asarray((radius > self.config.maximum_radius_m) | (position[:, 2] < 0.0))

    # start

    def draw_start(self, ids: Ids) -> Array:
        """Draw cubes and targets for `ids`; return start poses, (n, joints), rad or m."""
        config, count = self.config, len(self.arm.robot.joints)
        uniform = self.random.uniform(ids, Stream.TASK, count + 3 + 2 * CANDIDATES)
        place = config.region.place(uniform[:, count : count + 2])
        self._start_place[ids] = place
        self._start_yaw[ids] = (2.0 * uniform[:, count + 2] - 1.0) * config.yaw_rad
        candidates = config.region.place(uniform[:, count + 3 :].reshape(-1, CANDIDATES, 2))
        self._target_position[ids] = self.choose_target(place, candidates)
        self._steps_there[ids] = 0
        pose = np.tile(self.arm.home_position, (len(ids), 1))
        pose[:, :count] += (2.0 * uniform[:, :count] - 1.0) * config.start_spread_rad
        low = [limit.position_min for limit in self.contract.limits]
        high = [limit.position_max for limit in self.contract.limits]
        return np.clip(pose, low, high)

    def place_objects(self, ids: Ids) -> None:
        """Lay the cube on the table, and mark the target."""
        self.cube.put(ids, self._start_place[ids], self._start_yaw[ids])
        self.show_target(ids)

    def show_target(self, ids: Ids) -> None:
        """Put the mark where the target is."""
        self._mark[ids, 0, :2] = self._target_position[ids, :2]

    @abstractmethod
    def choose_target(self, place: Array, candidates: Array) -> Array:
        """Return targets of the cube's centre.

        Args:
            place: where cubes start in the plane, (n, 2), m.
            candidates: places drawn from the region, (n, CANDIDATES, 2), m.

        Returns:
            Targets, (n, 3), m.
        """

    def object_signals(self, rows: Rows) -> dict[str, Array]:
        """Return position and orientation of the cube as measured, (n, 3) and (n, 4)."""
        measured = self.arm.measured_objects[rows]
        orientation = measured[:, 3:]
        # a unit quaternion in spite of noise; of the two that mean the same, the one with w >= 0
        norm = np.copysign(length(orientation), orientation[:, 0])
        return {
            "object_position": measured[:, :3],
            "object_orientation": orientation / norm[:, None],
        }

    # reward and ends

    @abstractmethod
    def fulfilled(self) -> Mask:
        """Return whether the task is fulfilled at this moment, (N,)."""

    @abstractmethod
    def partial_reward(self) -> Array:
        """Return what is worth how much on the way there, (N,), from 0 to less than 1."""

    def after_step(self) -> Outcome:
        """Measure; the reward is 1 while the task is fulfilled, and `partial_reward` on the way.

        No reward is negative, so that losing the cube, which ends the episode, never pays.
        """
        self.measure()
        there, lost = self.fulfilled(), self.lost
        self._steps_there = np.where(there, self._steps_there + 1, 0)
        return Outcome(
            reward=np.where(there, 1.0, self.partial_reward()),
            terminated=lost,
            success=(self._steps_there >= self._hold_steps) & ~lost,
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {**super().get_state(), "steps_there": self._steps_there.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self._steps_there = state["steps_there"].copy()


def _furnish(
    robot: RobotConfig, cube: CubeConfig, mark_radius_m: float, spec: mujoco.MjSpec
) -> None:
    """Add cube, target's mark and sensors to the scene."""
    add_cube(spec, cube)
    add_target_mark(spec, mark_radius_m)
    add_touches(spec, robot)
