"""A robot's model as its file wants it: limits, end effector, collisions, actuators."""

from __future__ import annotations

import logging

import mujoco
import numpy as np

from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim.actuation import set_up_actuators
from trirl_robot.sim.robot_body import END_EFFECTOR_SITE
from trirl_robot.sim.robot_config import RobotConfig
from trirl_robot.sim.robot_sources import compile_spec, source_spec
from trirl_robot.sim.robots import check_joints

logger = logging.getLogger(__name__)


def robot_spec(robot: RobotConfig) -> mujoco.MjSpec:
    """Return the robot's model, editable, with unprefixed names.

    Raises:
        ConfigError: a file is missing or not valid, or the model lacks what the robot names.
    """
    what = f"robot '{robot.name}'"
    spec = source_spec(robot.model, what)
    _tidy(spec)
    draft = compile_spec(spec, what)
    check_joints(robot, draft)
    _set_limits(spec, robot)
    _add_end_effector(spec, robot, draft)
    _set_collisions(spec, robot, draft)
    for body in spec.bodies:
        body.gravcomp = float(robot.gravity_compensation)
    set_up_actuators(spec, draft, robot)
    return spec


def _tidy(spec: mujoco.MjSpec) -> None:
    """Leave out what a scene brings itself.

    Keyframes do not fit a scene with other objects; a floor and lights are there already.
    """
    for key in list(spec.keys):
        spec.delete(key)
    for light in list(spec.worldbody.lights):
        spec.delete(light)
    for geom in list(spec.worldbody.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
            logger.info("plane '%s' of the robot's model is left out", geom.name)
            spec.delete(geom)


def _set_limits(spec: mujoco.MjSpec, robot: RobotConfig) -> None:
    for name, limits in zip(robot.joints, robot.position_limit or (), strict=False):
        joint = spec.joint(name)
        turns = joint.type == mujoco.mjtJoint.mjJNT_HINGE
        # MuJoCo converts the angles of a model written in degrees when it compiles
        joint.range = np.degrees(limits) if turns and spec.compiler.degree else np.array(limits)
        joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE


def _add_end_effector(spec: mujoco.MjSpec, robot: RobotConfig, draft: mujoco.MjModel) -> None:
    place = robot.end_effector
    if place.body is None:
        return
    if mujoco.mj_name2id(draft, mujoco.mjtObj.mjOBJ_SITE, END_EFFECTOR_SITE) >= 0:
        raise ConfigError(
            f"robot '{robot.name}': its model has a site named '{END_EFFECTOR_SITE}' already; name "
            "that site as the end effector"
        )
    spec.body(place.body).add_site(name=END_EFFECTOR_SITE, pos=place.offset_m, group=4)


def _set_collisions(spec: mujoco.MjSpec, robot: RobotConfig, draft: mujoco.MjModel) -> None:
    names = [draft.body(i).name for i in range(draft.nbody)]
    _add_boxes(spec, robot, names)
    pairs = set(_around_first_joints(draft))
    for pair in robot.collision.exclude:
        for name in pair:
            if name not in names:
                raise ConfigError(
                    f"robot '{robot.name}': collision.exclude: {unknown_name('body', name, names)}"
                )
        pairs.add(pair)
    there = {frozenset((e.bodyname1, e.bodyname2)) for e in spec.excludes}
    for first, second in sorted(pairs):
        if frozenset((first, second)) not in there:
            spec.add_exclude(bodyname1=first, bodyname2=second)
    if robot.collision.self_collision:
        return
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            # meets what has MuJoCo's default bits, and not its own kind
            geom.contype, geom.conaffinity = 2, 1


def _add_boxes(spec: mujoco.MjSpec, robot: RobotConfig, names: list[str]) -> None:
    """Put boxes in place of the collision geometry of the bodies that they are on."""
    boxes = robot.collision.boxes
    for name in {box.body for box in boxes}:
        if name not in names:
            raise ConfigError(
                f"robot '{robot.name}': collision.boxes: {unknown_name('body', name, names)}"
            )
        for geom in spec.body(name).geoms:
            geom.contype = geom.conaffinity = 0
    for box in boxes:
        spec.body(box.body).add_geom(
            name=box.name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=box.centre_m,
            size=box.half_size_m,
            mass=0.0,
            group=3,
        )


def _around_first_joints(model: mujoco.MjModel) -> list[tuple[str, str]]:
    """Return pairs of a fixed body and a moving one with one joint between them.

    MuJoCo itself leaves out collisions across a joint, but not where one side is fixed.
    """
    weld, parent = model.body_weldid, model.body_parentid
    fixed = [b for b in range(1, model.nbody) if weld[b] == 0]
    first = {int(weld[b]) for b in range(1, model.nbody) if weld[b] and weld[parent[weld[b]]] == 0}
    moving = [b for b in range(1, model.nbody) if int(weld[b]) in first]
    return [
        (model.body(a).name, model.body(b).name)
        for a in fixed
        for b in moving
        if model.body_geomnum[a] and model.body_geomnum[b]
    ]
