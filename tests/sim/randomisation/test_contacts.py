"""Drawn contacts are seen by physics."""

import numpy as np
import pytest
from dynamics_world import World, constant, world

from trirl_robot.errors import ConfigError

G = 9.81

SLED = """<worldbody><geom name="floor" type="plane" size="9 9 .1" friction="0.3"/>
  <body name="sled" pos="0 0 .05">
  <joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
  <geom name="runner" type="box" size=".1 .1 .05" mass="1" friction="0.3"/></body></worldbody>"""

BALL = """<worldbody><geom name="floor" type="plane" size="9 9 .1" condim="6"
    friction="1 .01 .001"/>
  <body name="ball" pos="0 0 .1"><freejoint/>
  <geom name="ball" type="sphere" size=".1" mass="1" condim="6" friction="1 .01 .001"/></body>
  </worldbody>"""

WEIGHT = """<worldbody><geom name="floor" type="plane" size="9 9 .1" {0}/>
  <body name="weight" pos="0 0 .1"><joint type="slide" axis="0 0 1"/>
  <geom name="foot" type="sphere" size=".1" mass="1" {0}/></body></worldbody>"""


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_sliding_friction_decelerates_by_mu_g(factor):
    sled = world('cone="elliptic" impratio="10"', SLED, constant("geom_friction", factor))
    sled.step(100)
    sled.qvel[0, 0] = 2.0
    sled.step(200)
    np.testing.assert_allclose(2.0 - sled.qvel[0, 0], 0.3 * factor * G * 0.2, rtol=0.03)


def spin(*terms, axis=5, speed=10.0, steps=100):
    ball = world('cone="elliptic" impratio="10"', BALL, *terms)
    ball.step(100)
    ball.qvel[0, axis] = speed
    if axis == 4:
        # rolling without sliding
        ball.qvel[0, 0] = 0.1 * speed
    before = ball.qvel[0, axis]
    ball.step(steps)
    return before - ball.qvel[0, axis]


def test_torsional_friction_slows_a_spinning_ball():
    """The torque is the coefficient times the weight."""
    inertia = 0.4 * 0.1**2
    for factor in (1.0, 2.0):
        lost = spin(constant("geom_friction_torsional", factor))
        np.testing.assert_allclose(lost, factor * 0.01 * G / inertia * 0.1, rtol=0.02)


def test_rolling_friction_slows_a_rolling_ball():
    """The torque works on the inertia about the point of contact."""
    inertia = 1.4 * 0.1**2
    for factor in (1.0, 3.0):
        lost = spin(constant("geom_friction_rolling", factor), axis=4, steps=200)
        np.testing.assert_allclose(lost, factor * 0.001 * G / inertia * 0.2, rtol=0.05)


def sinking(*terms, attributes='solref=".02 1" solimp=".9 .9 .001"'):
    """Depth to which a weight sinks at rest [m]."""
    weight = world("", WEIGHT.format(attributes), *terms)
    weight.step(3000)
    return -weight.qpos[0, 0]


def depth(impedance, time_constant, ratio):
    """Where the soft constraint's acceleration balances gravity, for an impedance d.

    d a_ref = (1 - d) g with a_ref = d r / (d_max² t² ζ²) and d = d_max gives the depth r.
    """
    return (1.0 - impedance) * G * time_constant**2 * ratio**2


def test_the_time_constant_of_a_contact_sets_how_far_it_gives_way():
    for factor in (1.0, 2.0):
        sunk = sinking(constant("geom_solref_time_constant", factor))
        np.testing.assert_allclose(sunk, depth(0.9, 0.02 * factor, 1.0), rtol=1e-3)


def test_the_damping_ratio_of_a_contact_sets_how_far_it_gives_way():
    for factor in (1.0, 1.5):
        sunk = sinking(constant("geom_solref_damping_ratio", factor))
        np.testing.assert_allclose(sunk, depth(0.9, 0.02, factor), rtol=1e-3)


def test_the_impedance_of_a_contact_sets_how_far_it_gives_way():
    for value in (0.9, 0.5):
        terms = constant("geom_solimp_dmin", value), constant("geom_solimp_dmax", value)
        np.testing.assert_allclose(sinking(*terms), depth(value, 0.02, 1.0), rtol=1e-3)


