"""Actuators of a robot: the model's own, or servos whose gains suit the inertia that they move."""

from __future__ import annotations

from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.robot_config import (
    ActuatorConfig,
    FollowerConfig,
    PerJoint,
    RobotConfig,
    per_joint,
)

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Takes = Literal["position", "velocity", "force"]

INERTIA_POSES = 64
"""Poses over which the inertia that a servo moves is looked at."""
LEAST_INERTIA_SHARE = 0.02
"""Least inertia that a gain is chosen for, as a share of the greatest of the same joint type: the
last joints of an arm move hardly more than what they will be given to carry."""


def set_up_actuators(spec: mujoco.MjSpec, draft: mujoco.MjModel, robot: RobotConfig) -> None:
    """Give each joint its actuator, named as the joint.

    Args:
        spec: the robot's model, which is changed.
        draft: the same, compiled as it was.
        robot: what is wanted.

    Raises:
        ConfigError: native actuators are asked for, and a joint has none of its own.
    """
    groups = _groups(robot)
    tied = [f for f in robot.gripper.followers if not f.driven] if robot.gripper else []
    replaced = [name for names, config in groups if config.kind != "native" for name in names]
    _remove_actuators(spec, draft, (*replaced, *(follower.joint for follower in tied)))
    for joints, config in groups:
        if config.kind == "native":
            _keep_native(spec, robot, joints)
        else:
            _add_servos(spec, draft, robot, joints, config)
    for follower in tied:
        _tie(spec, robot, follower)


def takes(model: mujoco.MjModel, actuator: int) -> Takes:
    """Return what the control of an actuator means."""
    gain, bias = model.actuator_gainprm[actuator], model.actuator_biasprm[actuator]
    affine = model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
    if not affine or gain[0] <= 0.0:
        return "force"
    if np.isclose(bias[1], -gain[0], rtol=1e-6):
        integrates = model.actuator_dyntype[actuator] == mujoco.mjtDyn.mjDYN_INTEGRATOR
        return "velocity" if integrates else "position"
    if bias[1] == 0.0 and np.isclose(bias[2], -gain[0], rtol=1e-6):
        return "velocity"
    return "force"


def joint_actuator(model: mujoco.MjModel, joint: int) -> int | None:
    """Return the one actuator that acts on a joint directly, or None."""
    own = [
        i
        for i in range(model.nu)
        if int(model.actuator_trntype[i]) in _JOINT_TRANSMISSIONS
        and model.actuator_trnid[i, 0] == joint
    ]
    return own[0] if len(own) == 1 else None


def check_control(robot: RobotConfig, model: mujoco.MjModel, prefix: str) -> None:
    """Refuse a control kind that the compiled actuators cannot obey.

    Raises:
        ConfigError: an actuator takes forces, or velocities where positions are commanded.
    """
    for name in (*robot.joints, *robot.driven_gripper_joints):
        what = takes(model, model.actuator(prefix + name).id)
        where = "gripper.actuators" if name in robot.gripper_joints else "actuators"
        if what == "force":
            raise ConfigError(
                f"robot '{robot.name}': the model's actuator of '{name}' takes forces, and policies"
                f" command positions or velocities; set {where}: {{kind: position}} in its file"
            )
        if what == "velocity" and robot.control.kind != "joint_velocity":
            raise ConfigError(
                f"robot '{robot.name}': control kind {robot.control.kind} needs actuators that "
                f"take positions, and that of '{name}' takes velocities; choose joint_velocity, or "
                f"set {where}: {{kind: position}}"
            )


