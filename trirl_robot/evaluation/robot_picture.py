"""A picture of a robot: the arm at home from two sides, and what its end effector reaches."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray

from trirl_robot.evaluation.video import BACKENDS
from trirl_robot.files import replaced_atomically
from trirl_robot.own_process import python_command, python_environment

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

logger = logging.getLogger(__name__)

VIEW_PIXELS = (600, 760)
"""Height and width of a rendered view."""
DIRECTIONS = ((142.0, -18.0), (90.0, -6.0))
"""Azimuth and elevation of each view [degrees]: from the front right, and from the right."""
VIEW_SECONDS = 60.0
"""What rendering may take with one renderer [s]."""

FREE, BLOCKED = "#2f6fd6", "#b9bcc2"
TIP, BASE, TABLE, QUIET = "#d9622b", "#1b1d21", "#8c8f96", "#55585e"

_STYLE = {
    "font.size": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e5e8",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class RobotPicture:
    """What is shown."""

    robot: str
    """Robot, by built-in name or file."""
    title: str
    """Heading."""
    subtitle: str
    """Line below it."""
    qpos: Array
    """Home pose of the scene, (nq,)."""
    points: Array
    """End effector in the sampled poses, base frame, (poses, 3), m."""
    blocked: Mask
    """Whether the robot touches itself or the table there, (poses,)."""
    home: Array
    """End effector in the home pose, (3,), m."""


def write_picture(picture: RobotPicture, path: Path) -> bool:
    """Write a PNG file; return whether the arm could be rendered, too.

    Args:
        picture: what to show.
        path: the file.
    """
    with tempfile.TemporaryDirectory(prefix="trirl-robot-") as folder:
        views = render_views(picture, Path(folder))
        with matplotlib.rc_context(_STYLE):
            figure = _draw(picture, [imread(view) for view in views])
            with replaced_atomically(path) as temporary:
                FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=100)
    return bool(views)


def render_views(picture: RobotPicture, folder: Path) -> list[Path]:
    """Render the arm in a process of its own, which may lack a renderer or crash.

    Args:
        picture: what to show.
        folder: where the views are written.

    Returns:
        The files, or none where no renderer works.
    """
    height, width = VIEW_PIXELS
    np.savez(
        folder / "robot.npz",
        robot=picture.robot,
        qpos=picture.qpos,
        directions=np.array(DIRECTIONS),
        height=height,
        width=width,
    )
    for backend in BACKENDS:
        try:
            ended = subprocess.run(
                python_command("-m", "trirl_robot.evaluation.robot_picture_worker", str(folder)),
                env=python_environment(MUJOCO_GL=backend),
                capture_output=True,
                text=True,
                timeout=VIEW_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            logger.warning("no view with MUJOCO_GL=%s within %.0f s", backend, VIEW_SECONDS)
            continue
        if ended.returncode == 0:
            return sorted(folder.glob("view_*.png"))
        lines = ended.stderr.strip().splitlines()
        logger.warning("no view with MUJOCO_GL=%s: %s", backend, lines[-1] if lines else "")
    return []


def _draw(picture: RobotPicture, views: list[Array]) -> Figure:
    figure = Figure(figsize=(12.0, 10.4 if views else 6.0), layout="constrained")
    figure.suptitle(picture.title, fontsize=17, fontweight="bold", x=0.02, ha="left")
    figure.text(0.985, 0.985, picture.subtitle, color=QUIET, ha="right", va="top")
    rows = figure.add_gridspec(2 if views else 1, 2, height_ratios=[1.0, 1.0] if views else [1.0])
    for i, view in enumerate(views):
        axes = figure.add_subplot(rows[0, i])
        axes.imshow(view)
        axes.set_axis_off()
        axes.set_title(("Home pose", "Home pose from the right")[i], loc="left", fontsize=12)
    side = figure.add_subplot(rows[-1, 0])
    _cloud(side, picture, (0, 2), "Workspace from the right", ("x [m], to the front", "z [m], up"))
    side.axhline(0.0, color=TABLE, linewidth=1.4)
    top = figure.add_subplot(rows[-1, 1])
    _cloud(top, picture, (0, 1), "Workspace from above", ("x [m], to the front", "y [m], left"))
    handles, labels = side.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower right", ncols=4)
    for line in legend.get_lines():
        line.set(markersize=8, alpha=1.0)
    return figure


def _cloud(
    axes: Axes, picture: RobotPicture, plane: tuple[int, int], title: str, names: tuple[str, str]
) -> None:
    """Draw the end effector's places as seen along one axis."""
    for mask, colour, label in (
        (picture.blocked, BLOCKED, "touches itself or the table"),
        (~picture.blocked, FREE, "end effector, free"),
    ):
        points = picture.points[mask][:, plane]
        axes.plot(*points.T, ".", color=colour, markersize=2.4, alpha=0.6, label=label)
    axes.plot(0.0, 0.0, "s", color=BASE, markersize=7, label="base")
    home = picture.home[list(plane)]
    axes.plot(*home, "o", color=TIP, markersize=8, markeredgecolor="white", label="home")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title, loc="left", fontsize=12)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
