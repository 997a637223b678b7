"""Scenes: contracts, kinematics and options of every kind of robot."""

import dataclasses

import mujoco
import numpy as np
import pytest
from robot_files import ARM_MJCF, GRIPPER, write_arm, write_urdf

from trirl_robot.contract import ObservationField
from trirl_robot.errors import ConfigError
from trirl_robot.kinematics import ForwardKinematics
from trirl_robot.sim.replay import recorded_model
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX, compile_scene, contract_of, kinematics_of, robot_model

ROBOTS = ["so101", "jaco", "mjcf", "urdf"]


@pytest.fixture
def robot(request, tmp_path):
    if request.param == "mjcf":
        return load_robot(write_arm(tmp_path, gripper=GRIPPER))
    return load_robot(str(write_urdf(tmp_path)) if request.param == "urdf" else request.param)


def contract(robot, **rest):
    model, _ = compile_scene(robot)
    size = len(robot.joints) + bool(rest)
    field = ObservationField(name="q", size=size, unit="rad", source="joint_position")
    return contract_of(robot, model, (field,), **rest)


@pytest.mark.parametrize("robot", ROBOTS, indirect=True)
def test_kinematics_agree_with_the_engine(robot):
    model, _ = compile_scene(robot)
    kinematics = ForwardKinematics(kinematics_of(robot, model), robot.joints)
    data = mujoco.MjData(model)
    index = [model.joint(PREFIX + name).qposadr[0] for name in robot.joints]
    for pose in np.random.default_rng(0).uniform(-1.0, 1.0, (5, len(index))):
        data.qpos[index] = pose
        mujoco.mj_kinematics(model, data)
        expected = data.site(PREFIX + robot.end_effector_site).xpos
        np.testing.assert_allclose(kinematics.end_effector_position(pose), expected, atol=1e-8)


@pytest.mark.parametrize("robot", ROBOTS, indirect=True)
def test_the_robot_alone_is_the_robot_in_its_scene(robot):
    scene, _ = compile_scene(robot)
    alone = robot_model(robot)
    assert alone.nq == scene.nq
    np.testing.assert_allclose(alone.jnt_range, scene.jnt_range)
    np.testing.assert_allclose(alone.actuator_gainprm, scene.actuator_gainprm)
    np.testing.assert_allclose(alone.body_mass.sum(), scene.body_mass.sum())


@pytest.mark.parametrize("robot", ROBOTS, indirect=True)
def test_a_recorded_scene_can_be_shown_again(robot):
    model, xml = compile_scene(robot)
    again = recorded_model(xml, robot)
    assert (again.nq, again.nmeshvert, again.ngeom) == (model.nq, model.nmeshvert, model.ngeom)


@pytest.mark.parametrize("robot", ROBOTS, indirect=True)
def test_limits_are_the_file_s_and_the_model_s(robot):
    found = contract(robot)
    model = robot_model(robot)
    assert tuple(limit.joint for limit in found.limits) == found.joint_names == robot.joints
    for i, limit in enumerate(found.limits):
        assert (limit.position_min, limit.position_max) == tuple(model.joint(limit.joint).range)
        assert limit.velocity == robot.velocity_limit[i]
        assert limit.acceleration == robot.acceleration_limit[i]
    assert found.gripper is None


def test_actions_carry_kind_unit_scale_and_offset(tmp_path):
    jaco = contract(load_robot("jaco")).action[0]
    assert (jaco.name, jaco.kind, jaco.unit) == ("joint_velocity", "joint_velocity", "rad/s")
    assert jaco.scale == (0.628, 0.628, 0.628, 0.838, 0.838, 0.838)
    assert jaco.offset == (0.0,) * 6
    so101 = load_robot("so101")
    delta = contract(so101).action[0]
    assert (delta.kind, delta.unit, delta.scale) == ("joint_position_delta", "rad", (0.08,) * 5)
    control = dataclasses.replace(so101.control, kind="joint_position", scale=1.0)
    position = contract(dataclasses.replace(so101, control=control)).action[0]
    assert (position.kind, position.offset) == ("joint_position", so101.home_position)


def test_the_gripper_is_one_more_joint(tmp_path):
    robot = load_robot(write_arm(tmp_path, gripper=GRIPPER))
    found = contract(robot, with_gripper=True)
    assert found.joint_names == ("turn", "lift", "bend", "left")
    assert found.action[0].scale == (0.05, 0.05, 0.05, 0.002)
    assert found.action[0].unit == "rad or m"
    assert found.default_joint_positions[-1] == 0.0
    limit = found.limits[-1]
    assert (limit.position_min, limit.position_max) == (-0.015, 0.0)
    assert (limit.velocity, limit.acceleration) == (0.05, 0.5)
    assert found.gripper is not None
    assert (found.gripper.joint, found.gripper.closed_position) == ("left", -0.015)
    assert found.kinematics is not None
    assert "left" not in [screw.joint for screw in found.kinematics.screws]


def test_a_gripper_that_is_not_there_cannot_be_commanded(tmp_path):
    with pytest.raises(ConfigError, match="'small' has no gripper, and the task commands one"):
        contract(load_robot(write_arm(tmp_path)), with_gripper=True)


def test_options_are_the_scene_s_except_how_contacts_are_solved(tmp_path):
    """Warnings are errors here: MuJoCo warns of options that differ when a model is attached."""
    option = '<option timestep=".001" integrator="RK4" cone="elliptic" impratio="10" density="5"/>'
    mjcf = ARM_MJCF.replace("<worldbody>", option + "<worldbody>")
    model, _ = compile_scene(load_robot(write_arm(tmp_path, mjcf)))
    assert model.opt.timestep == 0.005
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    assert model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    assert (model.opt.impratio, model.opt.density) == (10.0, 0.0)
