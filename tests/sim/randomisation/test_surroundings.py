"""Drawn gravity and air are seen by physics."""

import numpy as np
import pytest
from dynamics_world import WEIGHTLESS, constant, world

BALL = """<worldbody><body name="ball" pos="0 0 1"><freejoint/>
  <geom type="sphere" size=".1" mass="2" contype="0" conaffinity="0"/></body></worldbody>"""


@pytest.mark.parametrize(
    ("operation", "value", "expected"),
    [("set", -3.71, -3.71), ("add", 1.0, -8.81), ("scale", 0.5, -4.905)],
)
def test_things_fall_as_gravity_says(operation, value, expected):
    term = constant("gravity", value, operation=operation, where=("z",))
    ball = world("", BALL, term)
    np.testing.assert_allclose(ball.acceleration()[0, :3], [0, 0, expected], atol=1e-12)


def test_gravity_can_be_tilted():
    ball = world("", BALL, constant("gravity", 1.0, where=("x",)))
    np.testing.assert_allclose(ball.acceleration()[0, :3], [1, 0, -9.81], atol=1e-12)


def drag(*terms, velocity=0.0):
    ball = world(WEIGHTLESS, BALL, *terms)
    ball.qvel[0, 0] = velocity
    return ball.acceleration()[0, 0]


def test_wind_blows_things_along_and_air_brakes_them():
    air = constant("air_density", 1.2)
    head = drag(air, constant("wind", -5.0, where=("x",)))
    assert head < 0.0
    # what counts is the velocity through the air
    np.testing.assert_allclose(drag(air, velocity=5.0), head, rtol=1e-12)
    np.testing.assert_allclose(
        drag(air, constant("wind", 5.0, where=("x",)), velocity=5.0), 0.0, atol=1e-12
    )
    assert drag(velocity=5.0) == 0.0


def test_drag_goes_with_the_density_and_the_square_of_the_wind():
    def at(density, wind):
        terms = constant("air_density", density), constant("wind", wind, where=("x",))
        return drag(*terms)

    np.testing.assert_allclose(at(2.4, 5.0), 2.0 * at(1.2, 5.0), rtol=1e-12)
    np.testing.assert_allclose(at(1.2, 10.0), 4.0 * at(1.2, 5.0), rtol=1e-12)
