"""The batch itself: what the engine warns of, and what it leaves alone."""

import logging

import mujoco
import numpy as np
import pytest

from trirl_robot.sim.simulation import Simulation

BALL = "<mujoco><worldbody><body><freejoint/><geom size='0.1'/></body></worldbody></mujoco>"


@pytest.fixture
def balls():
    return Simulation(mujoco.MjModel.from_xml_string(BALL), 3, nthread=1)


def test_every_divergence_is_seen_also_one_right_after_another(balls):
    for _ in range(3):
        balls.qvel[1, 0] = np.nan
        assert balls.advance(2).tolist() == [False, True, False]
    assert not balls.advance(2).any()


def test_motion_is_positions_and_velocities_side_by_side(balls):
    balls.qpos[:], balls.qvel[:] = np.arange(21.0).reshape(3, 7), -np.arange(18.0).reshape(3, 6)
    np.testing.assert_array_equal(balls.motion, np.hstack([balls.qpos, balls.qvel]))


def test_the_engine_speaks_again_to_others(balls):
    before = mujoco.MjLogConfig.get()
    balls.qvel[1, 0] = np.nan
    balls.advance(1)
    after = mujoco.MjLogConfig.get()
    assert (after.logto_console, after.logto_file) == (before.logto_console, before.logto_file)


def test_a_full_buffer_is_reported_once_by_name(caplog):
    heap = "".join(
        f"<body pos='{0.01 * i} 0 0.05'><freejoint/><geom size='0.1'/></body>" for i in range(12)
    )
    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><size memory='60K'/><worldbody><geom type='plane' size='1 1 1'/>{heap}"
        "</worldbody></mujoco>"
    )
    simulation = Simulation(model, 2, nthread=1)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            simulation.advance(1)
    full = [r for r in caplog.messages if "CNSTRFULL" in r or "CONTACTFULL" in r]
    assert 1 <= len(full) <= 2
    assert len(full) == len({m.split()[3] for m in full})
