"""Actuators: chosen gains, refusals, and saturation as the real ones have it."""

import dataclasses

import mujoco
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robot_files import ARM, ARM_MJCF, GRIPPER, write_arm

from trirl_robot.command import ActionMapping
from trirl_robot.contract import ObservationField
from trirl_robot.errors import ConfigError
from trirl_robot.sim.actuation import gains
from trirl_robot.sim.robot_config import ActuatorConfig
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX, compile_scene, contract_of, robot_model
from trirl_robot.sim.wiring import home_state, wire

PENDULUM = """
<mujoco><worldbody><body name="rod">
  <joint name="swing" axis="0 1 0" range="-1 1" armature="0.05"/>
  <geom type="sphere" size=".01" pos="0 0 .5" mass="2"/>
</body></worldbody></mujoco>
"""


class Bench:
    """One robot in its scene, commanded as a task commands it."""

    def __init__(self, robot, *, contacts=True, with_gripper=False) -> None:
        self.robot = robot
        self.model, _ = compile_scene(robot)
        if not contacts:
            self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        self.wiring = wire(robot, self.model, PREFIX, with_gripper=with_gripper)
        size = len(self.wiring.joint_names)
        field = ObservationField(name="q", size=size, unit="rad", source="joint_position")
        self.contract = contract_of(robot, self.model, (field,), with_gripper=with_gripper)
        self._mapping = ActionMapping(self.contract)
        self.data = mujoco.MjData(self.model)
        self.data.qpos[:], self.data.ctrl[:] = home_state(robot, self.model, PREFIX)
        self.command = self.position.copy()
        self.speed = np.zeros(size)

    @property
    def position(self):
        return self.data.qpos[self.wiring.qpos_index]

    @property
    def velocity(self):
        return self.data.qvel[self.wiring.dof_index]

    def step(self, action):
        base = np.where(self.wiring.joint_takes_velocity, self.position, self.command)
        limited = self._mapping.command(np.asarray(action), base, self.speed)
        self.command, self.speed = limited.position, limited.velocity
        controls = self.wiring.controls(limited.position, limited.velocity)
        self.data.ctrl[self.wiring.control_index] = controls
        mujoco.mj_step(self.model, self.data, self.robot.substeps)
        return limited


def test_gains_left_out_follow_from_the_inertia():
    model = mujoco.MjModel.from_xml_string(PENDULUM)
    inertia = 2.0 * (0.5**2 + 0.4 * 0.01**2) + 0.05
    for hertz in (2.0, 5.0):
        omega = 2.0 * np.pi * hertz
        position = ActuatorConfig(kind="position", bandwidth_hz=hertz)
        stiffness, damping = gains(position, ("swing",), model, 0.005)
        assert stiffness == pytest.approx([inertia * omega**2], rel=1e-6)
        assert damping == pytest.approx([2.0 * inertia * omega], rel=1e-6)
        velocity = ActuatorConfig(kind="velocity", bandwidth_hz=hertz)
        assert gains(velocity, ("swing",), model, 0.005)[1] == pytest.approx([inertia * omega])
    given_stiffness = ActuatorConfig(kind="position", stiffness=90.0)
    damping = gains(given_stiffness, ("swing",), model, 0.005)[1]
    assert damping == pytest.approx([2.0 * np.sqrt(90.0 * inertia)])
    stiff = ActuatorConfig(kind="position", stiffness=1e6)
    assert gains(stiff, ("swing",), model, 0.005)[1] == pytest.approx([1e6 * 0.005])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    density=st.floats(1.0, 2e4),
    armature=st.floats(0.0, 5.0),
    timestep=st.sampled_from([0.002, 0.005, 0.01, 0.02]),
    payload=st.floats(0.0, 2.0),
    stiffness=st.sampled_from([None, 1e3, 1e5]),
)
def test_chosen_gains_are_stable_for_any_inertia_and_payload(
    tmp_path, density, armature, timestep, payload, stiffness
):
    """Heavy or light, geared or not, also with many times its own weight in the hand."""
    mjcf = ARM_MJCF.replace('density="500"', f'density="{density:.3f}"')
    mjcf = mjcf.replace('armature=".01"', f'armature="{armature:.6f}"').replace(' damping=".1"', "")
    actuators = {"kind": "position", "stiffness": stiffness}
    control = {**ARM["control"], "rate_hz": 0.1 / timestep}
    robot = load_robot(
        write_arm(tmp_path, mjcf, actuators=actuators, physics_timestep_s=timestep, control=control)
    )
    model = robot_model(robot)
    model.opt.timestep, model.opt.integrator = timestep, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    extra = payload * model.body_subtreemass[model.body("upper").id]
    model.body_mass[model.body("hand").id] += extra
    model.body_inertia[model.body("hand").id] += 1e-3 * extra
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    data.qpos[:3], goal = [0.5, 0.5, 1.5], np.array([-0.5, -0.2, 0.3])
    data.ctrl[:] = goal
    mujoco.mj_step(model, data, round(8.0 / timestep))
    assert data.warning.number.sum() == 0
    np.testing.assert_allclose(data.qvel[:3], 0.0, atol=0.02)
    np.testing.assert_allclose(data.qpos[:3], goal, atol=0.02)