def gains(
    config: ActuatorConfig, joints: tuple[str, ...], model: mujoco.MjModel, timestep_s: float
) -> tuple[Array, Array]:
    r"""Return stiffness and damping of servos, each (joints,); stiffness is 0 for velocity.

    What the file leaves out is chosen for the greatest inertia $m_i = M_{ii}(q)$ that the joint
    moves over sampled poses and $\omega = 2\pi$ `bandwidth_hz`: $k_p = m\omega^2$ and
    $k_v = 2 m\omega$ (critical damping), or $k_v = m\omega$ for a velocity servo. With the damping
    integrated implicitly (`implicitfast`) and $K = \omega^2 D$, $K_v = 2\omega D$, each mode of
    $(M, D)$ with eigenvalue $\mu$ is stable for $\omega^2 \Delta t^2 < 4\mu + 4\omega\Delta t$,
    by Jury's criterion. This holds for every inertia if $\omega \Delta t < 4$: at 5 Hz up to steps
    of 0.12 s, in every pose and with any payload. To a stiffness that is given belongs
    $k_v = \max(2\sqrt{k_p m}, k_p \Delta t)$, which meets the same condition.

    Args:
        config: what is given.
        joints: names of the joints.
        model: the robot, without servos or with.
        timestep_s: integration step of the simulation [s].
    """
    _, inertia = inertias(joints, model)
    omega = 2.0 * np.pi * config.bandwidth_hz
    count = len(joints)
    if config.kind == "velocity":
        damping = inertia * omega if config.damping is None else _array(config.damping, count)
        return np.zeros(count), damping
    stiffness = inertia * omega**2
    if config.stiffness is not None:
        stiffness = _array(config.stiffness, count)
    if config.damping is not None:
        return stiffness, _array(config.damping, count)
    return stiffness, np.maximum(2.0 * np.sqrt(stiffness * inertia), stiffness * timestep_s)


def _groups(robot: RobotConfig) -> list[tuple[tuple[str, ...], ActuatorConfig]]:
    groups = [(robot.joints, robot.actuators)]
    if robot.gripper is not None:
        own = robot.gripper.actuators or ActuatorConfig(
            kind=robot.actuators.kind, bandwidth_hz=robot.actuators.bandwidth_hz
        )
        groups.append((robot.driven_gripper_joints, own))
    return groups


def _keep_native(spec: mujoco.MjSpec, robot: RobotConfig, joints: tuple[str, ...]) -> None:
    """Name the model's own actuators as the joints that they move."""
    for joint in joints:
        own = [a for a in spec.actuators if a.target == joint and _moves_a_joint(a)]
        if len(own) != 1:
            where = "gripper.actuators" if joint in robot.gripper_joints else "actuators"
            raise ConfigError(
                f"robot '{robot.name}': joint '{joint}' has {len(own) or 'no'} actuators of its "
                f"own in the model, expected 1; set {where}: {{kind: position}} to give it one"
            )
        _rename(spec, own[0], joint)


def _rename(spec: mujoco.MjSpec, actuator: mujoco.MjsActuator, name: str) -> None:
    if actuator.name == name:
        return
    for sensor in spec.sensors:
        if sensor.objtype == mujoco.mjtObj.mjOBJ_ACTUATOR and sensor.objname == actuator.name:
            sensor.objname = name
    other = spec.actuator(name)
    if other is not None:
        _rename(spec, other, f"{name}_of_{other.target}")
    actuator.name = name


def _remove_actuators(spec: mujoco.MjSpec, draft: mujoco.MjModel, joints: tuple[str, ...]) -> None:
    """Delete what acts on joints, with the sensors that read it."""
    for name in [draft.actuator(i).name for i in _acting_on(joints, draft)]:
        for sensor in list(spec.sensors):
            if sensor.objtype == mujoco.mjtObj.mjOBJ_ACTUATOR and sensor.objname == name:
                spec.delete(sensor)
        spec.delete(spec.actuator(name))


def _add_servos(
    spec: mujoco.MjSpec,
    draft: mujoco.MjModel,
    robot: RobotConfig,
    joints: tuple[str, ...],
    config: ActuatorConfig,
) -> None:
    stiffness, damping = gains(config, joints, draft, robot.physics_timestep_s)
    least, _ = inertias(joints, draft)
    for i, name in enumerate(joints):
        if config.damping is None:
            # at its greatest force a servo does not damp: in one step it must not change the speed
            # by more than it can then brake. What is missing, so strong a motor's rotor has
            rotor = damping[i] * robot.physics_timestep_s - least[i]
            spec.joint(name).armature += max(0.0, float(rotor))
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        if config.kind == "position":
            servo.set_to_position(kp=stiffness[i], kv=damping[i])
            servo.ctrlrange = _limits(robot, draft, name)
        else:
            servo.set_to_velocity(kv=damping[i])
            servo.ctrlrange = np.array([-1.0, 1.0]) * _velocity_limit(robot, name)
        servo.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
        servo.forcelimited = mujoco.mjtLimited.mjLIMITED_FALSE
        if config.force_limit is not None:
            servo.forcerange = np.array([-1.0, 1.0]) * _array(config.force_limit, len(joints))[i]
            servo.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE


