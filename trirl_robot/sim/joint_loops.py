"""Loops over the joints of many arms: what they are sent, and what is read of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]


@compiled
def read_joints(
    qpos: Array,
    qvel: Array,
    ids: Ids,
    qpos_index: Ids,
    dof_index: Ids,
    encoder_bias: Array,
    signals: Array,
) -> None:
    """Write what encoders show of joints, and their velocities, into `signals` (n, signals)."""
    joints = qpos_index.shape[0]
    for row, i in enumerate(ids):
        for j in range(joints):
            signals[row, j] = qpos[i, qpos_index[j]] + encoder_bias[i, j]
            signals[row, joints + j] = qvel[i, dof_index[j]]


@compiled
def collect_poses(qpos: Array, qpos_index: Ids, measured: Array, ids: Ids, poses: Array) -> None:
    """Write positions of the arm's joints, true and measured, into `poses` (2, n, joints)."""
    for row, i in enumerate(ids):
        for j in range(qpos_index.shape[0]):
            poses[0, row, j] = qpos[i, qpos_index[j]]
            poses[1, row, j] = measured[i, j]


@compiled
def write_controls(
    position: Array,
    velocity: Array,
    encoder_bias: Array,
    source: Ids,
    takes_velocity: Mask,
    ratio: Array,
    control_index: Ids,
    ctrl: Array,
) -> None:
    """Write commands, (N, joints), into `ctrl`; the other arrays are named as in `Wiring`."""
    for i in range(position.shape[0]):
        for a in range(source.shape[0]):
            joint = source[a]
            # the servo regulates what its encoder shows
            command = position[i, joint] - encoder_bias[i, joint]
            if takes_velocity[a]:
                command = velocity[i, joint]
            ctrl[i, control_index[a]] = command * ratio[a]
