"""Drawn masses, centres, inertias and forces are seen by physics."""

import mujoco
import numpy as np
import pytest
from dynamics_world import WEIGHTLESS, World, constant, mjcf, uniform, world

BRICK = """<worldbody><body name="brick" pos="0 0 1"><freejoint/>
  <inertial mass="2" pos="0 0 0" diaginertia="0.02 0.03 0.04"/>
  <geom type="box" size=".1 .1 .1" contype="0" conaffinity="0"/></body></worldbody>"""

ARM = """<worldbody><body name="arm">
  <joint name="hinge" type="hinge" axis="0 -1 0" armature="0.01"/>
  <inertial mass="0.5" pos="0.2 0 0" diaginertia="0.001 0.002 0.003"/>
  <geom type="capsule" fromto="0 0 0 .4 0 0" size=".02" contype="0" conaffinity="0"/>
  <site name="hand" pos="0.4 0 0.05"/></body></worldbody>"""
SERVO = '<actuator><position name="servo" joint="hinge" kp="40" kv="4"/></actuator>'


def accelerations(body, *terms, force=(0, 0, 0, 0, 0, 0), options=WEIGHTLESS):
    small = world(options, body, *terms)
    small.simulation.batch.bind("xfrc_applied")[0, 1] = force
    return small.acceleration()[0]


def test_twice_the_mass_halves_every_acceleration():
    force = (1.0, 2.0, 3.0, 0.1, 0.2, 0.3)
    heavy = accelerations(BRICK, constant("body_mass", 2.0), force=force)
    # the inertia goes with the mass
    np.testing.assert_allclose(heavy, 0.5 * accelerations(BRICK, force=force), rtol=1e-12)
    np.testing.assert_allclose(heavy[:3], np.array([1.0, 2.0, 3.0]) / 4.0, rtol=1e-12)


@pytest.mark.parametrize(("operation", "value"), [("set", 3.0), ("add", 1.0)])
def test_a_mass_that_is_set_or_added_takes_the_inertia_along(operation, value):
    small = world(WEIGHTLESS, BRICK, constant("body_mass", value, operation=operation))
    model = small.drawn_model()
    assert model.body_mass[1] == 3.0
    np.testing.assert_allclose(model.body_inertia[1], 1.5 * small.model.body_inertia[1])


def test_inertia_slows_turning_and_nothing_else():
    force = (1.0, 0.0, 0.0, 0.1, 0.1, 0.1)
    base, slow = (
        accelerations(BRICK, *terms, force=force) for terms in ((), [constant("body_inertia", 2.0)])
    )
    np.testing.assert_allclose(slow[:3], base[:3])
    np.testing.assert_allclose(slow[3:], 0.5 * base[3:], rtol=1e-12)


def test_one_moment_slows_turning_about_its_axis_alone():
    force = (0.0, 0.0, 0.0, 0.1, 0.1, 0.1)
    # principal axes are in the order of the model's inertia
    small = world(WEIGHTLESS, BRICK, constant("body_inertia_moment", 1.2, where=("brick.x",)))
    moments = small.drawn_model().body_inertia[1] / small.model.body_inertia[1]
    np.testing.assert_allclose(moments, [1.2, 1.0, 1.0])
    base = accelerations(BRICK, force=force)
    slow = accelerations(
        BRICK, constant("body_inertia_moment", 1.2, where=("brick.x",)), force=force
    )
    factors = sorted(base[3:] / slow[3:])
    np.testing.assert_allclose(factors, [1.0, 1.0, 1.2], rtol=1e-12)


def test_the_centre_of_mass_turns_the_arm_by_its_weight():
    """About the joint: m g x = (I + m x²) times the acceleration, downwards."""
    for shift in (0.0, 0.1):
        small = world("", ARM, constant("body_com", shift, where=("arm.x",)))
        arm = 0.2 + shift
        inertia = 0.002 + 0.01 + 0.5 * arm**2
        expected = -0.5 * 9.81 * arm / inertia
        np.testing.assert_allclose(small.acceleration()[0, 0], expected, rtol=1e-9)


def test_a_moved_centre_of_mass_is_that_of_a_model_compiled_so():
    moved = BRICK.replace('pos="0 0 0" diag', 'pos="0.02 0.02 0.02" diag')
    force = (1.0, 2.0, 3.0, 0.1, 0.2, 0.3)
    np.testing.assert_allclose(
        accelerations(BRICK, constant("body_com", 0.02), force=force),
        accelerations(moved, force=force),
        rtol=1e-10,
    )


# payload


def test_a_payload_makes_a_servo_sag_by_its_weight():
    """The torque m g x of a payload at the distance x turns a servo by m g x / kp."""
    compensated = ARM.replace('<body name="arm">', '<body name="arm" gravcomp="1">')
    small = world("", compensated + SERVO, constant("payload", 0.3))
    small.step(2000)
    (angle,) = small.qpos[0]
    # the hand is 0.4 m out and 0.05 m up
    lever = 0.4 * np.cos(angle) - 0.05 * np.sin(angle)
    np.testing.assert_allclose(angle, -0.3 * 9.81 * lever / 40.0, rtol=1e-3)
    # an arm whose own weight is compensated does not sag without
    np.testing.assert_allclose(world("", compensated + SERVO).step(500).qpos, 0.0, atol=1e-6)