def _limits(robot: RobotConfig, draft: mujoco.MjModel, joint: str) -> Array:
    if robot.position_limit is not None and joint in robot.joints:
        return np.array(robot.position_limit[robot.joints.index(joint)])
    return np.asarray(draft.joint(joint).range)


def _velocity_limit(robot: RobotConfig, joint: str) -> float:
    if joint in robot.joints:
        return robot.velocity_limit[robot.joints.index(joint)]
    assert robot.gripper is not None
    return robot.gripper.velocity_limit


def _acting_on(joints: tuple[str, ...], model: mujoco.MjModel) -> list[int]:
    """Return the actuators that act on joints, also through tendons."""
    wanted = {model.joint(name).id for name in joints}
    found = []
    for actuator in range(model.nu):
        target = int(model.actuator_trnid[actuator, 0])
        moved = set()
        if model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_TENDON:
            start = int(model.tendon_adr[target])
            wraps = range(start, start + int(model.tendon_num[target]))
            hinges = [w for w in wraps if model.wrap_type[w] == mujoco.mjtWrap.mjWRAP_JOINT]
            moved = {int(model.wrap_objid[w]) for w in hinges}
        elif int(model.actuator_trntype[actuator]) in _JOINT_TRANSMISSIONS:
            moved = {target}
        if moved & wanted:
            found.append(actuator)
    return found


def _tie(spec: mujoco.MjSpec, robot: RobotConfig, follower: FollowerConfig) -> None:
    """Let a follower move as the gripper's joint does, unless the model sees to it already."""
    assert robot.gripper is not None
    pair = {robot.gripper.joint, follower.joint}
    for equality in spec.equalities:
        joints = equality.type == mujoco.mjtEq.mjEQ_JOINT
        if joints and {equality.name1, equality.name2} == pair:
            return
    tie = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        name1=follower.joint,
        name2=robot.gripper.joint,
        active=True,
    )
    data = tie.data
    data[:5] = [0.0, follower.ratio, 0.0, 0.0, 0.0]
    tie.data = data
    # as stiff as the step allows: with MuJoCo's defaults a light finger swings against its motor
    tie.solref = [2.0 * robot.physics_timestep_s, 1.0]
    tie.solimp = [0.999, 0.9999, 0.001, 0.5, 2.0]


def inertias(joints: tuple[str, ...], model: mujoco.MjModel) -> tuple[Array, Array]:
    """Return the least and the greatest inertia that joints move, each (joints,), kg m^2 or kg.

    The greatest is at least `LEAST_INERTIA_SHARE` of that of the other joints.
    """
    data = mujoco.MjData(model)
    dofs = np.array([model.joint(name).dofadr[0] for name in joints], dtype=np.intp)
    limited = [i for i in range(model.njnt) if model.jnt_limited[i]]
    generator = np.random.default_rng(0)
    full = np.zeros((model.nv, model.nv))
    found = []
    for _ in range(INERTIA_POSES):
        for i in limited:
            low, high = model.jnt_range[i]
            data.qpos[model.jnt_qposadr[i]] = generator.uniform(low, high)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_makeM(model, data)
        mujoco.mj_fullM(model, data, full)
        found.append(np.diag(full)[dofs])
    least, greatest = np.min(found, axis=0), np.max(found, axis=0)
    slides = np.array([model.joint(n).type[0] == mujoco.mjtJoint.mjJNT_SLIDE for n in joints])
    for group in (slides, ~slides):
        if group.any():
            share = LEAST_INERTIA_SHARE * greatest[group].max()
            greatest[group] = np.maximum(greatest[group], share)
    return least, greatest


def _moves_a_joint(actuator: mujoco.MjsActuator) -> bool:
    return actuator.trntype in _JOINT_TRANSMISSIONS


def _array(values: PerJoint, count: int) -> Array:
    return np.array(per_joint(values, count))


_JOINT_TRANSMISSIONS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
