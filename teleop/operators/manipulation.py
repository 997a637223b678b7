"""What scripted operators of tasks with a cube share: sight, movements of a hand that points down.

An operator's plan is a generator: it starts movements and yields the time at which it decides what
comes next, with the cube as it then sees it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teleop.devices.base import DeviceContext, DeviceFeatures, OperatorView
from teleop.ik import InverseKinematics, pointing_down, tilt_of, yaw_of
from teleop.operators.events import unattended_event
from teleop.operators.hand import Hand, HandTraits, Movement
from trirl_robot.errors import ConfigError
from trirl_robot.sim.tasks.manipulation import CubeTaskConfig

Array = NDArray[np.float64]
Plan = Iterator[float]

CAREFUL_HAND = HandTraits(
    drift_rad=0.003, drift_time_s=0.25, tremor_rad=0.003, noise_per_speed_s=0.006
)
"""A hand beside something that it must not knock over."""


@dataclass(frozen=True, kw_only=True)
class ManipulationTraits:
    """How a scripted operator moves about a cube."""

    reaction_s: tuple[float, float] = (0.06, 0.16)
    """Range of the time before the first movement [s]."""
    visual_delay_s: float = 0.12
    """Age of what the operator sees [s]."""
    base_duration_s: float = 0.35
    """Duration of a movement of no length [s]."""
    duration_per_rad_s: float = 0.45
    """Additional duration for each radian of the joint that moves most [s/rad]."""
    duration_per_m_s: float = 0.6
    """Additional duration for each metre of a straight line [s/m]."""
    tempo_spread: float = 0.12
    """Spread of all durations between demonstrations, relative."""
    peak_action: float = 0.95
    """Greatest action that a movement is planned to need."""
    skew: tuple[float, float] = (0.9, 1.08)
    """Range of the skew of a movement's speed; see `Movement`."""
    look_s: tuple[float, float] = (0.0, 0.06)
    """Range of the pause before the next decision [s]."""
    knot_m: float = 0.025
    """Distance between points of a straight line at which inverse kinematics are solved [m]."""
    hover_m: tuple[float, float] = (0.05, 0.066)
    """Range of the height above a place to which the hand goes first [m]."""
    retry_s: float = 0.3
    """Time between looks while nothing is to be done [s]."""
    hand: HandTraits = CAREFUL_HAND
    """How steady the hand is."""