@pytest.mark.parametrize(
    ("term", "attributes"),
    [
        (constant("geom_solimp_dmin", 0.3), 'solref=".02 1" solimp=".3 .9 .001"'),
        (constant("geom_solimp_dmax", 0.95), 'solref=".02 1" solimp=".9 .95 .001"'),
        (constant("geom_solimp_width", 3.0), 'solref=".02 1" solimp=".5 .9 .003"'),
    ],
)
def test_impedances_are_those_of_a_model_compiled_with_them(term, attributes):
    base = 'solref=".02 1" solimp=".5 .9 .001"' if "width" in term.quantity else None
    drawn = sinking(term, **({"attributes": base} if base else {}))
    assert drawn == sinking(attributes=attributes)


def test_contacts_given_by_stiffness_have_no_time_constant():
    term = constant("geom_solref_time_constant", 2.0, optional=True)
    other = constant("geom_friction", 1.0)
    assert not any(
        "solref" in name
        for name in world("", WEIGHT.format('solref="-1000 -10"'), term, other).drawn
    )
    # a factor of a stiffness is not one of a time
    with pytest.raises(ConfigError, match="nothing that it belongs to"):
        world("", WEIGHT.format('solref="-1000 -10"'), constant(term.quantity, 2.0))


@pytest.mark.parametrize(
    ("operation", "value"), [("scale", 0.09), ("set", 0.0018), ("add", -0.0182)]
)
def test_time_constants_that_mujoco_would_clamp_are_refused(operation, value):
    term = constant("geom_solref_time_constant", value, operation=operation)
    message = r"time_constant/floor could be drawn down to 0.0018 s, expected at least 0.002 s"
    with pytest.raises(ConfigError, match=message):
        sinking(term)
    # without the safeguard nothing is clamped
    unsafe = f'<option timestep="0.001"><flag refsafe="disable"/></option>{WEIGHT.format("")}'
    World(f"<mujoco>{unsafe}</mujoco>", term)


def test_the_least_time_constant_that_physics_resolves_may_be_drawn():
    sunk = sinking(constant("geom_solref_time_constant", 0.1))
    np.testing.assert_allclose(sunk, depth(0.9, 0.002, 1.0), rtol=1e-3)


# sizes

SHAPES = {
    "sphere": (".05", {"radius": 0}),
    "capsule": (".05 .08", {"radius": 0, "half_length": 1}),
    "cylinder": (".05 .08", {"radius": 0, "half_length": 1}),
    "ellipsoid": (".05 .06 .07", {"x": 0, "y": 1, "z": 2}),
    "box": (".05 .06 .07", {"x": 0, "y": 1, "z": 2}),
}


def shapes(kind, size):
    """Two bodies of several geoms each, which fall onto each other and the floor."""
    bodies = "".join(
        f'<body name="b{i}" pos="{0.01 * i} {0.02 * i} {0.3 + 0.4 * i}" euler="10 {20 * i} 30">'
        f'<freejoint/><inertial mass="1" pos="0 0 0" diaginertia=".01 .01 .01"/>'
        f'<geom name="g{i}" type="{kind}" size="{size}"/>'
        f'<geom name="h{i}" type="sphere" size=".03" pos="0 0 .12"/></body>'
        for i in range(2)
    )
    return f'<worldbody><geom type="plane" size="2 2 .1"/>{bodies}</worldbody>'


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_of_drawn_size_collide_as_if_they_had_been_compiled_so(kind):
    size, names = SHAPES[kind]
    for name, column in names.items():
        numbers = [float(x) for x in size.split()]
        numbers[column] *= 1.5
        drawn = world("", shapes(kind, size), constant("geom_size", 1.5, where=(f"g?.{name}",)))
        other = world("", shapes(kind, " ".join(map(str, numbers))))
        model = drawn.drawn_model()
        for field in ("geom_size", "geom_rbound", "geom_aabb", "bvh_aabb"):
            expected = getattr(other.model, field)
            np.testing.assert_allclose(getattr(model, field), expected, atol=1e-12, err_msg=field)
        drawn.step(700)
        other.step(700)
        np.testing.assert_allclose(drawn.qpos, other.qpos, atol=1e-9)
        plain = world("", shapes(kind, size)).step(700)
        assert np.abs(drawn.qpos - plain.qpos).max() > 1e-4