@pytest.mark.parametrize("kind", ["joint_position", "joint_position_delta"])
def test_velocity_actuators_refuse_positions(kind):
    jaco = load_robot("jaco")
    control = dataclasses.replace(jaco.control, kind=kind)
    with pytest.raises(ConfigError, match=f"control kind {kind} needs actuators that take posit"):
        dataclasses.replace(jaco, control=control)


def native(tmp_path, actuators, **changed):
    mjcf = ARM_MJCF.replace("<keyframe>", f"<actuator>{actuators}</actuator><keyframe>")
    return load_robot(write_arm(tmp_path, mjcf, actuators={"kind": "native"}, **changed))


def test_native_actuators_are_named_after_their_joints_with_the_sensors_that_read_them(tmp_path):
    actuators = (
        '<position name="bend" joint="turn" kp="9"/><position name="a2" joint="lift" kp="8"/>'
        '<position joint="bend" kp="7"/></actuator>'
        '<sensor><actuatorpos name="s" actuator="bend"/></sensor><actuator>'
    )
    model, _ = compile_scene(native(tmp_path, actuators))
    assert [model.actuator(PREFIX + name).gainprm[0] for name in ARM["joints"]] == [9, 8, 7]
    assert int(model.sensor(PREFIX + "s").objid[0]) == model.actuator(PREFIX + "turn").id


def test_native_actuators_that_cannot_obey_are_refused(tmp_path):
    three = '<{0} joint="turn"{1}/><{0} joint="lift"{1}/><{0} joint="bend"{1}/>'
    with pytest.raises(ConfigError, match=r"actuator of 'turn' takes forces.*kind: position"):
        compile_scene(native(tmp_path, three.format("motor", "")))
    with pytest.raises(ConfigError, match="that of 'turn' takes velocities; choose joint_velocity"):
        compile_scene(native(tmp_path, three.format("velocity", ' kv="5"')))
    twice = three.format("position", ' kp="5"') + '<position joint="lift" kp="1"/>'
    with pytest.raises(ConfigError, match="'lift' has 2 actuators of its own in the model"):
        compile_scene(native(tmp_path, twice))


def test_a_position_servo_gives_no_more_than_its_greatest_force(tmp_path):
    robot = load_robot(
        write_arm(
            tmp_path, actuators={"kind": "position", "force_limit": 0.4}, gravity_compensation=False
        )
    )
    bench = Bench(robot, contacts=False)
    for _ in range(75):
        bench.step([0.0, -1.0, 0.0])
    # it cannot lift the arm, and pushes as hard as it may
    lift = bench.model.actuator(PREFIX + "lift").id
    assert bench.data.actuator_force[lift] == pytest.approx(-0.4)
    assert bench.position[1] > bench.command[1] + 0.3


def test_a_velocity_servo_gives_no_more_than_its_greatest_force():
    robot = load_robot("jaco")
    stiff = dataclasses.replace(robot, gravity_compensation=False)
    bench = Bench(stiff, contacts=False)
    bench.model.body_mass[bench.model.body(PREFIX + "jaco_hand/hand").id] = 20.0
    forces = []
    for _ in range(40):
        bench.step(np.zeros(6))
        forces.append(np.abs(bench.data.actuator_force[bench.wiring.control_index]).copy())
    limit = np.array([30.5, 30.5, 30.5, 6.8, 6.8, 6.8])
    assert (np.array(forces) <= limit + 1e-9).all()
    assert np.array(forces)[:, 1].max() == pytest.approx(30.5)


KINDS = {
    "joint_position": 2.0,
    "joint_position_delta": 0.4,
    "joint_velocity": 9.0,
}


