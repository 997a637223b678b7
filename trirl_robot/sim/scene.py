"""The scene: a robot on a table, compiled once and stepped many times."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import (
    CONTRACT_VERSION,
    ActionField,
    JointLimits,
    JointScrew,
    Kinematics,
    ObservationField,
    PolicyContract,
)
from trirl_robot.sim.robots import RobotConfig, check_names, model_path

PREFIX = "robot/"
"""Prefix of the robot's elements in the scene."""
MAXIMUM_LATENCY_S = 0.2
"""Longest command latency that the actuators' history buffers hold [s]."""


def scene_spec(robot: RobotConfig) -> mujoco.MjSpec:
    """Return an editable scene: floor, light and the robot with its base at the origin."""
    scene = mujoco.MjSpec()
    scene.option.timestep = robot.physics_timestep_s
    scene.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # the off-screen buffer; multisampling is what makes software rendering slow
    scene.visual.global_.offwidth = 1280
    scene.visual.global_.offheight = 960
    scene.visual.quality.offsamples = 0
    scene.worldbody.add_light(pos=[0.3, -0.6, 1.5], dir=[-0.1, 0.4, -1.0])
    scene.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[1.5, 1.5, 0.05],
        rgba=[0.86, 0.87, 0.89, 1.0],
    )
    arm = mujoco.MjSpec.from_file(str(model_path(robot)))
    for key in list(arm.keys):
        arm.delete(key)
    scene.attach(arm, prefix=PREFIX, frame=scene.worldbody.add_frame())
    for body in scene.bodies:
        if body.name.startswith(PREFIX):
            body.gravcomp = float(robot.gravity_compensation)
    for actuator in scene.actuators:
        actuator.nsample = int(np.ceil(MAXIMUM_LATENCY_S / robot.physics_timestep_s)) + 1
        actuator.delay = 0.0
    return scene


def compile_scene(
    robot: RobotConfig, furnish: Callable[[mujoco.MjSpec], None] | None = None
) -> tuple[mujoco.MjModel, str]:
    """Compile the scene.

    Args:
        robot: the robot.
        furnish: adds a task's objects to the scene.

    Returns:
        The model and its XML, from which an episode can be replayed.

    Raises:
        ConfigError: the model lacks a joint, actuator or site that the robot names.
    """
    spec = scene_spec(robot)
    if furnish is not None:
        furnish(spec)
    model = spec.compile()
    check_names(robot, model, PREFIX)
    return model, spec.to_xml()


def robot_model(robot: RobotConfig) -> mujoco.MjModel:
    """Return the arm alone, with unprefixed names, for inverse kinematics."""
    model = mujoco.MjSpec.from_file(str(model_path(robot))).compile()
    check_names(robot, model, "")
    return model


def kinematics_of(robot: RobotConfig, model: mujoco.MjModel) -> Kinematics:
    """Read the chain to the end effector from a compiled scene (see `Kinematics`)."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    mujoco.mj_kinematics(model, data)
    site = model.site(PREFIX + robot.end_effector_site)
    ancestors = []
    body = int(site.bodyid[0])
    while body > 0:
        ancestors.append(body)
        body = int(model.body_parentid[body])
    screws = []
    for joint in (model.joint(PREFIX + name) for name in robot.joints):
        if int(model.jnt_bodyid[joint.id]) in ancestors:
            slide = joint.type[0] == mujoco.mjtJoint.mjJNT_SLIDE
            screws.append(
                JointScrew(
                    joint=joint.name.removeprefix(PREFIX),
                    kind="slide" if slide else "hinge",
                    axis=_triple(data.xaxis[joint.id]),
                    anchor_m=_triple(data.xanchor[joint.id]),
                )
            )
    # base to tip: the deeper body has more ancestors, and MuJoCo numbers parents first
    screws.sort(key=lambda screw: int(model.joint(PREFIX + screw.joint).bodyid[0]))
    return Kinematics(screws=tuple(screws), end_effector_m=_triple(data.site(site.name).xpos))


def contract_of(
    robot: RobotConfig,
    model: mujoco.MjModel,
    observation: tuple[ObservationField, ...],
    *,
    with_gripper: bool = False,
) -> PolicyContract:
    """Return the contract for a robot and the observation that a task asks for."""
    ranges = [model.joint(PREFIX + name).range for name in robot.joints]
    limits = tuple(
        JointLimits(
            joint=name,
            position_min=float(low),
            position_max=float(high),
            velocity=velocity,
            acceleration=acceleration,
        )
        for name, (low, high), velocity, acceleration in zip(
            robot.joints, ranges, robot.velocity_limit, robot.acceleration_limit, strict=True
        )
    )
    count = len(robot.joints)
    action = ActionField(
        name="joint_position_delta" if robot.control.kind.endswith("delta") else "joint_position",
        size=count,
        kind=robot.control.kind,
        unit="rad",
        scale=(robot.control.scale,) * count,
        offset=(0.0,) * count if robot.control.kind.endswith("delta") else robot.home_position,
    )
    return PolicyContract(
        contract_version=CONTRACT_VERSION,
        robot=robot.name,
        joint_names=robot.joints,
        observation=observation,
        action=(action,),
        control_rate_hz=robot.control.rate_hz,
        limits=limits,
        default_joint_positions=robot.home_position,
        kinematics=kinematics_of(robot, model),
        gripper=None,
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    # a contract's hash must not hang on the last bits of one machine's arithmetic
    x, y, z = (round(float(v), 9) + 0.0 for v in values)
    return (x, y, z)
