"""A cube on the table, its target, and the contacts between them and a robot."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.scene import PREFIX
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp] | slice

CUBE = "cube"
"""Name of the cube's body, joint and geom."""
TARGET = "target"
"""Name of the target's mark, which nothing touches."""
NEARNESS_SCALE_M = 0.15
"""Distance over which the reward for coming nearer falls off [m]."""
FLOOR = "floor"
"""Name of the table's geom."""
ROBOT_TOUCH, FINGER_TOUCHES = "robot_touch", ("finger_touch", "opposite_touch")
"""Sensors of what touches the cube."""
SIGNALS = tuple(f"object_position.{axis}" for axis in "xyz") + tuple(
    f"object_orientation.{axis}" for axis in "wxyz"
)
"""What a camera with a marker measures of the cube."""


@dataclass(frozen=True, kw_only=True)
class ContactConfig:
    """How the cube's contacts are solved.

    Fingers grip by their own friction where that is greater, 1.0 in most models. On the table it
    must be lower: a finger and a table of friction one wedge a pushed cube fast.
    """

    sliding_friction: float = 0.3
    """Friction of the cube on the table."""
    spinning_friction_m: float = 0.005
    """Torsional friction, as the radius of the contact's patch [m]."""
    time_constant_s: float = 0.01
    """Time in which penetration is resolved [s]; at least twice the physics step."""
    impedance: tuple[float, float] = (0.95, 0.99)
    """Impedance at the surface, and deeper; low values let strong grippers sink into light things
    (MuJoCo's own, 0.9 and 0.95: by 3 mm)."""
    impedance_width_m: float = 0.001
    """Penetration over which impedance goes from the first to the second [m]."""
    friction_to_normal_impedance: float = 10.0
    """Ratio of impedances; with 1, and more so with pyramidal cones, a held cube creeps out of the
    grip."""

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        positive = ("sliding_friction", "spinning_friction_m", "time_constant_s")
        require(self, "more than 0", lambda v: v > 0.0, *positive, "impedance_width_m")
        require(self, "at least 1", lambda v: v >= 1.0, "friction_to_normal_impedance")
        require(
            self, "two rising numbers in (0, 1)", lambda v: 0.0 < v[0] <= v[1] < 1.0, "impedance"
        )


@dataclass(frozen=True, kw_only=True)
class CubeConfig:
    """The cube."""

    size_m: float = 0.03
    """Length of an edge [m]."""
    mass_kg: float = 0.03
    """Mass [kg]."""
    contacts: ContactConfig = field(default_factory=ContactConfig)
    """How its contacts are solved."""

    def __post_init__(self) -> None:
        """Refuse a cube of nothing."""
        require(self, "more than 0", lambda v: v > 0.0, "size_m", "mass_kg")


@dataclass(frozen=True, kw_only=True)
class RegionConfig:
    """A part of the table, about the robot's base."""

    radius_m: tuple[float, float]
    """Least and greatest distance from the base's axis [m]."""
    azimuth_rad: tuple[float, float]
    """Least and greatest direction, from straight ahead to the left [rad]."""

    def __post_init__(self) -> None:
        """Refuse an empty region."""
        require(self, "two rising distances", lambda v: 0.0 <= v[0] <= v[1], "radius_m")
        require(self, "two rising angles", lambda v: v[0] <= v[1], "azimuth_rad")

    def place(self, uniform: Array) -> Array:
        """Return places on the table for uniform draws from [0, 1), (..., 2) to (..., 2), m."""
        low, high = np.array([self.radius_m, self.azimuth_rad]).T
        radius, azimuth = np.moveaxis(low + (high - low) * uniform, -1, 0)
        return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth)], axis=-1)


def add_cube(spec: mujoco.MjSpec, cube: CubeConfig) -> None:
    """Put the cube on the table, and let contacts be solved as it wants."""
    contacts = cube.contacts
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = contacts.friction_to_normal_impedance
    friction = [contacts.sliding_friction, contacts.spinning_friction_m, 0.0001]
    # of two geoms the greater friction counts: the table's must not hide the cube's
    spec.geom(FLOOR).friction = friction
    body = spec.worldbody.add_body(name=CUBE, pos=[0.0, 0.0, 0.5 * cube.size_m])
    body.add_freejoint(name=CUBE)
    body.add_geom(
        name=CUBE,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.5 * cube.size_m] * 3,
        mass=cube.mass_kg,
        condim=4,
        friction=friction,
        solref=[contacts.time_constant_s, 1.0],
        solimp=[*contacts.impedance, contacts.impedance_width_m, 0.5, 2.0],
        solmix=1e6,  # its own settings, not the mean of two
        rgba=[0.85, 0.22, 0.15, 1.0],
    )


def add_target_mark(spec: mujoco.MjSpec, radius_m: float) -> None:
    """Add a disc for the eye, which is moved to each episode's target."""
    body = spec.worldbody.add_body(name=TARGET, mocap=True, pos=[0.0, 0.0, 0.0])
    body.add_geom(
        name=TARGET,
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[radius_m, 0.0005, 0.0],
        contype=0,
        conaffinity=0,
        rgba=[0.13, 0.63, 0.35, 1.0],
    )


