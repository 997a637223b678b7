"""The scene of the page: the simulation that is shown, its target and its end effector's trail."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
import viser
from mjviser import ViserMujocoScene
from mjviser.conversions import get_body_name, is_fixed_body
from numpy.typing import NDArray

from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.view.meshes import display_model

Array = NDArray[np.float64]

TOWARDS = (242, 115, 26)
"""Colour of the target while the task is not fulfilled."""
REACHED = (33, 161, 89)
"""Colour of the target while it is."""
TRAIL = (41, 107, 217)
"""Colour of the trail."""
CAMERA = (1.6, -1.3, 1.0)
"""Where the camera stands at first, in radii of the scene from its middle."""

RENDERINGS = ("fast", "soft light", "shadows")
"""Ways of rendering; each takes about twice the time of the one before without a graphics card."""

VISUAL_GROUP, COLLISION_GROUP = 2, 3
"""Groups of geoms that are only seen, and that only collide, as robots' models have them."""

# what randomisation can change of what is seen
_SHAPE = ("geom_size", "geom_pos", "geom_quat", "geom_rgba", "site_pos", "site_quat")


class Stage:
    """Draws one simulation of a batch at a time, each with its own sizes and masses."""

    def __init__(self, server: viser.ViserServer, env: BatchEnv) -> None:
        """Put the first simulation's bodies, floor and lights on the page.

        Args:
            server: the page.
            env: the environments, after a reset.
        """
        self._server = server
        self._batch = env.task.simulation.batch
        model = env.task.simulation.model
        self._model = copy.copy(model)
        """The model of the simulation that is shown."""
        self._data = mujoco.MjData(model)
        self._load(0)
        self._shown = display_model(self._model)
        self.mujoco = ViserMujocoScene(server, self._shown, 1)
        """The bodies, which mjviser draws."""
        self._tracked = _travelling_body(model) if np.isnan(env.target_position[0]).any() else None
        self.mujoco.camera_tracking_enabled = self._tracked is not None
        middle, radius = _extent(self._model, self._data)
        self._cell = 0.1 if radius < 1.0 else 1.0
        self._draw_floors()
        eye = middle + radius * np.array(CAMERA)
        offset = self._offset()
        server.initial_camera.position = eye + offset
        server.initial_camera.look_at = middle + offset
        server.initial_camera.fov = np.deg2rad(50.0)
        self.render_as(RENDERINGS[1])
        self._overlay = server.scene.add_frame("/overlay", show_axes=False)
        self._add_target(0.02 * radius, getattr(env.task_config, "success_radius_m", 0.0))
        self._stem = server.scene.add_line_segments(
            "/overlay/target/stem", np.zeros((1, 2, 3)), TOWARDS, thickness=0.004 * radius
        )
        self.trail = server.scene.add_line_segments(
            "/overlay/trail", np.zeros((1, 2, 3)), TRAIL, thickness=0.01 * radius, visible=False
        )

    def draw(self, sim: int, target: Array, trail: Array, *, reached: bool) -> None:
        """Show a simulation as it is now.

        Args:
            sim: its number.
            target: its target, shape (3,), m; NaN for none.
            trail: where its end effector was, shape (n, 3), m; NaN for none.
            reached: the task is fulfilled.
        """
        self._load(sim)
        with self._server.atomic():
            if self._take_shape():
                self.mujoco.rebuild_visual_handles()
                self._draw_floors()
            self.mujoco.update_from_mjdata(self._data)
            self._overlay.position = self._offset()
            self._draw_target(target, reached)
            self._draw_trail(trail)

    def render_as(self, name: str) -> None:
        """Choose one of `RENDERINGS`."""
        scene = self._server.scene
        scene.configure_environment_map(None if name == "fast" else "warehouse")
        scene.configure_default_lights(cast_shadow=name == "shadows")

    def show_contacts(self, shown: bool) -> None:
        """Draw contact points and forces, or no more."""
        self.mujoco.show_contact_points = self.mujoco.show_contact_forces = shown

    def show_collisions(self, shown: bool) -> None:
        """Draw the shapes that collide instead of those made for the eye, or the other way."""
        groups = self.mujoco.geom_groups_visible
        groups[VISUAL_GROUP], groups[COLLISION_GROUP] = not shown, shown
        self.mujoco.rebuild_visual_handles()
        self._draw_floors()

    def _load(self, sim: int) -> None:
        self._batch.get_model(sim, self._model)
        self._batch.get_data(sim, self._data)
        mujoco.mj_forward(self._model, self._data)

    def _take_shape(self) -> bool:
        """Copy what is seen of the present model; return whether it differs from what is shown."""
        changed = False
        for name in _SHAPE:
            wanted, shown = getattr(self._model, name), getattr(self._shown, name)
            if not np.array_equal(wanted, shown):
                shown[:] = wanted
                changed = True
        return changed

    def _offset(self) -> Array:
        """Return the translation by which a travelling body is kept in the middle, shape (3,)."""
        return np.zeros(3) if self._tracked is None else -self._data.xpos[self._tracked]

    def _draw_floors(self) -> None:
        """Replace mjviser's grids, whose cells of 1 m are larger than an arm."""
        for geom in np.flatnonzero(self._shown.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
            body = self._shown.geom_bodyid[geom]
            if not is_fixed_body(self._shown, body):
                continue
            self._server.scene.add_grid(
                f"/fixed_bodies/{get_body_name(self._shown, body)}/{self._shown.geom(geom).name}",
                infinite_grid=True,
                cell_size=self._cell,
                section_size=10 * self._cell,
                cell_color=(214, 218, 224),
                section_color=(170, 176, 186),
                fade_distance=40 * self._cell,
                plane_color=(247, 248, 250),
                plane_opacity=1.0,
                shadow_opacity=0.3,
                position=self._shown.geom_pos[geom] - (0.0, 0.0, 1e-3),
                wxyz=self._shown.geom_quat[geom],
            )

    def _add_target(self, size: float, radius: float) -> None:
        scene = self._server.scene
        self.target = scene.add_icosphere(
            "/overlay/target", size, TOWARDS, subdivisions=2, cast_shadow=False, visible=False
        )
        self._around = scene.add_icosphere(
            "/overlay/target/around",
            max(radius, size),
            TOWARDS,
            subdivisions=2,
            opacity=0.3,
            cast_shadow=False,
        )

    def _draw_target(self, target: Array, reached: bool) -> None:
        known = bool(np.isfinite(target).all())
        self.target.visible = known
        if known:
            self.target.position = target
            self.target.color = self._around.color = REACHED if reached else TOWARDS
            # a line down to the floor says how far away and how high the target is
            self._stem.points = np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, -target[2]]]], np.float32)

    def _draw_trail(self, trail: Array) -> None:
        known = len(trail) > 1 and bool(np.isfinite(trail).all())
        self.trail.visible = known
        if known:
            self.trail.points = np.stack([trail[:-1], trail[1:]], axis=1).astype(np.float32)


def _travelling_body(model: mujoco.MjModel) -> int | None:
    """Return the first body that moves if nothing keeps it near its start, or None."""
    body = next((b for b in range(model.nbody) if not is_fixed_body(model, b)), None)
    joints = np.flatnonzero(model.jnt_bodyid == body)
    free = model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_FREE
    slides = model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_SLIDE
    far = free | (slides & ~model.jnt_limited[joints].astype(bool))
    return body if far.any() else None


def _extent(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[Array, float]:
    """Return middle, shape (3,), and radius of everything that is no floor, m."""
    solid = model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE
    centre, radius = data.geom_xpos[solid], model.geom_rbound[solid, None]
    low, high = (centre - radius).min(axis=0), (centre + radius).max(axis=0)
    return (low + high) / 2, float(np.linalg.norm(high - low)) / 2
