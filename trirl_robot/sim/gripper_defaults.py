"""A gripper derived from the model alone."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.actuation import joint_actuator, takes
from trirl_robot.sim.robot_config import ActuatorConfig, FollowerConfig, GripperConfig

Array = NDArray[np.float64]

MOST_FINGERS = 3
"""Joints of a hand that can be understood as one; linkages and dexterous hands have more."""
HINGE_SPEED, SLIDE_SPEED = 2.0, 0.1
"""Greatest speeds of fingers [rad/s, m/s]."""
SPEED_UP_S = 0.1
"""Time in which the greatest speed is reached from rest [s]."""
HINGE_FORCE, SLIDE_FORCE = 1.0, 40.0
"""Greatest forces of fingers that have no actuator of their own [N m, N]."""
FULL_FORCE_SHARE = 0.25
"""Error of position at which the greatest force is reached, as a share of the stroke."""
RATE_HZ = 25.0


def derived_gripper(
    model: mujoco.MjModel, hand: int, home: Array, *, takes_velocity: bool
) -> GripperConfig | None:
    """Return the gripper on a hand: up to three fingers that move alike; None for anything else.

    Args:
        model: the robot's model as it came.
        hand: body of the end effector.
        home: home pose, (nq,).
        takes_velocity: whether the arm is commanded by velocities.
    """
    joints = _finger_joints(model, hand)
    if not 1 <= len(joints) <= MOST_FINGERS or not all(model.jnt_limited[i] for i in joints):
        return None
    first, others = joints[0], joints[1:]
    if len({int(model.jnt_type[i]) for i in joints}) > 1:
        return None
    ratios = [_ratio(model, first, i) for i in others]
    if any(ratio is None for ratio in ratios):
        return None
    low, high = (float(v) for v in model.jnt_range[first])
    slides = model.jnt_type[first] == mujoco.mjtJoint.mjJNT_SLIDE
    speed = SLIDE_SPEED if slides else HINGE_SPEED
    start = float(home[model.jnt_qposadr[first]])
    opens_high = _spread(model, hand, joints, ratios, high) > _spread(
        model, hand, joints, ratios, low
    )
    return GripperConfig(
        joint=model.joint(first).name,
        open_position=high if opens_high else low,
        closed_position=low if opens_high else high,
        home=start if low <= start <= high else 0.5 * (low + high),
        scale=speed if takes_velocity else round(speed / RATE_HZ, 6),
        velocity_limit=speed,
        acceleration_limit=speed / SPEED_UP_S,
        followers=tuple(
            FollowerConfig(
                joint=model.joint(i).name,
                ratio=float(ratio or 0.0),
                driven=joint_actuator(model, i) is not None,
            )
            for i, ratio in zip(others, ratios, strict=True)
        ),
        actuators=_actuators(model, first, high - low, slides=bool(slides)),
    )


def _finger_joints(model: mujoco.MjModel, hand: int) -> list[int]:
    below = {hand}
    for body in range(hand + 1, model.nbody):  # parents come first
        if int(model.body_parentid[body]) in below:
            below.add(body)
    return [i for i in range(model.njnt) if int(model.jnt_bodyid[i]) in below - {hand}]


def _ratio(model: mujoco.MjModel, first: int, other: int) -> float | None:
    """Return how a finger moves when the first one does; None when that cannot be told."""
    for i in range(model.neq):
        pair = {int(model.eq_obj1id[i]), int(model.eq_obj2id[i])}
        if model.eq_type[i] == mujoco.mjtEq.mjEQ_JOINT and pair == {first, other}:
            ratio = float(model.eq_data[i, 1])
            return ratio if int(model.eq_obj1id[i]) == other or ratio == 0.0 else 1.0 / ratio
    (low, high), (least, greatest) = model.jnt_range[first], model.jnt_range[other]
    if np.allclose([low, high], [least, greatest], atol=1e-6):
        return 1.0
    return -1.0 if np.allclose([low, high], [-greatest, -least], atol=1e-6) else None


def _spread(
    model: mujoco.MjModel, hand: int, joints: list[int], ratios: list[float | None], position: float
) -> float:
    """Return how far fingers are apart, or one finger from the hand, m."""
    data = mujoco.MjData(model)
    for joint, ratio in zip(joints, (1.0, *ratios), strict=True):
        data.qpos[model.jnt_qposadr[joint]] = position * float(ratio or 0.0)
    mujoco.mj_kinematics(model, data)
    tips = data.xipos[[int(model.jnt_bodyid[i]) for i in joints]]
    centre = data.xipos[hand] if len(joints) == 1 else tips.mean(axis=0)
    return float(np.linalg.norm(tips - centre, axis=1).sum())


def _actuators(
    model: mujoco.MjModel, joint: int, stroke: float, *, slides: bool
) -> ActuatorConfig | None:
    own = joint_actuator(model, joint)
    if own is not None and takes(model, own) != "force":
        return ActuatorConfig()
    force = SLIDE_FORCE if slides else HINGE_FORCE
    return ActuatorConfig(
        kind="position", force_limit=force, stiffness=force / (FULL_FORCE_SHARE * stroke)
    )
