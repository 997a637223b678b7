"""Pictures of one simulation of a batch, as arrays of pixels."""

from __future__ import annotations

import atexit
import weakref

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.batch_env import BatchEnv

Frame = NDArray[np.uint8]

TRACKING_CAMERA = "track"
"""Camera that is taken where a model has one of this name; Gymnasium's models have."""
TARGET_RADIUS_M = 0.015
TARGET_COLOUR = (0.13, 0.63, 0.35, 0.8)


class Pictures:
    """Renders without a screen; needs OpenGL through EGL or OSMesa."""

    def __init__(self, env: BatchEnv, width: int = 480, height: int = 360) -> None:
        """Open a renderer.

        Args:
            env: the simulations.
            width: width of a picture [pixels].
            height: height of a picture [pixels].

        Raises:
            ConfigError: there is no OpenGL to draw with.
        """
        self._env = env
        self._batch = env.task.simulation.batch
        self._model = self._batch.get_model(0)
        self._data = mujoco.MjData(self._model)
        try:
            self._renderer = mujoco.Renderer(self._model, height, width)
        except (RuntimeError, AttributeError, ImportError, mujoco.FatalError) as error:
            raise ConfigError(
                f"no picture can be rendered ({error}); set MUJOCO_GL=egl, or osmesa, before "
                "Python starts"
            ) from None
        self._close = weakref.finalize(self, self._renderer.close)
        # what is registered last goes first: at the interpreter's end, while OpenGL is still there
        atexit.register(self._close)
        for flag in ("SHADOW", "REFLECTION", "SKYBOX", "HAZE", "FOG"):
            # software rendering is six times as fast without these
            self._renderer.scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
        self._camera = mujoco.MjvCamera()
        mujoco.mjv_defaultFreeCamera(self._model, self._camera)
        tracking = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, TRACKING_CAMERA)
        if tracking >= 0:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._camera.fixedcamid = tracking

    def take(self, sim: int) -> Frame:
        """Return a picture of one simulation, (height, width, 3), with the values drawn for it."""
        self._batch.get_model(sim, self._model)
        self._batch.get_data(sim, self._data)
        mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, self._camera)
        target = self._env.target_position[sim]
        if np.isfinite(target).all():
            self._mark(target)
        frame: Frame = self._renderer.render()
        return frame

    def close(self) -> None:
        """Free the renderer; a second time does nothing."""
        atexit.unregister(self._close)
        self._close()

    def _mark(self, centre: NDArray[np.float64]) -> None:
        scene = self._renderer.scene
        scene.ngeom += 1
        mujoco.mjv_initGeom(
            scene.geoms[scene.ngeom - 1],
            mujoco.mjtGeom.mjGEOM_SPHERE,
            np.full(3, TARGET_RADIUS_M),
            centre,
            np.eye(3).ravel(),
            np.array(TARGET_COLOUR, dtype=np.float32),
        )
