"""The process that `video.render` starts: reads footage.npz, writes video.mp4 and strip.png."""

from __future__ import annotations

import io
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trirl_robot.evaluation.staging import dress, plain_renderer
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX, scene_spec

Array = NDArray[np.float64]
Frame = NDArray[np.uint8]

TRAIL_SECONDS = 0.8
"""Length of the trail behind the end effector [s]."""
TOWARDS = (0.95, 0.45, 0.10)
"""Colour of the target while the end effector is away from it."""
REACHED = (0.13, 0.63, 0.35)
"""Colour of the target while the end effector is there."""
TRAIL = (0.16, 0.42, 0.85)
"""Colour of the trail."""


class Stage:
    """The scene with the arm, the target and the trail of the end effector."""

    def __init__(self, footage: Any) -> None:
        robot = load_robot(str(footage["robot"]))
        spec = scene_spec(robot)
        dress(spec)
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site(PREFIX + robot.end_effector_site).id
        self._radius = float(footage["success_radius_m"])
        size = int(footage["height"]), int(footage["width"])
        self._renderer = plain_renderer(self._model, *size)
        self._camera = mujoco.MjvCamera()
        # from the front right, high enough to keep the horizon out of the picture
        self._camera.lookat[:] = (0.19, 0.0, 0.17)
        self._camera.distance = 0.86
        self._camera.azimuth = 142
        self._camera.elevation = -28

    def frame(self, qpos: Array, target: Array, trail: deque[Array]) -> Frame:
        """Render one frame, shape (height, width, 3); appends the end effector to `trail`."""
        self._data.qpos[:] = qpos
        mujoco.mj_forward(self._model, self._data)
        tip = self._data.site_xpos[self._site].copy()
        trail.append(tip)
        self._renderer.update_scene(self._data, self._camera)
        reached = float(np.linalg.norm(tip - target)) < self._radius
        colour = REACHED if reached else TOWARDS
        self._spot(tip, 0.02, 0.18)
        self._spot(target, self._radius, 0.3)
        self._line(target * (1, 1, 0), target, 0.0016, (*colour, 0.5))
        self._ball(target, self._radius, (*colour, 0.35))
        self._ball(target, 0.007, (*colour, 1.0))
        for i, (start, end) in enumerate(zip(trail, list(trail)[1:], strict=False)):
            self._line(start, end, 0.0025, (*TRAIL, 0.15 + 0.6 * i / len(trail)))
        pixels: Frame = self._renderer.render()
        return pixels

    def _ball(self, centre: Array, radius: float, colour: tuple[float, ...]) -> None:
        geom = self._next_geom()
        sphere = mujoco.mjtGeom.mjGEOM_SPHERE
        size = np.full(3, radius)
        mujoco.mjv_initGeom(
            geom, sphere, size, centre, np.eye(3).ravel(), np.array(colour, dtype=np.float32)
        )

    def _spot(self, above: Array, radius: float, darkness: float) -> None:
        """Draw the shadow of a point on the floor, which says how far away and how high it is."""
        geom = self._next_geom()
        cylinder = mujoco.mjtGeom.mjGEOM_CYLINDER
        size, centre = np.array([radius, 0.0005, 0.0]), above * (1, 1, 0)
        colour = np.array((0, 0, 0, darkness), dtype=np.float32)
        mujoco.mjv_initGeom(geom, cylinder, size, centre, np.eye(3).ravel(), colour)

    def _line(self, start: Array, end: Array, width: float, colour: tuple[float, ...]) -> None:
        geom = self._next_geom()
        capsule = mujoco.mjtGeom.mjGEOM_CAPSULE
        place = np.zeros(3), np.zeros(3), np.eye(3).ravel()
        mujoco.mjv_initGeom(geom, capsule, *place, np.array(colour, dtype=np.float32))
        mujoco.mjv_connector(geom, capsule, width, start, end)

    def _next_geom(self) -> Any:
        scene = self._renderer.scene
        scene.ngeom += 1
        return scene.geoms[scene.ngeom - 1]


def sample_times(samples: int, rate_hz: float, frames_per_second: float) -> NDArray[np.intp]:
    """Return the samples to show, shape (frames,)."""
    frames = max(1, round(samples / rate_hz * frames_per_second))
    times: NDArray[np.intp] = np.linspace(0, samples - 1, frames).round().astype(np.intp)
    return times


def affordable_rate(wanted: float, seconds_per_frame: float, duration: float, left: float) -> float:
    """Return the greatest frame rate up to `wanted` that `left` seconds of rendering pay for."""
    return min(wanted, max(1.0, left / max(seconds_per_frame * duration, 1e-9)))


def _frames(stage: Stage, footage: Any, rate: float) -> Iterator[Frame]:
    qpos, target = footage["qpos"], footage["target_position"]
    trail: deque[Array] = deque(maxlen=max(2, round(TRAIL_SECONDS * rate)))
    last = target[0]
    for i in sample_times(len(qpos), float(footage["rate_hz"]), rate):
        if np.linalg.norm(target[i] - last) > 1e-6:
            trail.clear()
        last = target[i]
        yield stage.frame(qpos[i], target[i], trail)


def _strip(frames: list[Frame], count: int) -> bytes:
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, count).round().astype(int)]
    height, width = chosen[0].shape[0] // 2, chosen[0].shape[1] // 2
    strip = Image.new("RGB", (count * (width + 4) - 4, height), "white")
    for i, frame in enumerate(chosen):
        strip.paste(Image.fromarray(frame).resize((width, height)), (i * (width + 4), 0))
    buffer = io.BytesIO()
    strip.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _encode(frames: list[Frame], path: Path, rate: float) -> None:
    height, width, _ = frames[0].shape
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=rate,
        codec="libx264",
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-crf", "26", "-preset", "veryfast", "-movflags", "+faststart"],
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()


def main(folder: Path) -> None:
    """Render what lies in `folder`."""
    footage = dict(np.load(folder / "footage.npz"))
    stage = Stage(footage)
    first = footage["qpos"][0], footage["target_position"][0]
    stage.frame(*first, deque())  # the first frame uploads the meshes
    started = time.perf_counter()
    stage.frame(*first, deque())
    seconds = time.perf_counter() - started
    rate = affordable_rate(
        float(footage["frames_per_second"]),
        seconds,
        len(footage["qpos"]) / float(footage["rate_hz"]),
        float(footage["budget_s"]),
    )
    frames = list(_frames(stage, footage, rate))
    (folder / "strip.png").write_bytes(_strip(frames, int(footage["strip_frames"])))
    _encode(frames, folder / "video.mp4", rate)
    (folder / "rate.txt").write_text(f"{rate!r}", encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