class ManipulationOperator(ABC):
    """A device without a person, for a robot that says how its hand points."""

    features = DeviceFeatures(delivers="joint_position", unattended=True)
    event = staticmethod(unattended_event)

    def __init__(self, context: DeviceContext, traits: ManipulationTraits) -> None:
        """Prepare the operator.

        Args:
            context: contract, robot, task and seed.
            traits: how it moves.

        Raises:
            ConfigError: the robot's file does not say how its hand points.
        """
        robot = context.robot
        if robot.end_effector.hand is None:
            raise ConfigError(
                f"robot '{robot.name}' does not say how its hand points, which the scripted "
                "operator needs to know; give end_effector.hand in its file"
            )
        task = context.task
        assert isinstance(task, CubeTaskConfig)
        self.half_m = 0.5 * task.cube.size_m
        self._traits = traits
        self._pointing = robot.end_effector.hand
        self._joints = len(robot.joints)
        self.generator = np.random.default_rng(context.seed)
        self.ik = InverseKinematics(robot)
        self.hand = Hand(traits.hand, context.contract, self.generator)
        self._seen: deque[OperatorView] = deque(maxlen=1)
        self._plan: Plan = iter(())
        self._next_s = 0.0
        self._tempo = 1.0
        self.now_s = 0.0

    @abstractmethod
    def plan(self) -> Plan:
        """Start movements; yield when to decide next [s]."""

    def begin(self, view: OperatorView) -> None:
        """Take the arm as it stands."""
        traits, draw = self._traits, self.generator
        self.hand.begin(view.joint_command)
        delay = max(1, round(traits.visual_delay_s / self.hand.period_s))
        self._seen = deque([view], maxlen=delay)
        self._tempo = float(np.exp(draw.normal(0.0, traits.tempo_spread)))
        self._plan = self.plan()
        self._next_s = draw.uniform(*traits.reaction_s)

    def command(self, view: OperatorView) -> Array:
        """Return where the hand wants the joints to be, (J,), rad or m."""
        # a command sent now is where the arm should be at the end of this cycle
        self.now_s = (view.step + 1) * self.hand.period_s
        self._seen.append(view)
        if self.now_s >= self._next_s:
            self._next_s = next(self._plan)
        return self.hand.command(self.now_s)

    def close(self) -> None:
        """Give up the plan; nothing is held open."""
        self._plan = iter(())

    # what it sees

    @property
    def view(self) -> OperatorView:
        """What is felt now: the arm's own joints."""
        return self._seen[-1]

    def cube(self) -> tuple[Array, float]:
        """Return where the cube is seen, (3,), m, and its rotation about the vertical [rad]."""
        view = self._seen[0]
        assert view.object_position is not None and view.object_orientation is not None
        w, x, y, z = view.object_orientation
        yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        return view.object_position, float(yaw)

    def clearance(self) -> float:
        """Return how high the lowest corner of the cube is seen above the table [m]."""
        view = self._seen[0]
        assert view.object_position is not None and view.object_orientation is not None
        w, x, y, z = view.object_orientation
        up = (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y))
        return float(view.object_position[2] - self.half_m * np.abs(up).sum())

    def goal_pose(self) -> tuple[Array, float]:
        """Return where the hand is led, (3,), m, and in which direction its fingers open [rad]."""
        place, orientation = self.ik.end_effector_pose(self.hand.goal[: self._joints])
        return place, yaw_of(self._pointing, orientation)

    def best_yaw(self, place: Array, yaws: Sequence[float]) -> float:
        """Return the direction for the fingers that the hand can take up with least movement.

        Args:
            place: where the hand is to be, (3,), m.
            yaws: directions that would do [rad].
        """
        start = self.hand.goal[: self._joints]
        costs = []
        for yaw in yaws:
            found = self.ik.solve_pose(start, place, pointing_down(self._pointing, yaw))
            reached, orientation = self.ik.end_effector_pose(found)
            missed = float(np.linalg.norm(reached - place))
            turned = abs(wrapped(yaw_of(self._pointing, orientation) - yaw))
            tilted = tilt_of(self._pointing, orientation)
            costs.append(
                float(np.abs(found - start).max())
                + 200.0 * max(0.0, missed - 0.003)
                + 10.0 * max(0.0, turned - 0.08)
                + 2.0 * max(0.0, tilted - 0.35)
            )
        return yaws[int(np.argmin(costs))]

    # what it does

    def pause(self, time_s: float) -> float:
        """Return the time after a pause of `time_s` and a look."""
        return float(self.now_s + time_s + self.generator.uniform(*self._traits.look_s))

    def move(
        self,
        place: Array,
        yaw: float,
        *,
        finger: float | None = None,
        straight: bool = True,
        share: float = 1.0,
    ) -> float:
        """Start a movement to where the movements in progress do not lead.

        Args:
            place: where the end effector is to be, (3,), m; the hand points down.
            yaw: direction in which the fingers are to open [rad].
            finger: where the gripper's joint is to be [rad or m]; None to leave it.
            straight: go on a straight line, and not as the joints turn.
            share: share of the movement after which the next decision is due.

        Returns:
            When the next decision is due [s].
        """
        path, traits = self._path(place, yaw, finger, straight), self._traits
        turn = float(np.abs(np.diff(path, axis=0)).sum(axis=0).max())
        wanted = traits.base_duration_s + traits.duration_per_rad_s * turn
        if straight:
            wanted += traits.duration_per_m_s * self._length
        least = self.hand.least_duration(path, traits.peak_action)
        duration_s = max(wanted * self._tempo, least)
        skew = float(self.generator.uniform(*traits.skew))
        start_s = self.now_s - self.hand.period_s
        self.hand.start(Movement(start_s=start_s, duration_s=duration_s, path=path, skew=skew))
        return self.pause(share * duration_s)

    def move_finger(self, position: float, speed: float) -> float:
        """Start to move the gripper's joint alone; return when it is there [s].

        Args:
            position: where it is to be [rad or m].
            speed: mean speed [rad/s or m/s].
        """
        goal = self.hand.goal
        path = np.zeros((2, len(goal)))
        path[1, -1] = position - goal[-1]
        duration_s = max(abs(float(path[1, -1])) / speed * self._tempo, self.hand.period_s)
        start_s = self.now_s - self.hand.period_s
        self.hand.start(Movement(start_s=start_s, duration_s=duration_s, path=path))
        return start_s + duration_s

    def _path(self, place: Array, yaw: float, finger: float | None, straight: bool) -> Array:
        """Return the joints' changes on the way to a pose, (K, J)."""
        goal, (start, start_yaw) = self.hand.goal, self.goal_pose()
        self._length = float(np.linalg.norm(place - start))
        knots = max(1, int(np.ceil(self._length / self._traits.knot_m))) if straight else 1
        turn = wrapped(yaw - start_yaw)
        joints, path = goal[: self._joints], [goal]
        for part in np.arange(1, knots + 1) / knots:
            orientation = pointing_down(self._pointing, start_yaw + part * turn)
            joints = self.ik.solve_pose(joints, start + part * (place - start), orientation)
            pose = goal.copy()
            pose[: self._joints] = joints
            if finger is not None:
                pose[-1] += part * (finger - goal[-1])
            path.append(pose)
        return np.array(path) - goal


def wrapped(angle: float) -> float:
    """Return the same angle in [-pi, pi)."""
    return float((angle + np.pi) % (2.0 * np.pi) - np.pi)


def planar(yaw: float) -> Array:
    """Return the horizontal unit vector of a direction, (3,)."""
    return np.array([np.cos(yaw), np.sin(yaw), 0.0])


def turned(vector: Array, angle: float) -> Array:
    """Return a vector (3,) rotated about the vertical."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z = vector
    return np.array([cosine * x - sine * y, sine * x + cosine * y, z])
