"""Robots by name or file, and whether a compiled model has what they name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mujoco

from trirl_robot.config import find_config, load
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim import menagerie
from trirl_robot.sim.robot_config import RobotConfig
from trirl_robot.sim.robot_defaults import derived_robot
from trirl_robot.sim.robot_sources import model_path

__all__ = ["RobotConfig", "check_joints", "check_names", "is_derived", "load_robot", "model_path"]

MODEL_SUFFIXES = (".xml", ".urdf")
"""Files that are models; a robot's file is YAML."""
_TURNS_OR_SLIDES = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)


def load_robot(name: str) -> RobotConfig:
    """Return a robot.

    Args:
        name: built-in name (`so101`), a YAML file, `menagerie:NAME`, or an MJCF or URDF file; for
            the last two, what a YAML file would say is derived from the model.

    Raises:
        ConfigError: unknown name, or a file that is not a valid robot.
    """
    if name.startswith(menagerie.PREFIX):
        return derived_robot(name, name.removeprefix(menagerie.PREFIX).replace("/", "-"))
    if name.lower().endswith(MODEL_SUFFIXES):
        return derived_robot(str(Path(name).absolute()), Path(name).stem)
    path = find_config("robots", name)
    robot = load(RobotConfig, path)
    if ":" in robot.model or Path(robot.model).is_absolute():
        return robot
    # a model beside its robot's file is found from every folder
    return replace(robot, model=str(path.absolute().parent / robot.model))


def is_derived(name: str) -> bool:
    """Return whether a robot's name stands for a model, and not for a file that describes one."""
    return name.startswith(menagerie.PREFIX) or name.lower().endswith(MODEL_SUFFIXES)


def check_joints(robot: RobotConfig, model: mujoco.MjModel) -> None:
    """Refuse a robot whose joints or end effector are not in its own model.

    Args:
        robot: the robot.
        model: its model as it came, compiled.

    Raises:
        ConfigError: a name that the model lacks, a joint of another type, or a home pose outside
            the limits.
    """
    what = f"robot '{robot.name}'"
    names = [model.joint(i).name for i in range(model.njnt)]
    for joint in (*robot.joints, *robot.gripper_joints):
        if joint not in names:
            raise ConfigError(f"{what}: {unknown_name('joint', joint, names)}")
        if int(model.joint(joint).type[0]) not in _TURNS_OR_SLIDES:
            raise ConfigError(f"{what}: joint '{joint}' neither turns nor slides about one axis")
    place = robot.end_effector
    kind, wanted = ("site", place.site) if place.site else ("body", place.body)
    known = [
        (model.site(i) if place.site else model.body(i)).name
        for i in range(model.nsite if place.site else model.nbody)
    ]
    if wanted not in known:
        raise ConfigError(f"{what}: {unknown_name(kind, str(wanted), known)}")
    _check_chain(robot, model, what)
    _check_limits(robot, model, what)


def check_names(robot: RobotConfig, model: mujoco.MjModel, prefix: str) -> None:
    """Refuse a compiled model that lacks a joint, an actuator or the site of a robot."""
    kinds = {
        "joint": (*robot.joints, *robot.gripper_joints),
        "actuator": (*robot.joints, *robot.driven_gripper_joints),
        "site": (robot.end_effector_site,),
    }
    counts = {"joint": model.njnt, "actuator": model.nu, "site": model.nsite}
    for kind, wanted in kinds.items():
        names = [getattr(model, kind)(i).name.removeprefix(prefix) for i in range(counts[kind])]
        for name in wanted:
            if name not in names:
                raise ConfigError(f"robot '{robot.name}': {unknown_name(kind, name, names)}")


def _check_chain(robot: RobotConfig, model: mujoco.MjModel, what: str) -> None:
    place = robot.end_effector
    body = int(model.site(place.site).bodyid[0]) if place.site else model.body(place.body).id
    while body > 0:
        for i in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
            name = model.joint(i).name
            if name not in robot.joints:
                raise ConfigError(
                    f"{what}: joint '{name}' of the model moves the end effector and is not listed "
                    "in joints; list it, or choose an end effector that it does not move"
                )
        body = int(model.body_parentid[body])


def _check_limits(robot: RobotConfig, model: mujoco.MjModel, what: str) -> None:
    ranges = robot.position_limit or tuple(model.joint(name).range for name in robot.joints)
    for i, name in enumerate(robot.joints):
        if robot.position_limit is None and not model.jnt_limited[model.joint(name).id]:
            raise ConfigError(
                f"{what}: joint '{name}' turns without end in the model; give position_limit a "
                "[least, greatest] pair for each joint, such as [-6.283, 6.283]"
            )
        low, high = ranges[i]
        if not low <= robot.home_position[i] <= high:
            raise ConfigError(
                f"{what}: home_position of '{name}' is {robot.home_position[i]}, its limits are "
                f"{low:.4f} to {high:.4f}"
            )
    for name in robot.gripper_joints:
        if not model.jnt_limited[model.joint(name).id]:
            raise ConfigError(f"{what}: joint '{name}' of the gripper has no range in the model")
    if robot.gripper is not None:
        low, high = model.joint(robot.gripper.joint).range
        for key in ("home", "open_position", "closed_position"):
            value = getattr(robot.gripper, key)
            if not low <= value <= high:
                raise ConfigError(
                    f"{what}: gripper.{key} is {value}, the range of '{robot.gripper.joint}' is "
                    f"{low:.4f} to {high:.4f}"
                )
