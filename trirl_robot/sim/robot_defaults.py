"""What a robot's file would say, derived from the model alone."""

from __future__ import annotations

import re

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim import urdf
from trirl_robot.sim.actuation import joint_actuator, takes
from trirl_robot.sim.gripper_defaults import derived_gripper
from trirl_robot.sim.hand_defaults import between_fingers, derived_hand
from trirl_robot.sim.robot_body import EndEffectorConfig
from trirl_robot.sim.robot_config import (
    ActuatorConfig,
    ControlConfig,
    RobotConfig,
)
from trirl_robot.sim.robot_sources import compile_spec, source_path, source_spec

Array = NDArray[np.float64]

RATE_HZ = 25.0
"""Control rate: quick enough for an arm on a table, and what SO-101 data is recorded at."""
HINGE_SPEED, SLIDE_SPEED = 1.5, 0.25
"""Greatest speeds where the model gives none [rad/s, m/s]; slower than every common arm."""
MOST_HINGE_SPEED, MOST_SLIDE_SPEED = 3.0, 0.5
"""Greatest speeds that are taken from a model: URDF files often hold placeholders."""
SPEED_UP_S = 0.2
"""Time in which the greatest speed is reached from rest [s]."""
WITHOUT_END = (-6.283, 6.283)
"""Limits of a joint that turns without end [rad]."""
SITE_NAMES = ("attachment_site", "tcp", "pinch", "grasp", "end_effector", "gripper", "tool", "ee")
"""What sites that are an end effector are called, in parts, best first."""
BODY_NAMES = ("tcp", "hand", "gripper", "tool", "end_effector", "ee_link", "flange")
"""What bodies that are an end effector are called, in parts, best first."""


def derived_robot(model: str, name: str) -> RobotConfig:
    """Return a robot with everything that its model does not say chosen sensibly.

    The end effector is the site or body whose name says so, else the last body; the arm is what
    moves it; the home pose is the keyframe `home`; limits are the joints' ranges; speeds are those
    of a URDF file, else slow. Actuators of the model are kept where each joint has one.

    Args:
        model: as in `RobotConfig.model`.
        name: name of the robot.

    Raises:
        ConfigError: no such model, or it is not an arm on a fixed base.
    """
    what = f"robot '{name}'"
    draft = compile_spec(source_spec(model, what), what)
    home = _home(draft)
    place, body = _end_effector(draft, home, what)
    joints = _chain(draft, body)
    _refuse_floating(draft, joints, what)
    actuators, takes_velocity = _actuators(draft, joints)
    speed = _speeds(draft, joints, model, what)
    limited = all(draft.jnt_limited[i] for i in joints)
    steps = np.ceil(1.0 / (RATE_HZ * draft.opt.timestep) - 1e-9)
    return RobotConfig(
        name=name,
        model=model,
        joints=tuple(draft.joint(i).name for i in joints),
        home_position=tuple(_inside(draft, i, home[draft.jnt_qposadr[i]]) for i in joints),
        velocity_limit=speed,
        acceleration_limit=tuple(v / SPEED_UP_S for v in speed),
        position_limit=None if limited else tuple(_range(draft, i) for i in joints),
        end_effector=place,
        gripper=derived_gripper(draft, body, home, takes_velocity=takes_velocity),
        actuators=actuators,
        control=ControlConfig(
            kind="joint_velocity" if takes_velocity else "joint_position_delta",
            rate_hz=RATE_HZ,
            # the greatest speed for an action of 1
            scale=speed if takes_velocity else tuple(round(v / RATE_HZ, 6) for v in speed),
        ),
        physics_timestep_s=float(1.0 / (RATE_HZ * steps)),
    )


def _home(model: mujoco.MjModel) -> Array:
    """Return `qpos` of the keyframe that is the home pose, or the model's reference, (nq,)."""
    names = [model.key(i).name for i in range(model.nkey)]
    best = next((i for i, name in enumerate(names) if "home" in name), 0)
    return np.array(model.key_qpos[best] if names else model.qpos0)


def _end_effector(model: mujoco.MjModel, home: Array, what: str) -> tuple[EndEffectorConfig, int]:
    """Return the end effector and the body that it is on."""
    depth = [len(_chain(model, body)) for body in range(model.nbody)]
    sites = [(model.site(i).name, int(model.site(i).bodyid[0])) for i in range(model.nsite)]
    site = _best([(n, b) for n, b in sites if depth[b]], SITE_NAMES, depth)
    if site is not None:
        name, body = site
        return EndEffectorConfig(site=name, hand=derived_hand(model, body, home, name)), body
    bodies = [(model.body(i).name, i) for i in range(1, model.nbody) if depth[i]]
    if not bodies:
        raise ConfigError(f"{what}: its model has no joints")
    named = _best(bodies, BODY_NAMES, depth)
    body = named[1] if named is not None else _last_body(model, depth)
    if not depth[body]:
        raise ConfigError(f"{what}: no joint of its model moves its hand, so it is no arm")
    return EndEffectorConfig(
        body=model.body(body).name,
        offset_m=between_fingers(model, body, home),
        hand=derived_hand(model, body, home, None),
    ), body


