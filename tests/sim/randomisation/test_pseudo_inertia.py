"""Drawn pseudo-inertias stay physical, and mean what the formula says."""

import mujoco
import numpy as np
from dynamics_world import WEIGHTLESS, constant, uniform, world
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.sim.randomisation.pseudo_inertia import transformed
from trirl_robot.sim.randomisation.quantities.bodies import PSEUDO_INERTIA

BODY = """<worldbody><body name="b" pos="0 0 1"><freejoint/>
  <inertial mass="2" pos=".01 .02 .03" quat=".8 .6 0 0" diaginertia="0.02 0.03 0.04"/>
  <geom type="box" size=".1 .1 .1" contype="0" conaffinity="0"/></body></worldbody>"""

numbers = st.floats(-0.5, 0.5)
moments = st.tuples(*[st.floats(1e-4, 1.0)] * 3)
quats = st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


def rotation(quat):
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quat, dtype=float))
    return matrix.reshape(3, 3)


def pseudo_inertia(mass, centre, quat, inertia):
    """The 4 x 4 matrix of second moments in the body's frame."""
    turn = rotation(quat)
    about_centre = 0.5 * np.sum(inertia) * np.eye(3) - turn @ np.diag(inertia) @ turn.T
    matrix = np.empty((4, 4))
    matrix[:3, :3] = about_centre + mass * np.outer(centre, centre)
    matrix[:3, 3] = matrix[3, :3] = mass * np.asarray(centre)
    matrix[3, 3] = mass
    return matrix


@given(
    parameters=st.tuples(*[numbers] * 10),
    mass=st.floats(0.01, 10.0),
    centre=st.tuples(*[numbers] * 3),
    quat=quats,
    spread=moments,
)
def test_it_is_the_congruence_by_the_triangular_matrix(parameters, mass, centre, quat, spread):
    quat = np.array(quat) / np.linalg.norm(quat)
    # any spread of mass along three axes gives moments that some body has
    inertia = np.sum(spread) - np.array(spread)
    arrays = (np.array(x, dtype=float)[None] for x in (parameters, mass, centre, quat, inertia))
    new = [value[0] for value in transformed(*arrays)]
    alpha, d1, d2, d3, s12, s13, s23, t1, t2, t3 = parameters
    upper = np.exp(alpha) * np.array(
        [[np.exp(d1), s12, s13, t1], [0, np.exp(d2), s23, t2], [0, 0, np.exp(d3), t3], [0, 0, 0, 1]]
    )
    # the formula holds in the principal frame at the centre of mass
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = rotation(quat), centre
    old = np.diag([*spread, mass])
    expected = frame @ upper @ old @ upper.T @ frame.T
    np.testing.assert_allclose(pseudo_inertia(*new), expected, rtol=1e-9, atol=1e-12)
    greatest = new[3].max()
    assert new[0] > 0
    assert greatest <= (new[3].sum() - greatest) * (1 + 1e-9)


@given(st.tuples(*[numbers] * 10), st.floats(0.01, 1.0))
def test_flat_bodies_stay_physical(parameters, size):
    """A plate has no spread across: its moments lie on the edge of what is possible."""
    inertia = np.array([[size, size, 2 * size]])
    *_, moment = transformed(
        np.array([parameters]), np.ones(1), np.zeros((1, 3)), np.array([[1.0, 0, 0, 0]]), inertia
    )
    assert (moment >= 0).all()
    assert moment.max() <= (moment.sum() - moment.max()) * (1 + 1e-9)


def test_zero_changes_nothing_to_the_last_bit():
    body = world(WEIGHTLESS, BODY, constant("pseudo_inertia", 0.0))
    for field in ("body_mass", "body_ipos", "body_iquat", "body_inertia"):
        np.testing.assert_array_equal(
            getattr(body.drawn_model(), field), getattr(body.model, field)
        )


def test_alpha_is_half_the_logarithm_of_the_mass_ratio():
    body = world(WEIGHTLESS, BODY, constant("pseudo_inertia", 0.5 * np.log(2), where=("b.alpha",)))
    force = body.simulation.batch.bind("xfrc_applied")
    plain = world(WEIGHTLESS, BODY)
    force[:, 1] = plain.simulation.batch.bind("xfrc_applied")[:, 1] = (1, 2, 3, 0.1, 0.2, 0.3)
    np.testing.assert_allclose(body.acceleration(), 0.5 * plain.acceleration(), rtol=1e-9)


def test_physics_are_those_of_a_model_compiled_with_the_drawn_inertia():
    terms = [uniform("pseudo_inertia", -0.2, 0.2)]
    body = world(WEIGHTLESS, BODY, *terms, seed=3)
    parameters = [body.drawn[f"pseudo_inertia/b.{name}"] for name in PSEUDO_INERTIA]
    assert len(set(parameters)) == 10
    model = body.drawn_model()
    inertial = "<inertial mass={} pos={} quat={} diaginertia={}/>".format(
        *(
            '"' + " ".join(map(repr, np.ravel(getattr(model, field)[1]).tolist())) + '"'
            for field in ("body_mass", "body_ipos", "body_iquat", "body_inertia")
        )
    )
    start, end = BODY.index("<inertial"), BODY.index("<geom")
    same = world(WEIGHTLESS, BODY[:start] + inertial + BODY[end:])
    for small in (body, same):
        small.simulation.batch.bind("xfrc_applied")[:, 1] = (1, 2, 3, 0.1, 0.2, 0.3)
        small.step(200)
    np.testing.assert_allclose(body.qpos, same.qpos, rtol=1e-9, atol=1e-12)
