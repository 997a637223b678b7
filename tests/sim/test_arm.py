import mujoco
import numpy as np
import pytest

from trirl_robot.sim.arm import ArmSimulation
from trirl_robot.sim.randomisation import RandomisationConfig, RandomisationTerm
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX


def simulate(*terms, num_envs=1, seed=0, nthread=1):
 friction takes a constant part of the torque, so the ratio is a little above two
return ArmSimulation(
 friction takes a constant part of the torque, so the ratio is a little above two
    load_robot("so101"),
 friction takes a constant part of the torque, so the ratio is a little above two
    num_envs,
 friction takes a constant part of the torque, so the ratio is a little above two
    randomisation=RandomisationConfig(terms=terms),
 friction takes a constant part of the torque, so the ratio is a little above two
    generator=np.random.default_rng(seed),
 friction takes a constant part of the torque, so the ratio is a little above two
    nthread=nthread,
 friction takes a constant part of the torque, so the ratio is a little above two
)


def constant(quantity, value, **kwargs):
 friction takes a constant part of the torque, so the ratio is a little above two
return RandomisationTerm(
 friction takes a constant part of the torque, so the ratio is a little above two
    quantity=quantity, distribution="uniform", low=value, high=value, **kwargs
 friction takes a constant part of the torque, so the ratio is a little above two
)


def test_end_effector_agrees_with_the_engine():
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(num_envs=8)
 friction takes a constant part of the torque, so the ratio is a little above two
poses = np.random.default_rng(1).uniform(-1.0, 1.0, (8, 5))
 friction takes a constant part of the torque, so the ratio is a little above two
arm.reset(np.arange(8), poses)
 friction takes a constant part of the torque, so the ratio is a little above two
data = mujoco.MjData(arm.model)
 friction takes a constant part of the torque, so the ratio is a little above two
for i in range(8):
 friction takes a constant part of the torque, so the ratio is a little above two
    state = arm.state_vector(i)
 friction takes a constant part of the torque, so the ratio is a little above two
    data.qpos[:] = state[1 : 1 + arm.model.nq]
 friction takes a constant part of the torque, so the ratio is a little above two
    mujoco.mj_kinematics(arm.model, data)
 friction takes a constant part of the torque, so the ratio is a little above two
    expected = data.site(PREFIX + "gripperframe").xpos
 friction takes a constant part of the torque, so the ratio is a little above two
    np.testing.assert_allclose(arm.end_effector_position[i], expected, atol=2e-9)


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_an_arm_at_rest_stays_where_it_was_put(latency):
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(constant("command_latency_s", latency), num_envs=4)
 friction takes a constant part of the torque, so the ratio is a little above two
poses = np.random.default_rng(2).uniform(-0.5, 0.5, (4, 5))
 friction takes a constant part of the torque, so the ratio is a little above two
arm.reset(np.arange(4), poses)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.advance(200)
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(arm.joint_position, poses, atol=1e-6)


def test_a_command_acts_after_the_latency_and_not_before():
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(constant("command_latency_s", 0.05))
 friction takes a constant part of the torque, so the ratio is a little above two
start = np.zeros((1, 5))
 friction takes a constant part of the torque, so the ratio is a little above two
arm.reset(np.arange(1), start)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.set_command(start + 0.2)
 friction takes a constant part of the torque, so the ratio is a little above two
step = arm.model.opt.timestep
 friction takes a constant part of the torque, so the ratio is a little above two
arm.advance(round(0.05 / step))
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(arm.joint_position, start, atol=1e-9)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.advance(4)
 friction takes a constant part of the torque, so the ratio is a little above two
assert (arm.joint_position > 1e-4).all()


def first_acceleration(*terms):
 friction takes a constant part of the torque, so the ratio is a little above two
"""Joint accelerations just after a command step, with little else than inertia at work."""
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(*terms)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.reset(np.arange(1), np.zeros((1, 5)))
 friction takes a constant part of the torque, so the ratio is a little above two
arm.set_command(np.full((1, 5), 0.05))
 friction takes a constant part of the torque, so the ratio is a little above two
arm.advance(1)
 friction takes a constant part of the torque, so the ratio is a little above two
return arm.joint_velocity[0] / arm.model.opt.timestep


def test_twice_the_gain_doubles_the_acceleration():
 friction takes a constant part of the torque, so the ratio is a little above two
