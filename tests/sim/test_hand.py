"""What a robot's file says of its hand: boxes to collide with, and where it points."""

import dataclasses

import mujoco
import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.sim.robot_body import CollisionBoxConfig, CollisionConfig, HandConfig
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import robot_model


@pytest.fixture(scope="module")
def model():
    return robot_model(load_robot("so101"))


def test_boxes_stand_for_everything_else_that_their_bodies_collide_with(model):
    for body in ("gripper", "moving_jaw_so101_v1"):
        geoms = [
            model.geom(i) for i in range(model.ngeom) if model.body(body).id == model.geom_bodyid[i]
        ]
        colliding = {g.name for g in geoms if g.contype[0] or g.conaffinity[0]}
        boxes = {box.name for box in load_robot("so101").collision.boxes if box.body == body}
        assert colliding == boxes
        assert len(geoms) > len(boxes)


def test_boxes_weigh_nothing(model):
    plain = dataclasses.replace(load_robot("so101"), collision=CollisionConfig())
    np.testing.assert_allclose(model.body_mass, robot_model(plain).body_mass)


def test_jaws_of_the_so101_are_parallel_where_the_real_ones_are(model):
    data = mujoco.MjData(model)
    tips = [model.geom(name).id for name in ("fixed_jaw_tip", "moving_jaw_tip")]
    mujoco.mj_forward(model, data)
    # joint at 0: faces 15.8 mm apart, and the end effector is on that of the fixed jaw
    assert mujoco.mj_geomDistance(model, data, *tips, 1.0, None) == pytest.approx(0.0158, abs=1e-4)
    site = data.site("gripperframe")
    offset = site.xmat.reshape(3, 3).T @ (data.geom_xpos[tips[0]] - site.xpos)
    half = model.geom_size[tips[0]][0]
    assert offset[2] == pytest.approx(-half, abs=2e-4)


def test_a_box_on_an_unknown_body_is_refused():
    box = CollisionBoxConfig(
        name="tip", body="griper", centre_m=(0.0, 0.0, 0.0), half_size_m=(0.01, 0.01, 0.01)
    )
    robot = dataclasses.replace(load_robot("so101"), collision=CollisionConfig(boxes=(box,)))
    with pytest.raises(ConfigError, match=r"collision\.boxes: unknown body 'griper'.*'gripper'"):
        robot_model(robot)


def test_axes_that_are_not_perpendicular_are_refused():
    with pytest.raises(ConfigError, match="not perpendicular unit vectors"):
        HandConfig(approach=(0.0, 0.0, 1.0), opening=(0.0, 0.6, 0.8))
