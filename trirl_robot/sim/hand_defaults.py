"""Where the fingers of a hand are and how it points, derived from the model alone."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.robot_body import HandConfig

Array = NDArray[np.float64]
Triple = tuple[float, float, float]


def between_fingers(model: mujoco.MjModel, hand: int, home: Array) -> Triple:
    """Return the centre of the tips of what moves on a hand, in its frame, m; 0 without any.

    Args:
        model: the robot's model as it came.
        hand: the body.
        home: home pose, (nq,).
    """
    data = _at(model, home)
    tips = _tips(model, data, hand)
    if not len(tips):
        return (0.0, 0.0, 0.0)
    return _triple(_turn(data.xmat[hand]) @ (tips.mean(axis=0) - data.xpos[hand]), 4)


def derived_hand(
    model: mujoco.MjModel, hand: int, home: Array, site: str | None
) -> HandConfig | None:
    """Return how a hand of two or three fingers points; None for anything else.

    Args:
        model: the robot's model as it came.
        hand: the body of the end effector.
        home: home pose, (nq,).
        site: the end effector, if it is a site.
    """
    data = _at(model, home)
    tips = _tips(model, data, hand)
    if len(tips) not in (2, 3):
        return None
    turn = _turn(data.site(site).xmat if site else data.xmat[hand])
    approach = tips.mean(axis=0) - data.xpos[hand]
    length = float(np.linalg.norm(approach))
    # by their middles: outermost parts, such as the pads of a fingertip, may lie aside
    middles = data.xipos[_fingers(model, hand)]
    opening = middles[0] - middles[1:].mean(axis=0)
    if length < 1e-6:
        return None
    approach = approach / length
    opening = opening - (opening @ approach) * approach
    width = float(np.linalg.norm(opening))
    if width < 1e-6:
        return None
    return HandConfig(
        approach=_triple(turn @ approach, 6), opening=_triple(turn @ opening / width, 6)
    )


def _at(model: mujoco.MjModel, home: Array) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = home
    mujoco.mj_kinematics(model, data)
    return data


def _tips(model: mujoco.MjModel, data: mujoco.MjData, hand: int) -> Array:
    """Return the outermost part of each body that moves on the hand, (fingers, 3), m."""
    tips = []
    for finger in _fingers(model, hand):
        first, count = int(model.body_geomadr[finger]), int(model.body_geomnum[finger])
        parts = [data.xipos[finger], *data.geom_xpos[first : first + count]]
        tips.append(max(parts, key=lambda p: float(np.linalg.norm(p - data.xpos[hand]))))
    return np.array(tips).reshape(-1, 3)


def _fingers(model: mujoco.MjModel, hand: int) -> list[int]:
    """Return the bodies that move on a hand."""
    return [
        i for i in range(model.nbody) if model.body_parentid[i] == hand and model.body_dofnum[i]
    ]


def _turn(matrix: Array) -> Array:
    """Return what turns world vectors into a frame's, from the frame's `xmat`."""
    return np.asarray(matrix).reshape(3, 3).T


def _triple(values: Array, digits: int) -> Triple:
    x, y, z = (round(float(v), digits) + 0.0 for v in values)
    return (x, y, z)