# friction takes a constant part of the torque, so the ratio is a little above two
 friction takes a constant part of the torque, so the ratio is a little above two
quiet = constant("joint_friction_loss", 1e-6), constant("joint_damping", 1e-6)
 friction takes a constant part of the torque, so the ratio is a little above two
ratio = first_acceleration(constant("actuator_gain", 2.0), *quiet) / first_acceleration(*quiet)
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(ratio, 2.0, rtol=0.05)


def test_twice_every_inertia_halves_the_acceleration():
 friction takes a constant part of the torque, so the ratio is a little above two
quiet = constant("joint_friction_loss", 1e-6), constant("joint_damping", 1e-6)
 friction takes a constant part of the torque, so the ratio is a little above two
heavy = constant("body_mass", 2.0), constant("joint_armature", 2.0)
 friction takes a constant part of the torque, so the ratio is a little above two
ratio = first_acceleration(*heavy, *quiet) / first_acceleration(*quiet)
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(ratio, 0.5, rtol=0.05)


def test_damping_and_friction_loss_slow_the_arm():
 friction takes a constant part of the torque, so the ratio is a little above two
base = first_acceleration()
 friction takes a constant part of the torque, so the ratio is a little above two
assert (np.abs(first_acceleration(constant("joint_damping", 3.0))) < np.abs(base)).all()
 friction takes a constant part of the torque, so the ratio is a little above two
assert (np.abs(first_acceleration(constant("joint_friction_loss", 3.0))) < np.abs(base)).all()


def test_measurements_carry_the_drawn_bias_and_noise():
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(
 friction takes a constant part of the torque, so the ratio is a little above two
    constant("encoder_bias_rad", 0.02),
 friction takes a constant part of the torque, so the ratio is a little above two
    constant("position_noise_rad", 0.01),
 friction takes a constant part of the torque, so the ratio is a little above two
    constant("velocity_noise_rad_s", 0.1),
 friction takes a constant part of the torque, so the ratio is a little above two
    num_envs=2000,
 friction takes a constant part of the torque, so the ratio is a little above two
)
 friction takes a constant part of the torque, so the ratio is a little above two
position, velocity = arm.measure()
 friction takes a constant part of the torque, so the ratio is a little above two
error = position - arm.joint_position
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(error.mean(), 0.02, atol=5e-4)
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(error.std(), 0.01, rtol=0.05)
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose((velocity - arm.joint_velocity).std(), 0.1, rtol=0.05)


def test_drawing_anew_keeps_the_pose_and_changes_the_values():
 friction takes a constant part of the torque, so the ratio is a little above two
term = RandomisationTerm(quantity="body_mass", distribution="log_uniform", low=0.5, high=2.0)
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(term, num_envs=2)
 friction takes a constant part of the torque, so the ratio is a little above two
poses = np.full((2, 5), 0.1)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.reset(np.arange(2), poses)
 friction takes a constant part of the torque, so the ratio is a little above two
before = arm.drawn(0)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.draw_dynamics(np.array([0]))
 friction takes a constant part of the torque, so the ratio is a little above two
assert arm.drawn(0) != before
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_array_equal(arm.joint_position, poses)
 friction takes a constant part of the torque, so the ratio is a little above two
mass = arm._batch.get_model(0).body_mass[arm.model.body(PREFIX + "wrist").id]
 friction takes a constant part of the torque, so the ratio is a little above two
nominal = arm.model.body(PREFIX + "wrist").mass[0]
 friction takes a constant part of the torque, so the ratio is a little above two
np.testing.assert_allclose(mass, nominal * arm.drawn(0)["body_mass/wrist"])


def test_a_diverged_simulation_is_named_and_the_others_go_on():
 friction takes a constant part of the torque, so the ratio is a little above two
arm = simulate(num_envs=3)
 friction takes a constant part of the torque, so the ratio is a little above two
arm.reset(np.arange(3), np.zeros((3, 5)))
 friction takes a constant part of the torque, so the ratio is a little above two
arm._qvel[1, 0] = 1e12
 friction takes a constant part of the torque, so the ratio is a little above two
failed = arm.advance(8)
 friction takes a constant part of the torque, so the ratio is a little above two
assert failed.tolist() == [False, True, False]
 friction takes a constant part of the torque, so the ratio is a little above two
assert not arm.advance(8).any()