@pytest.mark.parametrize(("name", "kind"), [*(("so101", k) for k in KINDS), ("jaco", "native")])
def test_speed_and_acceleration_of_commands_saturate(name, kind):
    robot = load_robot(name)
    if kind in KINDS:
        control = dataclasses.replace(robot.control, kind=kind, scale=KINDS[kind])
        robot = dataclasses.replace(
            robot, control=control, acceleration_limit=(10.0,) * len(robot.joints)
        )
    bench = Bench(robot, contacts=False)
    period = bench.contract.control_period_s
    fastest, steepest = np.array(robot.velocity_limit), np.array(robot.acceleration_limit)
    speeds = [np.zeros(len(robot.joints))]
    for cycle in range(40):
        bench.step(np.full(len(robot.joints), 1.0 if cycle < 25 else -1.0))
        speeds.append(bench.speed)
    assert (np.abs(speeds) <= fastest + 1e-9).all()
    # away from the position limits, every cycle changes the speed as much as it may
    first = np.abs(np.diff(speeds, axis=0))[:3] / period
    np.testing.assert_allclose(first, np.tile(steepest, (3, 1)))
    assert np.abs(speeds).max() > 0.9 * fastest.max()
    # what the arm does with it: no faster than it was told, but for the servos' own swing
    assert (np.abs(bench.velocity) <= 1.5 * fastest + 0.1).all()


def test_a_velocity_is_reached_by_both_kinds_of_actuators():
    jaco = load_robot("jaco")
    position = dataclasses.replace(jaco, actuators=ActuatorConfig(kind="position"))
    for robot in (jaco, position):
        bench = Bench(robot, contacts=False)
        passed = []
        for _ in range(25):
            bench.step(np.full(6, 0.5))
            passed.append(bench.position.copy())
        # a servo of positions goes in steps: the mean counts
        speed = (passed[-1] - passed[-11]) / (10 * bench.contract.control_period_s)
        np.testing.assert_allclose(speed, 0.5 * np.array(robot.action_scale), rtol=0.02)


def test_joints_that_take_velocities_keep_within_their_limits():
    bench = Bench(load_robot("jaco"), contacts=False)
    limits = bench.contract.limits
    for direction in (1.0, -1.0):
        for _ in range(250):
            bench.step(np.full(6, direction))
            for value, limit in zip(bench.position, limits, strict=True):
                assert limit.position_min - 0.02 <= value <= limit.position_max + 0.02


def test_fingers_with_actuators_get_the_same_command():
    bench = Bench(load_robot("jaco"), with_gripper=True)
    assert bench.contract.joint_names[-1] == "jaco_hand/finger_1"
    assert bench.contract.gripper is not None
    assert bench.contract.gripper.open_position == 0.15
    assert len(bench.wiring.control_index) == 9
    for _ in range(12):
        bench.step([0, 0, 0, 0, 0, 0, 1.0])
    fingers = bench.data.qpos[bench.wiring.position_index[-3:]]
    assert (fingers > 0.8).all()
    np.testing.assert_allclose(fingers, fingers[0], atol=1e-3)


def test_fingers_without_actuators_are_tied_to_the_first(tmp_path):
    robot = load_robot(write_arm(tmp_path, gripper=GRIPPER))
    bench = Bench(robot, with_gripper=True)
    assert len(bench.wiring.control_index) == 4
    np.testing.assert_allclose(
        bench.wiring.positions(np.array([0, 0, 0, -0.01]))[3:], [-0.01, 0.01]
    )
    for _ in range(20):
        bench.step([0, 0, 0, -1.0])
    left, right = (bench.data.joint(PREFIX + name).qpos[0] for name in ("left", "right"))
    assert left == pytest.approx(-0.015, abs=1e-3)
    assert right == pytest.approx(0.015, abs=1e-3)


def test_a_tendon_that_closes_a_gripper_gives_way_to_a_servo(tmp_path):
    mjcf = ARM_MJCF.replace(
        "<keyframe>",
        '<tendon><fixed name="both"><joint joint="left" coef="1"/><joint joint="right" coef="-1"/>'
        '</fixed></tendon><actuator><position name="grip" tendon="both" kp="5"/></actuator>'
        '<sensor><actuatorfrc actuator="grip"/></sensor><keyframe>',
    )
    model = robot_model(load_robot(write_arm(tmp_path, mjcf, gripper=GRIPPER)))
    names = [model.actuator(i).name for i in range(model.nu)]
    assert names == ["turn", "lift", "bend", "left"]
    assert model.nsensor == 0


def test_the_home_state_holds_the_gripper_that_nobody_commands(tmp_path):
    closed = {**GRIPPER, "home": -0.01}
    bench = Bench(load_robot(write_arm(tmp_path, gripper=closed)))
    for _ in range(50):
        bench.step([0.0, 0.0, 0.0])
    assert bench.data.joint(PREFIX + "left").qpos[0] == pytest.approx(-0.01, abs=1e-4)
    assert bench.data.joint(PREFIX + "right").qpos[0] == pytest.approx(0.01, abs=1e-4)
    np.testing.assert_allclose(bench.position, ARM["home_position"], atol=1e-3)