def add_touches(spec: mujoco.MjSpec, robot: RobotConfig) -> None:
    """Add sensors of what touches the cube: the robot, and the two sides of its gripper."""
    tree = mujoco.mjtObj.mjOBJ_XBODY
    base = spec.joint(PREFIX + robot.joints[0]).parent
    _add_touch(spec, ROBOT_TOUCH, tree, base)
    if robot.gripper is None:
        return
    fingers = [spec.joint(PREFIX + name).parent for name in robot.gripper_joints]
    first, second = FINGER_TOUCHES
    _add_touch(spec, first, tree, fingers[0])
    if len(fingers) > 1:
        _add_touch(spec, second, tree, fingers[1])
    else:
        _add_touch(spec, second, mujoco.mjtObj.mjOBJ_BODY, fingers[0].parent)


def _add_touch(spec: mujoco.MjSpec, name: str, kind: mujoco.mjtObj, other: mujoco.MjsBody) -> None:
    """Count the contacts of the cube with a body (`mjOBJ_BODY`) or all that hangs on it too."""
    spec.add_sensor(
        name=name,
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=kind,
        objname=other.name,
        reftype=mujoco.mjtObj.mjOBJ_GEOM,
        refname=CUBE,
        intprm=[1, 0, 1],
    )


def read_pose(simulation: Simulation, rows: Rows) -> Array:
    """Return the cube's position [m] and orientation (quaternion wxyz), (n, 7)."""
    return np.asarray(simulation.qpos[rows, _pose(simulation)])


class Cube:
    """The cube's state in N simulations."""

    def __init__(self, simulation: Simulation, config: CubeConfig) -> None:
        self._simulation = simulation
        self.half_m = 0.5 * config.size_m
        self._pose = _pose(simulation)
        dof = int(simulation.model.joint(CUBE).dofadr[0])
        self._velocity = slice(dof, dof + 3)

    def put(self, ids: NDArray[np.intp], place: Array, yaw: Array) -> None:
        """Lay the cube at rest on the table.

        Args:
            ids: simulations.
            place: its centre in the plane, (n, 2), m.
            yaw: its rotation, (n,), rad.
        """
        pose = np.zeros((len(ids), 7))
        pose[:, :2], pose[:, 2] = place, self.half_m
        pose[:, 3], pose[:, 6] = np.cos(0.5 * yaw), np.sin(0.5 * yaw)
        self._simulation.qpos[ids, self._pose] = pose

    # quantities

    @property
    def position(self) -> Array:
        """Position of the centre, (N, 3), m."""
        return self._simulation.qpos[:, self._pose][:, :3]

    @property
    def speed(self) -> Array:
        """Speed of the centre, (N,), m/s."""
        return length(self._simulation.qvel[:, self._velocity])

    @property
    def upward(self) -> Array:
        """Upward components of its three axes, (N, 3): one is ±1 where it lies on a face."""
        w, x, y, z = self._simulation.qpos[:, self._pose].T[3:]
        return np.stack(
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)], axis=-1
        )

    @property
    def clearance(self) -> Array:
        """Height of its lowest corner above the table, (N,), m."""
        return np.asarray(_clearance(self._simulation.qpos[:, self._pose], self.half_m))


def nearness(distance: Array) -> Array:
    """Return 1 at no distance, falling to 0 over decimetres, (N,), for distances (N,), m."""
    return np.asarray(1.0 - np.tanh(distance / NEARNESS_SCALE_M))


def first_apart(place: Array, candidates: Array, least: float, greatest: float) -> Array:
    """Return for each place the first candidate that is an allowed distance away, (n, 2), m.

    Where there is none, it is the one that comes nearest to that.

    Args:
        place: places, (n, 2), m.
        candidates: candidates for each, (n, k, 2), m.
        least: least distance allowed [m].
        greatest: greatest distance allowed [m].
    """
    distance = length(candidates - place[:, None])
    excess = np.maximum(np.maximum(least - distance, distance - greatest), 0.0)
    first = np.argmin(excess, axis=1)
    return np.asarray(candidates[np.arange(len(place)), first])


def length(vectors: Array) -> Array:
    """Return lengths, (..., k) to (...)."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)))


def _pose(simulation: Simulation) -> slice:
    first = int(simulation.model.joint(CUBE).qposadr[0])
    return slice(first, first + 7)


@compiled
def _clearance(pose: Array, half_m: float) -> Array:
    """Return the height of the lowest corner of cubes, (N,), m, for their poses (N, 7)."""
    clearance = np.empty(pose.shape[0])
    for i in range(pose.shape[0]):
        w, x, y, z = pose[i, 3], pose[i, 4], pose[i, 5], pose[i, 6]
        # upward components of the three axes
        tilt = abs(2.0 * (x * z - w * y)) + abs(2.0 * (y * z + w * x))
        tilt += abs(1.0 - 2.0 * (x * x + y * y))
        clearance[i] = pose[i, 2] - half_m * tilt
    return clearance
