"""Models from recordings, in which recorded states can be shown again."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.robots import RobotConfig, model_path
from trirl_robot.sim.scene import scene_spec

_MESHES = (".stl", ".obj", ".msh", ".png")


def recorded_model(model_xml: str, robot: RobotConfig) -> mujoco.MjModel:
    """Compile the model of a recording.

    Args:
        model_xml: the scene as recorded; it names mesh files without their folder.
        robot: the robot, whose model's folder holds those files, or whose URDF file names them.
    """
    folder = model_path(robot).parent
    files = [path for path in folder.rglob("*") if path.suffix.lower() in _MESHES]
    assets = {path.name: path.read_bytes() for path in files} | (scene_spec(robot).assets or {})
    return mujoco.MjModel.from_xml_string(model_xml, assets=assets)


def set_recorded_state(
    model: mujoco.MjModel, data: mujoco.MjData, state: NDArray[np.float64]
) -> None:
    """Put a recorded state [time, qpos, qvel], shape (1 + nq + nv,), into `data`."""
    data.time = state[0]
    data.qpos[:] = state[1 : 1 + model.nq]
    data.qvel[:] = state[1 + model.nq :]
    mujoco.mj_forward(model, data)
