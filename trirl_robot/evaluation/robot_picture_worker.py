"""The process that `robot_picture.render_views` starts: robot.npz to view_0.png and view_1.png."""

from __future__ import annotations

import sys
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trirl_robot.evaluation.staging import dress, plain_renderer
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX, scene_spec

Array = NDArray[np.float64]

SMOOTHING = 2
"""Pixels rendered for each pixel shown, along each side."""
CLOSENESS = 0.82
"""Distance of the camera, as a share of that from which a ball around the robot fills the view."""
SKY = (0.93, 0.94, 0.95)
END_EFFECTOR = (0.85, 0.38, 0.17, 1.0)
"""Colour of the ball at the end effector."""


def main(folder: Path) -> None:
    """Render what lies in `folder`."""
    wanted = np.load(folder / "robot.npz")
    robot = load_robot(str(wanted["robot"]))
    spec = scene_spec(robot)
    dress(spec)
    _light(spec)
    height, width = (SMOOTHING * int(wanted[name]) for name in ("height", "width"))
    spec.visual.global_.offheight = height
    spec.visual.global_.offwidth = width
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = wanted["qpos"]
    mujoco.mj_forward(model, data)
    tip = data.site(PREFIX + robot.end_effector_site).xpos.copy()
    centre, radius = _extent(model, data)
    with plain_renderer(model, height, width) as renderer:
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_SKYBOX):
            renderer.scene.flags[flag] = 1
        for i, (azimuth, elevation) in enumerate(wanted["directions"]):
            camera = mujoco.MjvCamera()
            camera.lookat[:] = centre
            camera.azimuth, camera.elevation = azimuth, elevation
            camera.distance = CLOSENESS * radius / np.sin(np.radians(0.5 * model.vis.global_.fovy))
            renderer.update_scene(data, camera)
            _mark(renderer.scene, tip, 0.02 * radius)
            frame = Image.fromarray(renderer.render())
            size = width // SMOOTHING, height // SMOOTHING
            frame.resize(size, Image.Resampling.LANCZOS).save(folder / f"view_{i}.png")


def _light(spec: mujoco.MjSpec) -> None:
    """Put a bright sky and a sun in place of the lamp, which leaves tall arms dark."""
    for lamp in list(spec.lights):
        spec.delete(lamp)
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[1.0, -1.4, 4.0],
        dir=[-0.25, 0.35, -1.0],
        diffuse=[0.45, 0.45, 0.45],
        specular=[0.1, 0.1, 0.1],
        castshadow=True,
    )
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=SKY,
        rgb2=SKY,
        width=64,
        height=64,
    )


def _extent(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[Array, float]:
    """Return centre and radius of the robot's parts that are drawn, m."""
    drawn = [
        i
        for i in range(model.ngeom)
        if model.geom_bodyid[i] and model.geom_group[i] < 3 and model.geom_rgba[i, 3] > 0.0
    ]
    places, sizes = data.geom_xpos[drawn], model.geom_rbound[drawn, None]
    low = np.minimum((places - sizes).min(axis=0), (0.0, 0.0, 0.0))
    high = np.maximum((places + sizes).max(axis=0), (0.0, 0.0, 0.0))
    low[2] = max(low[2], -0.02)
    return 0.5 * (low + high), 0.5 * float(np.linalg.norm(high - low))


def _mark(scene: mujoco.MjvScene, place: Array, radius: float) -> None:
    geom = scene.geoms[scene.ngeom]
    scene.ngeom += 1
    size = np.full(3, radius)
    colour = np.array(END_EFFECTOR, dtype=np.float32)
    mujoco.mjv_initGeom(geom, mujoco.mjtGeom.mjGEOM_SPHERE, size, place, np.eye(3).ravel(), colour)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
