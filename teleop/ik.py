"""Inverse kinematics of an arm with mink, on the model of the arm alone."""

from __future__ import annotations

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.robot_body import HandConfig
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.scene import robot_model

Array = NDArray[np.float64]

_POSTURE_COST = 0.005
_ORIENTATION_COST = 0.03
_STEP_S = 0.1
_TOLERANCE_M = 1.5e-3


class InverseKinematics:
    """Finds joint positions that bring the end effector to a place.

    An arm of five joints cannot also choose its orientation: the position is the task, and a weak
    posture cost keeps the joints near where they are. Where an orientation is wanted too, it gives
    way to the position.
    """

    def __init__(self, robot: RobotConfig, seed: int = 0) -> None:
        """Compile the arm.

        Args:
            robot: the robot.
            seed: for the poses from which a search starts anew when it is caught.
        """
        self._model = robot_model(robot)
        self._configuration = mink.Configuration(self._model)
        self._index = np.array([self._model.joint(name).qposadr[0] for name in robot.joints])
        self._dofs = np.array([self._model.joint(name).dofadr[0] for name in robot.joints])
        ranges = np.array([self._model.joint(name).range for name in robot.joints])
        self._low, self._high = ranges[:, 0] + 0.02, ranges[:, 1] - 0.02
        self._home = np.asarray(robot.home_position)
        self._site = robot.end_effector_site
        self._place = mink.FrameTask(self._site, "site", position_cost=1.0, orientation_cost=0.0)
        self._pose = mink.FrameTask(
            self._site, "site", position_cost=1.0, orientation_cost=_ORIENTATION_COST
        )
        self._posture = mink.PostureTask(self._model, cost=_POSTURE_COST)
        self._limits = [mink.ConfigurationLimit(self._model)]
        self._generator = np.random.default_rng(seed)

    def end_effector_position(self, joint_position: Array) -> Array:
        """Return where the end effector is, (J,) to (3,), m in the base frame."""
        return self.end_effector_pose(joint_position)[0]

    def end_effector_pose(self, joint_position: Array) -> tuple[Array, Array]:
        """Return the end effector's place (3,), m, and orientation (3, 3), in the base frame."""
        self._set(joint_position)
        site = self._configuration.data.site(self._site)
        return np.array(site.xpos), np.array(site.xmat).reshape(3, 3)

    def solve(self, start: Array, target: Array) -> Array:
        """Return joint positions near `start` whose end effector is at `target`.

        Args:
            start: joint positions from which the search starts, shape (J,), rad or m.
            target: wanted place of the end effector, shape (3,), m, base frame.

        Returns:
            Joint positions, shape (J,); the nearest place found when `target` is out of reach.
        """
        best, least = start, np.inf
        for attempt in range(6):
            seed = start
            if attempt:
                seed = self._generator.uniform(self._low, self._high)
                # between the home pose and anywhere: a search seldom gets caught twice
                seed = self._home + (seed - self._home) * (attempt - 1) / 4
            found = self._descend(seed, start, target)
            error = float(np.linalg.norm(self.end_effector_position(found) - target))
            if error < least:
                best, least = found, error
            if least < _TOLERANCE_M:
                break
        return best

    def solve_pose(self, start: Array, target: Array, orientation: Array) -> Array:
        """Return joint positions near `start` for a place and, as well as it goes, an orientation.

        Args:
            start: joint positions from which the search starts, shape (J,), rad or m.
            target: wanted place of the end effector, shape (3,), m, base frame.
            orientation: wanted orientation of its frame, a rotation matrix, shape (3, 3).

        Returns:
            Joint positions, shape (J,).
        """
        self._set(start)
        self._posture.set_target_from_configuration(self._configuration)
        rotation = mink.SO3.from_matrix(orientation)
        self._pose.set_target(mink.SE3.from_rotation_and_translation(rotation, target))
        return self._iterate(self._pose)

    def _descend(self, seed: Array, posture: Array, target: Array) -> Array:
        self._set(posture)
        self._posture.set_target_from_configuration(self._configuration)
        self._set(seed)
        self._place.set_target(mink.SE3.from_translation(target))
        return self._iterate(self._place)

    def _iterate(self, task: mink.FrameTask) -> Array:
        for _ in range(80):
            velocity = mink.solve_ik(
                self._configuration,
                [task, self._posture],
                _STEP_S,
                solver="daqp",
                damping=1e-4,
                limits=self._limits,
            )
            step = np.zeros(self._model.nv)
            step[self._dofs] = np.clip(velocity[self._dofs] * _STEP_S, -0.3, 0.3)
            self._configuration.integrate_inplace(step, 1.0)
            if np.abs(step).max() < 1e-4:
                break
        return np.asarray(np.clip(self._configuration.q[self._index], self._low, self._high))

    def _set(self, joint_position: Array) -> None:
        q = np.zeros(self._model.nq)
        q[self._index] = joint_position
        self._configuration.update(q)
        mujoco.mj_kinematics(self._model, self._configuration.data)


def pointing_down(hand: HandConfig, yaw: float) -> Array:
    """Return the orientation of an end effector whose hand points straight down, (3, 3).

    Args:
        hand: how the hand points in the end effector's frame.
        yaw: direction in which its fingers open, from the base's x axis to its y axis [rad].
    """
    own = _frame(np.array(hand.approach), np.array(hand.opening))
    wanted = _frame(np.array([0.0, 0.0, -1.0]), np.array([np.cos(yaw), np.sin(yaw), 0.0]))
    return np.asarray(wanted @ own.T)


def yaw_of(hand: HandConfig, orientation: Array) -> float:
    """Return the direction in which fingers open, seen from above [rad]; see `pointing_down`."""
    x, y, _ = orientation @ np.array(hand.opening)
    return float(np.arctan2(y, x))


def tilt_of(hand: HandConfig, orientation: Array) -> float:
    """Return the angle between where the hand points and straight down [rad]."""
    return float(np.arccos(np.clip(-(orientation @ np.array(hand.approach))[2], -1.0, 1.0)))


def _frame(first: Array, second: Array) -> Array:
    return np.stack([first, second, np.cross(first, second)], axis=1)