def test_a_payload_is_a_point_mass_welded_to_the_hand():
    welded = ARM.replace(
        '<site name="hand"',
        '<body pos="0.4 0 0.05"><inertial mass="0.3" pos="0 0 0" diaginertia="1e-12 1e-12 1e-12"/>'
        '</body><site name="hand"',
    )
    small = world("", ARM, constant("payload", 0.3))
    np.testing.assert_allclose(small.step(300).qpos, world("", welded).step(300).qpos, rtol=1e-8)


def test_a_payload_share_is_of_the_moving_mass():
    named = mjcf("", ARM).replace('name="arm"', 'name="robot/arm"')
    small = World(named, constant("payload_share", 0.1))
    model = small.drawn_model()
    np.testing.assert_allclose(model.body("robot/payload").mass, 0.1 * 0.5)
    assert small.drawn == {"payload_share/hand": 0.1}


def test_a_payload_further_out_weighs_more():
    def turn(*terms):
        return world("", ARM, constant("payload", 0.3), *terms).acceleration()[0, 0]

    inertia = 0.002 + 0.01 + 0.5 * 0.2**2
    for out in (0.0, 0.1):
        arm = 0.4 + out
        expected = -9.81 * (0.5 * 0.2 + 0.3 * arm) / (inertia + 0.3 * (arm**2 + 0.05**2))
        position = constant("payload_position", out, where=("hand.x",))
        np.testing.assert_allclose(turn(position), expected, rtol=1e-9)


# forces


def test_a_force_and_a_torque_accelerate_the_body():
    small = world(
        WEIGHTLESS,
        BRICK,
        constant("body_force", 3.0, where=("brick.y",)),
        constant("body_torque", 0.1, where=("brick.z",)),
    )
    acceleration = small.acceleration()[0]
    np.testing.assert_allclose(acceleration, [0, 1.5, 0, 0, 0, 0.1 / 0.04], atol=1e-12)


def test_a_push_changes_the_velocity_by_its_size_times_its_duration():
    push = uniform(
        "push",
        2.0,
        2.0,
        where=("brick.x",),
        when="interval",
        interval_s=(0.1, 0.1),
        duration_s=0.02,
    )
    small = world(WEIGHTLESS, BRICK, push)
    velocity = []
    for _ in range(350):
        small.step()
        velocity.append(small.qvel[0, 0])
    velocity = np.array(velocity)
    # 2 m/s² for 20 ms, every 100 ms from 100 ms on
    np.testing.assert_allclose(velocity[[98, 198, 298, 349]], [0.0, 0.04, 0.08, 0.12], atol=1e-12)
    np.testing.assert_allclose(velocity[109], 0.02, atol=1e-12)
    assert len(np.unique(velocity.round(9))) == 61


def test_the_hand_can_be_pushed():
    push = constant("push", 1.0, where=("hand.z",))
    small = world(WEIGHTLESS, ARM, push, hand="arm")
    force = small.simulation.batch.bind("xfrc_applied")[0, 1]
    np.testing.assert_allclose(force, [0, 0, 0.5, 0, 0, 0])


@pytest.mark.parametrize("mounted_on", ["hand", "brick"])
def test_a_body_that_is_called_hand_is_pushed_once(mounted_on):
    bodies = BRICK + BRICK.replace('name="brick', 'name="hand')
    push = uniform("push", 1.0, 2.0, where=("hand.*",))
    small = world(WEIGHTLESS, bodies, push, hand=mounted_on)
    assert list(small.drawn) == ["push/hand.x", "push/hand.y", "push/hand.z"]
    force = small.simulation.batch.bind("xfrc_applied")[0, small.model.body("hand").id, :3]
    mass = small.model.body_mass.sum()
    np.testing.assert_allclose(force / mass, list(small.drawn.values()))


def test_forces_are_gone_where_a_new_episode_has_none():
    push = uniform(
        "body_force", 5.0, 5.0, when="interval", interval_s=(0.002, 0.002), where=("brick.x",)
    )
    small = world(WEIGHTLESS, BRICK, push, num_envs=2).step(5)
    force = small.simulation.batch.bind("xfrc_applied")
    assert (force[:, 1, 0] == 5.0).all()
    small.reset([0])
    assert force[:, 1, 0].tolist() == [0.0, 5.0]


def test_what_the_model_has_is_left_alone_by_other_terms():
    small = world(WEIGHTLESS, BRICK, constant("body_mass", 2.0))
    drawn, model = small.drawn_model(), small.model
    for field in ("body_ipos", "body_iquat", "geom_friction", "dof_damping", "geom_size"):
        np.testing.assert_array_equal(getattr(drawn, field), getattr(model, field))
    assert isinstance(model, mujoco.MjModel)
