"""Video of a logged motion, rendered without a screen in a process of its own.

A renderer may be missing, crash or be very slow (software on a busy machine): the work is done by
`video_worker` under a time limit, first with EGL and then with OSMesa.
"""

from __future__ import annotations

import logging
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.own_process import python_command, python_environment

Array = NDArray[np.float64]

logger = logging.getLogger(__name__)

BACKENDS = ("egl", "osmesa")
"""Values of MUJOCO_GL that need no screen, best first."""
START_SECONDS = 40.0
"""What a worker may need beyond its budget on a busy machine: imports, compiling, encoding [s]."""


@dataclass(frozen=True, kw_only=True)
class Footage:
    """A motion of a robot's scene, T samples at a fixed rate."""

    robot: str
    """Robot, by built-in name or file."""
    qpos: Array
    """Generalised positions of the scene (see `trirl_robot.sim.scene`), shape (T, nq)."""
    target_position: Array
    """Targets in the base frame, shape (T, 3), m."""
    rate_hz: float
    """Samples a second [Hz]."""
    success_radius_m: float = 0.02
    """Radius of the ball that the end effector must be in [m]."""

    def __post_init__(self) -> None:
        """Check shapes."""
        samples = len(self.qpos)
        if self.qpos.ndim != 2 or samples == 0 or self.target_position.shape != (samples, 3):
            raise ConfigError(
                f"footage has qpos of shape {self.qpos.shape} and targets of shape "
                f"{self.target_position.shape}; expected (T, nq) and (T, 3) with T >= 1"
            )


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Size and cost of a video."""

    width: int = 480
    """Width of a frame [pixels], even."""
    height: int = 360
    """Height of a frame [pixels], even."""
    frames_per_second: float = 12.0
    """Frame rate that is aimed at [Hz]; lowered when rendering is too slow for the budget."""
    budget_s: float = 20.0
    """Time for rendering [s]."""
    strip_frames: int = 6
    """Frames in the strip."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """A rendered motion."""

    mp4: bytes
    """The video, H.264."""
    strip_png: bytes
    """A few frames side by side."""
    backend: str
    """Renderer that worked."""
    frames_per_second: float
    """Frame rate that the budget allowed [Hz]."""


def render(footage: Footage, options: VideoOptions | None = None) -> Video | None:
    """Render a motion, or return None and log why when no renderer works here.

    Args:
        footage: what to show.
        options: size and time budget.
    """
    options = options or VideoOptions()
    for backend in BACKENDS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="trirl-video-") as folder:
            problem = _run_worker(Path(folder), backend, footage, options)
            if problem is None:
                logger.info("rendered with %s in %.1f s", backend, time.monotonic() - started)
                return _collect(Path(folder), backend)
        logger.warning("no video with MUJOCO_GL=%s: %s", backend, problem)
    logger.warning(
        "no renderer works, so there is no video; run: apt-get install libegl1 libgl1-mesa-dri "
        "libosmesa6"
    )
    return None


def _run_worker(folder: Path, backend: str, footage: Footage, options: VideoOptions) -> str | None:
    """Render into `folder`; return what went wrong, or None."""
    np.savez(
        folder / "footage.npz",
        robot=footage.robot,
        qpos=footage.qpos,
        target_position=footage.target_position,
        rate_hz=footage.rate_hz,
        success_radius_m=footage.success_radius_m,
        width=options.width,
        height=options.height,
        frames_per_second=options.frames_per_second,
        budget_s=options.budget_s,
        strip_frames=options.strip_frames,
    )
    try:
        ended = subprocess.run(
            python_command("-m", "trirl_robot.evaluation.video_worker", str(folder)),
            env=python_environment(MUJOCO_GL=backend),
            capture_output=True,
            text=True,
            timeout=2 * options.budget_s + START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return f"not done after {error.timeout:.0f} s"
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        return lines[-1] if lines else f"the renderer ended with status {ended.returncode}"
    return None


def _collect(folder: Path, backend: str) -> Video:
    return Video(
        mp4=(folder / "video.mp4").read_bytes(),
        strip_png=(folder / "strip.png").read_bytes(),
        backend=backend,
        frames_per_second=float((folder / "rate.txt").read_text(encoding="ascii")),
    )
