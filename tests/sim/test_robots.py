"""Robots by name and file: what is read, what is refused, and what a model's own words become."""

import dataclasses
import warnings
from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml
from robot_files import ARM, ARM_MJCF, GRIPPER, write_arm, write_urdf

from trirl_robot.errors import ConfigError
from trirl_robot.sim.robot_spec import robot_spec
from trirl_robot.sim.robots import RobotConfig, load_robot, model_path
from trirl_robot.sim.scene import PREFIX, compile_scene, robot_model


def body_of(model, geom):
    return model.body(int(model.geom_bodyid[geom])).name.removeprefix(PREFIX)


def test_a_model_is_found_from_the_folder_of_its_robot_s_file(tmp_path, monkeypatch):
    file = write_arm(tmp_path / "robots")
    monkeypatch.chdir(tmp_path)
    for name in (file, "robots/arm.yaml"):
        assert model_path(load_robot(name)) == tmp_path / "robots" / "small.xml"


def test_jaco_is_dm_control_s(tmp_path):
    """Masses, actuators and places of the end effector, against dm_control's own entities."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dm_control looks for a screen when it is imported
        from dm_control.entities.manipulators.kinova import jaco_arm, jaco_hand

        arm = jaco_arm.JacoArm()
        arm.attach(jaco_hand.JacoHand())
    xml, assets = arm.mjcf_model.to_xml_string(), arm.mjcf_model.get_assets()
    theirs = mujoco.MjModel.from_xml_string(xml, assets=assets)
    robot = load_robot("jaco")
    ours = robot_model(robot)
    joints = (*robot.joints, *robot.gripper_joints)
    assert joints == tuple(theirs.joint(i).name for i in range(9))
    for name in joints:
        mine, other = ours.actuator(name), theirs.actuator(name)
        for part in ("gainprm", "biasprm", "forcerange"):
            np.testing.assert_allclose(getattr(mine, part), getattr(other, part))
        np.testing.assert_allclose(ours.joint(name).armature, theirs.joint(name).armature)
    np.testing.assert_allclose(ours.body_mass.sum(), theirs.body_mass.sum())
    random = np.random.default_rng(0)
    data, reference = mujoco.MjData(ours), mujoco.MjData(theirs)
    for _ in range(5):
        data.qpos[:] = reference.qpos[:] = random.uniform(-2.0, 2.0, 9)
        mujoco.mj_kinematics(ours, data)
        mujoco.mj_kinematics(theirs, reference)
        site = robot.end_effector_site
        np.testing.assert_allclose(data.site(site).xpos, reference.site(site).xpos, atol=1e-9)


def test_an_arm_of_one_s_own_brings_neither_floor_nor_light_nor_keyframes(tmp_path):
    model, _ = compile_scene(load_robot(write_arm(tmp_path)))
    planes = [i for i in range(model.ngeom) if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_PLANE]
    assert (len(planes), model.nlight, model.nkey) == (1, 1, 0)
    assert [model.actuator(i).name for i in range(model.nu)] == [
        PREFIX + name for name in ARM["joints"]
    ]


def test_limits_in_radians_replace_ranges_in_degrees(tmp_path):
    model = robot_model(load_robot(write_arm(tmp_path)))
    for name, limits in zip(ARM["joints"], ARM["position_limit"], strict=True):
        np.testing.assert_allclose(model.joint(name).range, limits)
        np.testing.assert_allclose(model.actuator(name).ctrlrange, limits)


def test_the_end_effector_is_a_point_on_a_body(tmp_path):
    robot = load_robot(write_arm(tmp_path))
    model = robot_model(robot)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.site(robot.end_effector_site).xpos, [0.42, 0.0, 0.1])


def test_gravity_compensation_is_as_the_file_says(tmp_path):
    for wanted in (True, False):
        model = robot_model(load_robot(write_arm(tmp_path, gravity_compensation=wanted)))
        assert set(model.body_gravcomp[1:]) == {float(wanted)}


def test_a_urdf_keeps_links_meshes_and_limits(tmp_path):
    robot = load_robot(str(write_urdf(tmp_path)))
    model = robot_model(robot)
    assert robot.joints == ("turn", "bend")
    assert robot.velocity_limit == (2.0, 2.0)
    assert robot.end_effector.body == "tool"
    sizes = {
        (body_of(model, i), int(model.geom_group[i])): model.geom_size[i, 0]
        for i in range(model.ngeom)
    }
    for link in ("base", "upper", "fore"):
        # the files are called alike in both folders
        np.testing.assert_allclose([sizes[link, 1], sizes[link, 3]], [0.03, 0.05], rtol=1e-6)
    assert model.geom_contype.sum() == 3
    np.testing.assert_allclose(model.jnt_actfrcrange, [[-8.0, 8.0]] * 2)


def test_visuals_that_mujoco_cannot_read_are_left_out(tmp_path):
    path = write_urdf(tmp_path, visual="dae")
    model = robot_model(load_robot(str(path)))
    assert model.ngeom == 3
    assert set(model.geom_group) == {0}


def test_a_gripper_of_a_urdf_may_mimic_its_other_finger(tmp_path):
    path = write_urdf(tmp_path)
    finger = (
        '<link name="{0}"><inertial><mass value=".05"/><inertia ixx="1e-5" iyy="1e-5" izz="1e-5" '
        'ixy="0" ixz="0" iyz="0"/></inertial></link><joint name="{0}" type="prismatic">'
        '<parent link="tool"/><child link="{0}"/><origin xyz="0 {1} 0"/><axis xyz="0 1 0"/>'
        '<limit lower="{2}" upper="{3}" effort="9" velocity="1"/>{4}</joint></robot>'
    )
    text = path.read_text()
    for part in (
        ("one", ".03", "-.02", "0", ""),
        ("two", "-.03", "0", ".02", '<mimic joint="one" multiplier="-1"/>'),
    ):
        text = text.replace("</robot>", finger.format(*part))
    path.write_text(text)
    robot = load_robot(str(path))
    assert robot.gripper is not None
    assert (robot.gripper.joint, robot.gripper.followers[0].joint) == ("one", "two")
    assert robot.gripper.followers[0].ratio == -1.0
    assert (robot.gripper.open_position, robot.gripper.closed_position) == (0.0, -0.02)
    assert robot_model(robot).neq == 1


def test_bodies_beside_the_first_joint_and_excluded_ones_do_not_collide(tmp_path):
    exclude = [["upper", "hand"]]
    spec = robot_spec(load_robot(write_arm(tmp_path, collision={"exclude": exclude})))
    pairs = {frozenset((e.bodyname1, e.bodyname2)) for e in spec.excludes}
    assert pairs == {frozenset(("base", "upper")), frozenset(("upper", "hand"))}


@pytest.mark.parametrize("itself", [True, False])
def test_without_self_collision_the_arm_still_meets_the_table(tmp_path, itself):
    robot = load_robot(
        write_arm(
            tmp_path,
            collision={"self_collision": itself},
            position_limit=[[-1, 1], [-1, 2], [-3, 3]],
        )
    )
    model, _ = compile_scene(robot)
    data = mujoco.MjData(model)
    met = []
    for pose in ([0.0, -0.4, 2.9], [0.0, 1.0, 0.0]):  # folded onto itself; down on the table
        data.qpos[:3] = pose
        mujoco.mj_forward(model, data)
        met.append({body_of(model, geom) for geom in data.contact.geom.ravel()})
    assert bool(met[0] - {"world"}) is itself
    assert "world" in met[1]


def test_what_a_model_does_not_say_is_chosen(tmp_path):
    write_arm(tmp_path)
    robot = load_robot(str(tmp_path / "small.xml"))
    assert robot.name == "small"
    assert robot.joints == ("turn", "lift", "bend")
    assert robot.home_position == (0.0, -0.3, 0.9)  # of the keyframe
    assert robot.position_limit is not None  # one joint turns without end
    assert robot.position_limit[2] == (-6.283, 6.283)
    assert robot.end_effector.body == "hand"
    np.testing.assert_allclose(robot.end_effector.offset_m, [0.04, 0.0, 0.0], atol=1e-9)
    assert robot.end_effector.hand is not None
    np.testing.assert_allclose(robot.end_effector.hand.approach, [1.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(robot.end_effector.hand.opening, [0.0, 1.0, 0.0], atol=1e-6)
    assert robot.gripper is not None
    assert (robot.gripper.open_position, robot.gripper.closed_position) == (0.0, -0.015)
    assert robot.gripper.followers[0].ratio == -1.0
    assert robot.actuators.kind == "position"
    compile_scene(robot)


def test_motors_of_a_model_give_servos_their_greatest_force(tmp_path):
    motors = "".join(
        f'<motor joint="{name}" gear="{gear}" ctrlrange="-1 1"/>'
        for name, gear in (("turn", 5), ("lift", 6), ("bend", 7))
    )
    write_arm(tmp_path, ARM_MJCF.replace("<keyframe>", f"<actuator>{motors}</actuator><keyframe>"))
    robot = load_robot(str(tmp_path / "small.xml"))
    assert robot.actuators.force_limit == (5.0, 6.0, 7.0)
    assert robot_model(robot).nu == 4  # the servos alone


def test_a_robot_s_own_values_survive_yaml(tmp_path):
    from trirl_robot.config import to_yaml

    for name in ("so101", "jaco", str(write_urdf(tmp_path))):
        robot = load_robot(name)
        path = tmp_path / "again.yaml"
        path.write_text(to_yaml(robot))
        assert load_robot(str(path)) == robot


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"joints": ["turn", "lifd", "bend"]}, "unknown joint 'lifd': did you mean 'lift'"),
        ({"home_position": [0.0, 0.1]}, "home_position has 2 values for 3 joints"),
        ({"home_position": [0.0, 0.1, 3.0]}, "home_position of 'bend' is 3.0, its limits are"),
        ({"position_limit": None}, "joint 'bend' turns without end in the model"),
        ({"position_limit": [[0, 0], [0, 1], [0, 1]]}, "position_limit of 'turn' is"),
        ({"joints": ["turn", "bend", "bend"]}, "joint 'bend' is named twice"),
        ({"velocity_limit": [1.0, 0.0, 1.0]}, "velocity_limit is .*, expected more than 0"),
        ({"end_effector": {"body": "wrist"}}, "unknown body 'wrist'"),
        ({"end_effector": {"site": "tip"}}, "unknown site 'tip'"),
        ({"end_effector": {}}, "either a site or a body"),
        ({"end_effector": {"body": "left"}}, "joint 'left' of the model moves the end effector"),
        ({"collision": {"exclude": [["upper", "hend"]]}}, "did you mean 'hand'"),
        ({"actuators": {"kind": "native"}}, "joint 'turn' has no actuators of its own"),
        ({"actuators": {"kind": "native", "stiffness": 5.0}}, "native actuators keep the model's"),
        ({"actuators": {"kind": "velocity"}}, "joint_position_delta needs actuators that take pos"),
        ({"actuators": {"kind": "position", "stiffness": [5.0]}}, "has 1 values for 3 joints"),
        ({"actuators": {"kind": "position", "damping": -1.0}}, "damping is -1.0"),
        ({"control": {"kind": "joint_torque", "rate_hz": 25.0, "scale": 1.0}}, "joint_torque"),
        ({"control": {**ARM["control"], "rate_hz": 30.0}}, "holds 6.667 physics steps"),
        ({"gripper": {**GRIPPER, "joint": "thumb"}}, "unknown joint 'thumb'"),
        ({"gripper": {**GRIPPER, "home": 0.1}}, "gripper.home is 0.1, the range of 'left'"),
        ({"gripper": {**GRIPPER, "joint": "right"}}, "names a joint twice"),
        ({"model": "other.xml"}, r"model file .*other.xml does not exist"),
        ({"model": "package:no_such_package/arm.xml"}, "'no_such_package', which is not installed"),
        ({"model": "dm_control:jacko"}, "did you mean 'jaco'"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path, changed, message):
    with pytest.raises(ConfigError, match=message) as caught:
        compile_scene(load_robot(write_arm(tmp_path, **changed)))
    assert "\n" not in str(caught.value)


def test_a_model_that_does_not_compile_is_refused_with_mujoco_s_words(tmp_path):
    broken = ARM_MJCF.replace('type="box" size=".01 .03 .01"', 'type="mesh" mesh="gone"')
    broken = broken.replace(
        "<worldbody>", '<asset><mesh name="gone" file="g.stl"/></asset><worldbody>'
    )
    with pytest.raises(ConfigError, match=r"'small': its model does not compile: .*g\.stl"):
        compile_scene(load_robot(write_arm(tmp_path, broken)))
    with pytest.raises(ConfigError, match=r"small\.xml: .*unrecognized|XML"):
        compile_scene(load_robot(write_arm(tmp_path, "<mujoco><wordbody/></mujoco>")))


def test_urdf_files_that_cannot_be_used_are_refused(tmp_path):
    path = write_urdf(tmp_path)
    text = path.read_text()
    meshes = path.parents[1] / "meshes"
    cases = {
        text.replace("collision/fore.stl", "collision/fore.dae"): "fore' collides with .*fore.dae",
        text.replace("<robot ", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro" ').replace(
            "</robot>", "<xacro:x/></robot>"
        ): "run xacro on it first",
        "<mujoco/>": "its root is <mujoco>",
        text[:-20]: "not valid XML",
    }
    for written, message in cases.items():
        path.write_text(written)
        with pytest.raises(ConfigError, match=message):
            load_robot(str(path))
    path.write_text(text)
    (meshes / "collision" / "fore.stl").unlink()
    with pytest.raises(ConfigError, match=r"mesh package://.*/fore\.stl was not found beside"):
        load_robot(str(path))


def test_what_is_no_arm_is_refused(tmp_path):
    floating = ARM_MJCF.replace('<body name="base">', '<body name="base"><freejoint name="free"/>')
    floating = floating.replace('qpos="0 -.3', 'qpos="0 0 0 1 0 0 0 0 -.3')
    (tmp_path / "rover.xml").write_text(floating)
    with pytest.raises(ConfigError, match="joint 'free' lets its end effector float"):
        load_robot(str(tmp_path / "rover.xml"))
    (tmp_path / "rock.xml").write_text(
        "<mujoco><worldbody><body><geom size='1'/></body></worldbody></mujoco>"
    )
    with pytest.raises(ConfigError, match="its model has no joints"):
        load_robot(str(tmp_path / "rock.xml"))


def test_substeps_follow_from_the_rates():
    robot = load_robot("so101")
    assert robot.substeps == 8
    assert dataclasses.replace(robot, physics_timestep_s=0.004).substeps == 10


def test_the_example_in_the_documentation_is_a_robot():
    from trirl_robot.config import CONFIGS, from_mapping

    text = (CONFIGS / "robots" / "README.md").read_text(encoding="utf-8")
    example = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    robot = from_mapping(RobotConfig, example, "README.md")
    assert robot.joints == ("pan", "lift", "bend")
    names = {field.name for field in dataclasses.fields(RobotConfig)}
    assert names == set(example)


def test_every_built_in_robot_s_file_says_what_it_is():
    from trirl_robot.config import CONFIGS

    for path in sorted((CONFIGS / "robots").glob("*.yaml")):
        assert yaml.safe_load(path.read_text())["name"] == path.stem
        assert load_robot(path.stem) == load_robot(str(Path(path)))
