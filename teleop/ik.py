"""Inverse kinematics of an arm with mink, on the model of the arm alone."""

from __future__ import annotations

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.scene import robot_model

Array = NDArray[np.float64]

_POSTURE_COST = 0.005
_STEP_S = 0.1
_TOLERANCE_M = 1.5e-3


class InverseKinematics:
    """Finds joint positions that bring the end effector to a place.

    An arm of five joints cannot also choose its orientation: the position is the task, and a weak
    posture cost keeps the joints near where they are.
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
        self._posture = mink.PostureTask(self._model, cost=_POSTURE_COST)
        self._limits = [mink.ConfigurationLimit(self._model)]
        self._generator = np.random.default_rng(seed)

    def end_effector_position(self, joint_position: Array) -> Array:
        """Return where the end effector is, (J,) to (3,), m in the base frame."""
        self._set(joint_position)
        return np.array(self._configuration.data.site(self._site).xpos)

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

    def _descend(self, seed: Array, posture: Array, target: Array) -> Array:
        self._set(posture)
        self._posture.set_target_from_configuration(self._configuration)
        self._set(seed)
        self._place.set_target(mink.SE3.from_translation(target))
        for _ in range(80):
            velocity = mink.solve_ik(
                self._configuration,
                [self._place, self._posture],
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