def _best(
    places: list[tuple[str, int]], known: tuple[str, ...], depth: list[int]
) -> tuple[str, int] | None:
    """Return the place whose name says most clearly that it is an end effector."""
    found: list[tuple[int, int, int, str, int]] = []
    for name, body in places:
        words = re.split(r"[^a-z0-9]+", name.lower())
        for rank, part in enumerate(known):
            # short names only as a whole word: "ee" is also in "wheel"
            if part in words or (len(part) > 2 and part in name.lower()):
                found.append((rank, -depth[body], len(found), name, body))
                break
    return min(found)[3:] if found else None


def _last_body(model: mujoco.MjModel, depth: list[int]) -> int:
    """Return the body that most joints move, or what several such bodies, fingers, hang on."""
    most = max(depth)
    last = [i for i in range(model.nbody) if depth[i] == most]
    tips = [i for i in last if i not in {int(model.body_parentid[j]) for j in last}]
    while len({*tips}) > 1:
        tips = [int(model.body_parentid[i]) for i in tips]
    return tips[0]


def _chain(model: mujoco.MjModel, body: int) -> list[int]:
    """Return the joints that move a body, base first."""
    joints: list[int] = []
    while body > 0:
        first = int(model.body_jntadr[body])
        joints = [*range(first, first + int(model.body_jntnum[body])), *joints]
        body = int(model.body_parentid[body])
    return joints


def _refuse_floating(model: mujoco.MjModel, joints: list[int], what: str) -> None:
    single = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
    for i in joints:
        if int(model.jnt_type[i]) not in single:
            raise ConfigError(
                f"{what}: joint '{model.joint(i).name}' lets its end effector float or swing "
                "freely; expected an arm on a fixed base, of joints that turn or slide"
            )


def _actuators(model: mujoco.MjModel, joints: list[int]) -> tuple[ActuatorConfig, bool]:
    """Return how joints are actuated, and whether an actuator takes velocities."""
    own = [joint_actuator(model, i) for i in joints]
    kinds = [None if i is None else takes(model, i) for i in own]
    if all(kind in ("position", "velocity") for kind in kinds):
        return ActuatorConfig(), "velocity" in kinds
    limits = [None if i is None else _force_limit(model, i) for i in own]
    known = tuple(limit for limit in limits if limit is not None)
    complete = len(known) == len(joints)
    return ActuatorConfig(kind="position", force_limit=known if complete else None), False


def _force_limit(model: mujoco.MjModel, actuator: int) -> float | None:
    """Return the greatest force of a motor [N m or N]."""
    if model.actuator_forcelimited[actuator]:
        return float(np.abs(model.actuator_forcerange[actuator]).max())
    if not model.actuator_ctrllimited[actuator]:
        return None
    control = float(np.abs(model.actuator_ctrlrange[actuator]).max())
    gain = model.actuator_gainprm[actuator, 0] * model.actuator_gear[actuator, 0]
    return control * abs(float(gain)) or None


def _speeds(model: mujoco.MjModel, joints: list[int], source: str, what: str) -> tuple[float, ...]:
    path = source_path(source, what)
    written = urdf.velocity_limits(path) if path.suffix.lower() == ".urdf" else {}
    speeds = []
    for i in joints:
        slides = model.jnt_type[i] == mujoco.mjtJoint.mjJNT_SLIDE
        speed = min(
            written.get(model.joint(i).name, SLIDE_SPEED if slides else HINGE_SPEED),
            MOST_SLIDE_SPEED if slides else MOST_HINGE_SPEED,
        )
        own = joint_actuator(model, i)
        if own is not None and takes(model, own) == "velocity" and model.actuator_ctrllimited[own]:
            speed = float(model.actuator_ctrlrange[own, 1])
        speeds.append(round(speed, 6))
    return tuple(speeds)


def _range(model: mujoco.MjModel, joint: int) -> tuple[float, float]:
    if not model.jnt_limited[joint]:
        return WITHOUT_END
    low, high = (float(v) for v in model.jnt_range[joint])
    return (low, high)


def _inside(model: mujoco.MjModel, joint: int, value: float) -> float:
    low, high = _range(model, joint)
    return float(value) if low <= value <= high else 0.5 * (low + high)
