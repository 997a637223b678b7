"""The scene: a robot on a table, compiled once and stepped many times."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import (
    CONTRACT_VERSION,
    ActionField,
    GripperConvention,
    JointLimits,
    JointScrew,
    Kinematics,
    ObservationField,
    PolicyContract,
)
from trirl_robot.errors import ConfigError
from trirl_robot.sim.actuation import check_control
from trirl_robot.sim.robot_config import GripperConfig
from trirl_robot.sim.robot_sources import compile_spec
from trirl_robot.sim.robot_spec import robot_spec
from trirl_robot.sim.robots import RobotConfig, check_names

PREFIX = "robot/"
"""Prefix of the robot's elements in the scene."""


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
    arm = robot_spec(robot)
    # how contacts are solved suits the robot; everything else of the scene's options wins
    scene.option.cone, scene.option.impratio = arm.option.cone, arm.option.impratio
    for name in (n for n in dir(arm.option) if not n.startswith("_")):
        setattr(arm.option, name, getattr(scene.option, name))
    scene.attach(arm, prefix=PREFIX, frame=scene.worldbody.add_frame())
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
    model = compile_spec(spec, f"robot '{robot.name}'")
    check_names(robot, model, PREFIX)
    check_control(robot, model, PREFIX)
    return model, spec.to_xml()


def robot_model(robot: RobotConfig) -> mujoco.MjModel:
    """Return the arm alone, with unprefixed names, for inverse kinematics."""
    model = compile_spec(robot_spec(robot), f"robot '{robot.name}'")
    check_names(robot, model, "")
    return model


def kinematics_of(robot: RobotConfig, model: mujoco.MjModel) -> Kinematics:
    """Read the chain to the end effector from a compiled scene (see `Kinematics`)."""
    data = mujoco.MjData(model)  # joints that are not listed stay as the model has them
    for name in robot.joints:
        data.joint(PREFIX + name).qpos[:] = 0.0
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
    """Return the contract for a robot and the observation that a task asks for.

    Args:
        robot: the robot.
        model: the compiled scene.
        observation: fields of the observation; per-joint ones as long as there are joints.
        with_gripper: whether policies command the gripper, as the last joint.

    Raises:
        ConfigError: the gripper is asked for, and the robot has none.
    """
    gripper = robot.gripper
    joints, home, scale = robot.joints, robot.home_position, robot.action_scale
    fastest, steepest = robot.velocity_limit, robot.acceleration_limit
    if with_gripper:
        if gripper is None:
            raise ConfigError(
                f"robot '{robot.name}' has no gripper, and the task commands one; choose another "
                "robot, or describe its gripper in its file"
            )
        joints, home, scale = (
            (*joints, gripper.joint),
            (*home, gripper.home),
            (*scale, gripper.scale),
        )
        fastest = (*fastest, gripper.velocity_limit)
        steepest = (*steepest, gripper.acceleration_limit)
    return PolicyContract(
        contract_version=CONTRACT_VERSION,
        robot=robot.name,
        joint_names=joints,
        observation=observation,
        action=(_action(robot, model, joints, scale, home),),
        control_rate_hz=robot.control.rate_hz,
        limits=_limits(model, joints, fastest, steepest),
        default_joint_positions=home,
        kinematics=kinematics_of(robot, model),
        gripper=_convention(gripper) if with_gripper and gripper is not None else None,
    )


def _convention(gripper: GripperConfig) -> GripperConvention:
    return GripperConvention(
        joint=gripper.joint,
        open_position=gripper.open_position,
        closed_position=gripper.closed_position,
    )


def _action(
    robot: RobotConfig,
    model: mujoco.MjModel,
    joints: tuple[str, ...],
    scale: tuple[float, ...],
    home: tuple[float, ...],
) -> ActionField:
    kind = robot.control.kind
    slide = mujoco.mjtJoint.mjJNT_SLIDE
    units = sorted({"m" if model.joint(PREFIX + n).type[0] == slide else "rad" for n in joints})
    per_time = "/s" if kind == "joint_velocity" else ""
    return ActionField(
        name=kind,
        size=len(joints),
        kind=kind,
        unit=" or ".join(unit + per_time for unit in reversed(units)),
        scale=scale,
        offset=home if kind == "joint_position" else (0.0,) * len(joints),
    )


def _limits(
    model: mujoco.MjModel,
    joints: tuple[str, ...],
    fastest: tuple[float, ...],
    steepest: tuple[float, ...],
) -> tuple[JointLimits, ...]:
    return tuple(
        JointLimits(
            joint=name,
            position_min=float(model.joint(PREFIX + name).range[0]),
            position_max=float(model.joint(PREFIX + name).range[1]),
            velocity=velocity,
            acceleration=acceleration,
        )
        for name, velocity, acceleration in zip(joints, fastest, steepest, strict=True)
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    # a contract's hash must not hang on the last bits of one machine's arithmetic
    x, y, z = (round(float(v), 9) + 0.0 for v in values)
    return (x, y, z)
