import mujoco
import numpy as np
import pytest

from trirl_robot.sim.arm import ArmSimulation
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.randomisation.config import RandomisationConfig, RandomisationTerm
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX


def simulate(*terms, num_envs=1, random=None):
    random = random or EpisodeRandom(0, num_envs)
    random.begin(np.arange(num_envs))
    return ArmSimulation(
        load_robot("so101"),
        num_envs,
        randomisation=RandomisationConfig(terms=terms),
        random=random,
        nthread=1,
    )


def put(arm, pose):
    """Draw dynamics and put every arm at `pose`."""
    ids = np.arange(arm.num_envs)
    arm.reset(ids, np.broadcast_to(pose, (arm.num_envs, 5)))
    arm.begin_measuring(ids)


def constant(quantity, value, **kwargs):
    return RandomisationTerm(quantity=quantity, distribution="constant", value=value, **kwargs)


def test_end_effector_agrees_with_the_engine():
    arm = simulate(num_envs=8)
    poses = np.random.default_rng(1).uniform(-1.0, 1.0, (8, 5))
    put(arm, poses)
    data = mujoco.MjData(arm.model)
    for i in range(8):
        state = arm.simulation.state_vector(i)
        data.qpos[:] = state[1 : 1 + arm.model.nq]
        mujoco.mj_kinematics(arm.model, data)
        expected = data.site(PREFIX + "gripperframe").xpos
        np.testing.assert_allclose(arm.end_effector_position[i], expected, atol=2e-9)


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_an_arm_at_rest_stays_where_it_was_put(latency):
    arm = simulate(constant("command_latency_s", latency), num_envs=4)
    poses = np.random.default_rng(2).uniform(-0.5, 0.5, (4, 5))
    put(arm, poses)
    arm.advance(200)
    np.testing.assert_allclose(arm.joint_position, poses, atol=1e-6)


def test_a_command_acts_after_the_latency_and_not_before():
    arm = simulate(constant("command_latency_s", 0.05))
    start = np.zeros((1, 5))
    put(arm, start)
    arm.set_command(start + 0.2, np.zeros((1, 5)))
    step = arm.model.opt.timestep
    arm.advance(round(0.05 / step))
    np.testing.assert_allclose(arm.joint_position, start, atol=1e-9)
    arm.advance(4)
    assert (arm.joint_position > 1e-4).all()


def first_acceleration(*terms):
    """Joint accelerations just after a command step, with little else than inertia at work."""
    arm = simulate(*terms)
    put(arm, np.zeros((1, 5)))
    arm.set_command(np.full((1, 5), 0.05), np.zeros((1, 5)))
    arm.advance(1)
    return arm.joint_velocity[0] / arm.model.opt.timestep


def test_twice_the_gain_doubles_the_acceleration():
    quiet = constant("joint_friction_loss", 1e-6), constant("joint_damping", 1e-6)
    ratio = first_acceleration(constant("actuator_gain", 2.0), *quiet) / first_acceleration(*quiet)
    np.testing.assert_allclose(ratio, 2.0, rtol=0.05)


def test_twice_every_inertia_halves_the_acceleration():
    quiet = constant("joint_friction_loss", 1e-6), constant("joint_damping", 1e-6)
    heavy = constant("body_mass", 2.0), constant("joint_armature", 2.0)
    ratio = first_acceleration(*heavy, *quiet) / first_acceleration(*quiet)
    np.testing.assert_allclose(ratio, 0.5, rtol=0.05)


def test_damping_and_friction_loss_slow_the_arm():
    base = first_acceleration()
    assert (np.abs(first_acceleration(constant("joint_damping", 3.0))) < np.abs(base)).all()
    assert (np.abs(first_acceleration(constant("joint_friction_loss", 3.0))) < np.abs(base)).all()


def test_measurements_carry_the_drawn_bias_and_noise():
    arm = simulate(
        constant("encoder_bias_rad", 0.02),
        constant("sensor_noise", 0.01, where=("joint_position.*",)),
        constant("sensor_noise", 0.1, where=("joint_velocity.*",)),
        num_envs=2000,
    )
    put(arm, np.zeros(5))
    arm.measure()
    error = arm.measured_joint_position - arm.joint_position
    np.testing.assert_allclose(error.mean(), 0.02, atol=5e-4)
    np.testing.assert_allclose(error.std(), 0.01, rtol=0.05)
    np.testing.assert_allclose(
        (arm.measured_joint_velocity - arm.joint_velocity).std(), 0.1, rtol=0.05
    )


def test_drawing_anew_keeps_the_pose_and_changes_the_values():
    term = RandomisationTerm(quantity="body_mass", distribution="log_uniform", low=0.5, high=2.0)
    random = EpisodeRandom(0, 2)
    arm = simulate(term, num_envs=2, random=random)
    poses = np.full((2, 5), 0.1)
    put(arm, poses)
    before = arm.drawn(0)
    random.begin(np.array([0]))
    arm.draw_dynamics(np.array([0]))
    assert arm.drawn(0) != before
    np.testing.assert_array_equal(arm.joint_position, poses)
    mass = arm.simulation.batch.get_model(0).body_mass[arm.model.body(PREFIX + "wrist").id]
    nominal = arm.model.body(PREFIX + "wrist").mass[0]
    np.testing.assert_allclose(mass, nominal * arm.drawn(0)["body_mass/wrist"])


def test_a_diverged_simulation_is_named_and_the_others_go_on():
    arm = simulate(num_envs=3)
    put(arm, np.zeros((3, 5)))
    arm.simulation.qvel[1, 0] = 1e12
    failed = arm.advance(8)
    assert failed.tolist() == [False, True, False]
    assert not arm.advance(8).any()
    arm.reset(np.array([1]), np.zeros((1, 5)))
    arm.simulation.qvel[1, 0] = 1e12
    assert arm.advance(8).tolist() == [False, True, False]


def test_a_servo_regulates_what_its_offset_encoder_shows():
    """Commanded to 0.3, it rests where the encoder shows 0.3: at 0.3 less the offset."""
    arm = simulate(constant("encoder_bias_rad", 0.05, where=("elbow_flex",)))
    put(arm, np.zeros(5))
    command = np.full((1, 5), 0.3)
    arm.set_command(command, np.zeros((1, 5)))
    for _ in range(25):
        arm.advance(20)
        arm.measure()
    np.testing.assert_allclose(arm.measured_joint_position, command, atol=2e-3)
    offset = arm.measured_joint_position - arm.joint_position
    np.testing.assert_allclose(offset, [[0.0, 0.0, 0.05, 0.0, 0.0]], atol=1e-12)


def test_an_arm_with_a_payload_sags_below_its_command():
    """Gravity compensation knows the arm alone."""
    heights = []
    for mass in (0.0, 0.1, 0.2):
        arm = simulate(constant("payload", mass))
        put(arm, np.zeros(5))
        arm.advance(400)
        arm.measure()
        heights.append(arm.end_effector_position[0, 2])
    sag = heights[0] - np.array(heights[1:])
    assert sag[0] > 1e-3
    np.testing.assert_allclose(sag[1], 2.0 * sag[0], rtol=0.1)


def test_a_force_drawn_for_an_episode_acts_after_the_reset():
    arm = simulate(constant("body_force", -3.0, where=("gripper.z",)))
    put(arm, np.zeros(5))
    before = arm.end_effector_position[0, 2]
    arm.advance(100)
    arm.measure()
    assert arm.end_effector_position[0, 2] < before - 0.005
