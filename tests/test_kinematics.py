import importlib.util

import numpy as np
import pytest

from trirl_robot.contract import JointScrew, Kinematics
from trirl_robot.errors import ContractError
from trirl_robot.kinematics import ForwardKinematics

mujoco = pytest.importorskip("mujoco")

CHAIN = """
<mujoco><compiler angle="radian"/><worldbody>
 <body pos="0.1 -0.2 0.3" euler="0.4 0.1 -0.7">
  <joint name="a" type="hinge" axis="0.2 0.9 -0.3" pos="0.02 0.01 0"/><geom size="0.01"/>
  <body pos="0.2 0.05 0.1" euler="-1.1 0.3 0.2">
   <joint name="b" type="slide" axis="1 0.5 0.2"/><geom size="0.01"/>
   <body pos="0.1 0.1 0.2" euler="0.3 0.2 1.5">
    <joint name="c" type="hinge" axis="0 0 1" pos="0 0.03 0"/><geom size="0.01"/>
    <body pos="0 0.15 0.02"><joint name="d" type="hinge" axis="1 1 0"/><geom size="0.01"/>
     <site name="tip" pos="0.05 0.02 0.12"/>
    </body></body></body></body>
</worldbody></mujoco>
"""
NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def chain():
    model = mujoco.MjModel.from_xml_string(CHAIN)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    kinds = {int(mujoco.mjtJoint.mjJNT_HINGE): "hinge", int(mujoco.mjtJoint.mjJNT_SLIDE): "slide"}
    screws = tuple(
        JointScrew(
            joint=name,
            kind=kinds[int(model.jnt_type[i])],
            axis=tuple(data.xaxis[i]),
            anchor_m=tuple(data.xanchor[i]),
        )
        for i, name in enumerate(NAMES)
    )
    return model, data, Kinematics(screws=screws, end_effector_m=tuple(data.site("tip").xpos))


def test_hinges_and_a_slide_agree_with_mujoco(chain):
    model, data, kinematics = chain
    positions = np.random.default_rng(0).uniform(-3, 3, (200, 4))
    order = (2, 0, 3, 1)  # joint vectors need not be in the order of the chain
    solver = ForwardKinematics(kinematics, tuple(NAMES[i] for i in order))
    computed = solver.end_effector_position(positions[:, order])
    for row, point in zip(positions, computed, strict=True):
        data.qpos[:] = row
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(point, data.site("tip").xpos, atol=1e-12)


def test_one_configuration_and_a_nested_batch_have_the_right_shape(chain):
    solver = ForwardKinematics(chain[2], NAMES)
    positions = np.random.default_rng(1).uniform(-3, 3, (2, 3, 4))
    nested = solver.end_effector_position(positions)
    assert nested.shape == (2, 3, 3)
    single = solver.end_effector_position(positions[1, 2])
    np.testing.assert_allclose(single, nested[1, 2], atol=1e-14)


def test_a_chain_with_an_unknown_joint_is_refused(chain):
    with pytest.raises(ContractError, match=r"contract lacks: \['b'\]"):
        ForwardKinematics(chain[2], ("a", "c", "d"))


@pytest.mark.skipif(
    importlib.util.find_spec("trirl_robot.sim.env") is None, reason="no simulation layer"
)
def test_the_contract_of_the_so101_agrees_with_its_simulation():
    from trirl_robot.sim.env import make_env

    env = make_env("so101-reach", num_envs=32, randomisation="none", seed=0)
    solver = ForwardKinematics(env.contract.kinematics, env.contract.joint_names)
    low = np.array([limit.position_min for limit in env.contract.limits])
    high = np.array([limit.position_max for limit in env.contract.limits])
    positions = np.random.default_rng(2).uniform(low, high, (32, len(low)))
    env.reset()
    env.task.arm.reset(np.arange(32), positions)
    env.task.arm.begin_measuring(np.arange(32))
    np.testing.assert_allclose(
        solver.end_effector_position(positions), env.task.arm.end_effector_position, atol=1e-9
    )


def test_a_row_does_not_depend_on_the_others(chain):
    solver = ForwardKinematics(chain[2], NAMES)
    rows = np.random.default_rng(0).uniform(-3.2, 3.2, (67, 4))
    together = solver.end_effector_position(rows)
    for count in (1, 2, 3, 7, 16, 33):
        apart = solver.end_effector_position(rows[5 : 5 + count])
        np.testing.assert_array_equal(apart, together[5 : 5 + count])
