"""What the views for Gymnasium share: spaces, and what is told beside the observation."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.sim.batch_env import BatchEnv

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

LARGEST = float(mujoco.mjMAXVAL)
"""Bound of every observed number: no sensor has one that is sure, and MuJoCo takes a simulation
whose numbers are beyond this for diverged. Gymnasium's checker wants bounds that are finite."""


def observation_space(contract: PolicyContract) -> Space[Any]:
    """Return the space of one observation."""
    return Box(-LARGEST, LARGEST, (contract.observation_size,), np.float64)


def action_space(contract: PolicyContract) -> Space[Any]:
    """Return the space of one action."""
    return Box(-1.0, 1.0, (contract.action_size,), np.float32)


def metadata(contract: PolicyContract) -> dict[str, Any]:
    """Return what Gymnasium wants to know of a class: it differs by task."""
    return {"render_modes": ["rgb_array"], "render_fps": round(contract.control_rate_hz)}


class Details:
    """What `info` holds, as arrays of all environments.

    `is_success`: whether the task is fulfilled at this moment, after each step; by this name
    Gymnasium-Robotics and Stable-Baselines3 know it. `distance`: how far from fulfilled it is, in
    m, where the task measures that. `dynamics`: what was drawn for the episode, at its start, in
    the order of `names`; left out where nothing is drawn.
    """

    def __init__(self, env: BatchEnv) -> None:
        self._env = env
        self.names = env.task.randomiser.names
        self._measured = bool(np.isfinite(env.distance()).all())

    def of_state(self) -> dict[str, Array]:
        """Return what is known of every state, (N,) each; new arrays."""
        return {"distance": self._env.distance().copy()} if self._measured else {}

    def of_start(self, ids: Ids) -> dict[str, Array]:
        """Return what is known of new episodes alone, (n, ...) each; new arrays."""
        return {"dynamics": self._env.task.randomiser.values(ids)} if self.names else {}
