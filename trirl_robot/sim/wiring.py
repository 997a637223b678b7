"""Where commanded joints stand in a compiled scene, and what their actuators are sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.actuation import takes
from trirl_robot.sim.robot_config import RobotConfig

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Wiring:
    """Indices of J commanded joints, of P positions that follow from them, and of A actuators.

    A finger that follows the gripper's joint has a position, and mostly an actuator, of its own.
    """

    joint_names: tuple[str, ...]
    """Commanded joints, in order, (J,)."""
    qpos_index: Ids
    """Place of each joint in `qpos`, (J,)."""
    dof_index: Ids
    """Place of each joint in `qvel`, (J,)."""
    position_index: Ids
    """Places in `qpos` that follow from the joints' positions, theirs and followers', (P,)."""
    position_source: Ids
    """Joint that each of these follows, (P,)."""
    position_ratio: Array
    """Its position divided by the joint's, (P,)."""
    control_index: Ids
    """Actuators that obey the commands, (A,)."""
    control_source: Ids
    """Joint whose command each obeys, (A,)."""
    control_ratio: Array
    """Its command divided by the joint's, (A,)."""
    takes_velocity: NDArray[np.bool_]
    """Whether its control is a velocity, (A,); otherwise it is a position."""

    @property
    def joint_takes_velocity(self) -> NDArray[np.bool_]:
        """Whether a joint's actuators are sent velocities, (J,)."""
        mask = np.zeros(len(self.joint_names), dtype=np.bool_)
        mask[self.control_source] = self.takes_velocity
        return mask

    def positions(self, joint_position: Array) -> Array:
        """Return what to write at `position_index`, (..., J) to (..., P), rad or m."""
        return np.asarray(joint_position[..., self.position_source] * self.position_ratio)

    def controls(self, position: Array, velocity: Array) -> Array:
        """Return what to write at `control_index`.

        Args:
            position: commanded positions, (..., J), rad or m.
            velocity: the velocity of that command, (..., J), rad/s or m/s.

        Returns:
            Controls, (..., A).
        """
        sources = self.control_source
        command = position[..., sources]
        if self.takes_velocity.any():
            command = np.where(self.takes_velocity, velocity[..., sources], command)
        return np.asarray(command * self.control_ratio)


def wire(
    robot: RobotConfig, model: mujoco.MjModel, prefix: str, *, with_gripper: bool = False
) -> Wiring:
    """Look the joints and actuators of a robot up.

    Args:
        robot: the robot.
        model: the compiled scene, or the robot alone.
        prefix: what the robot's names begin with in the model.
        with_gripper: whether the gripper is commanded, as the last joint.
    """
    names = robot.joints
    obeying = [(name, i, 1.0) for i, name in enumerate(names)]
    if with_gripper:
        assert robot.gripper is not None
        names = (*names, robot.gripper.joint)
        last = len(names) - 1
        obeying.append((robot.gripper.joint, last, 1.0))
        obeying += [(f.joint, last, f.ratio) for f in robot.gripper.followers]
    joints = [model.joint(prefix + name) for name in names]
    having = (*robot.joints, *robot.driven_gripper_joints)
    driven = [entry for entry in obeying if entry[0] in having]
    controls = [model.actuator(prefix + name).id for name, _, _ in driven]
    return Wiring(
        joint_names=names,
        qpos_index=_ids(joint.qposadr[0] for joint in joints),
        dof_index=_ids(joint.dofadr[0] for joint in joints),
        position_index=_ids(model.joint(prefix + name).qposadr[0] for name, _, _ in obeying),
        position_source=_ids(source for _, source, _ in obeying),
        position_ratio=np.array([ratio for _, _, ratio in obeying]),
        control_index=_ids(controls),
        control_source=_ids(source for _, source, _ in driven),
        control_ratio=np.array([ratio for _, _, ratio in driven]),
        takes_velocity=np.array([takes(model, i) == "velocity" for i in controls]),
    )


def home_state(robot: RobotConfig, model: mujoco.MjModel, prefix: str) -> tuple[Array, Array]:
    """Return the home pose and the controls that hold it, the gripper's among them.

    Returns:
        `qpos` of the shape (nq,) and `ctrl` of the shape (nu,).
    """
    wiring = wire(robot, model, prefix, with_gripper=robot.gripper is not None)
    home = np.array(robot.home_position)
    if robot.gripper is not None:
        home = np.append(home, robot.gripper.home)
    qpos, ctrl = model.qpos0.copy(), np.zeros(model.nu)
    qpos[wiring.position_index] = wiring.positions(home)
    ctrl[wiring.control_index] = wiring.controls(home, np.zeros_like(home))
    return qpos, ctrl


def _ids(values: Iterable[int]) -> Ids:
    return np.array(list(values), dtype=np.intp)
