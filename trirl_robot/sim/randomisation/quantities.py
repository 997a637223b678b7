"""What can be randomised: one table of quantities, and the objects that each belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.randomisation.config import Operation
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S

Array = NDArray[np.float64]

Place = tuple[int, ...]
"""Index into a field, behind the axis of the simulations."""
Objects = Callable[[mujoco.MjModel, Sequence[str]], list[tuple[str, Place]]]
"""Model and names of the signals to names of objects and their places in the field."""

AXES = ("x", "y", "z")
_SINGLE = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number of the dynamics, the sensors or the initial state."""

    field: str
    """Field of MjModel (`opt.` for its options) or MjData, or a name of our own (`own`)."""
    store: Literal["model", "state", "own", "initial"] = "model"
    """Where the field lives: initial ones are added to the state after a reset."""
    objects: Objects
    """Objects and their places in the field."""
    unit: str
    """Unit of a value that is set or added."""
    operation: Operation
    """What a value does where a term does not say."""
    minimum: float = -np.inf
    """Least value that leaves the model valid."""
    maximum: float = np.inf
    """Greatest value that leaves the model valid."""
    above_minimum: bool = False
    """Whether the least value itself is already invalid."""
    along: tuple[tuple[str, int | None], ...] = ()
    """Fields of the same object that change by the same factor, and their column or all."""


def _named(objects: Sequence[object], prefix: str) -> list[str]:
    return [(o.name or str(o.id)).removeprefix(prefix) for o in objects]  # type: ignore[attr-defined]


PREFIX = "robot/"


def bodies(model: mujoco.MjModel, _: Sequence[str]) -> list[tuple[str, Place]]:
    """Return the bodies that have mass."""
    found = [model.body(i) for i in range(1, model.nbody) if model.body_mass[i] > 0]
    return [(n, (b.id,)) for n, b in zip(_named(found, PREFIX), found, strict=True)]


def colliding_geoms(model: mujoco.MjModel, _: Sequence[str]) -> list[tuple[str, Place]]:
    """Return the geoms that can touch something."""
    ids = [i for i in range(model.ngeom) if model.geom_contype[i] or model.geom_conaffinity[i]]
    found = [model.geom(i) for i in ids]
    return [(n, (g.id,)) for n, g in zip(_named(found, PREFIX), found, strict=True)]


def joints(model: mujoco.MjModel, _: Sequence[str]) -> list[tuple[str, Place]]:
    """Return hinges and slides, by their number."""
    found = [model.joint(i) for i in range(model.njnt) if _single(model, i)]
    return [(n, (j.id,)) for n, j in zip(_named(found, PREFIX), found, strict=True)]


def dofs(model: mujoco.MjModel, _: Sequence[str]) -> list[tuple[str, Place]]:
    """Return hinges and slides, by their degree of freedom."""
    return [(n, (int(model.jnt_dofadr[p[0]]),)) for n, p in joints(model, _)]


def positions(model: mujoco.MjModel, _: Sequence[str]) -> list[tuple[str, Place]]:
    """Return hinges and slides, by their place in qpos."""
    return [(n, (int(model.jnt_qposadr[p[0]]),)) for n, p in joints(model, _)]


def actuators(model: mujoco.MjModel, _: Sequence[str]) -> list[tuple[str, Place]]:
    """Return all actuators."""
    found = [model.actuator(i) for i in range(model.nu)]
    return [(n, (a.id,)) for n, a in zip(_named(found, PREFIX), found, strict=True)]


def signals(_: mujoco.MjModel, names: Sequence[str]) -> list[tuple[str, Place]]:
    """Return the components of what sensors measure, such as `joint_position.elbow_flex`."""
    return [(name, (i,)) for i, name in enumerate(names)]


def axes(_: mujoco.MjModel, __: Sequence[str]) -> list[tuple[str, Place]]:
    """Return the three axes of the world."""
    return [(axis, (i,)) for i, axis in enumerate(AXES)]


def scalar(_: mujoco.MjModel, __: Sequence[str]) -> list[tuple[str, Place]]:
    """Return the one object of a quantity that belongs to the whole simulation."""
    return [("all", (0,))]


def column(objects: Objects, index: int) -> Objects:
    """Return the same objects with places in one column of a field."""
    return lambda model, names: [(n, (*place, index)) for n, place in objects(model, names)]


def components(objects: Objects, first: int = 0) -> Objects:
    """Return three objects for each, `name.x` to `name.z`, in three columns from `first`."""
    return lambda model, names: [
        (f"{name}.{axis}", (*place, first + i))
        for name, place in objects(model, names)
        for i, axis in enumerate(AXES)
    ]


def _single(model: mujoco.MjModel, joint: int) -> bool:
    return int(model.jnt_type[joint]) in _SINGLE


QUANTITIES: dict[str, Quantity] = {
    # bodies
    "body_mass": Quantity(
        field="body_mass",
        objects=bodies,
        unit="kg",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
        # a body of the same shape and another density: inertia goes with mass
        along=(("body_inertia", None),),
    ),
    "body_com": Quantity(field="body_ipos", objects=components(bodies), unit="m", operation="add"),
    # joints
    "joint_damping": Quantity(
        field="dof_damping", objects=dofs, unit="N·m·s/rad", operation="scale", minimum=0.0
    ),
    "joint_armature": Quantity(
        field="dof_armature", objects=dofs, unit="kg·m²", operation="scale", minimum=0.0
    ),
    "joint_friction_loss": Quantity(
        field="dof_frictionloss", objects=dofs, unit="N·m", operation="scale", minimum=0.0
    ),
    "joint_stiffness": Quantity(
        field="jnt_stiffness", objects=joints, unit="N·m/rad", operation="scale", minimum=0.0
    ),
    # contacts
    "geom_friction": Quantity(
        field="geom_friction",
        objects=column(colliding_geoms, 0),
        unit="1",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
    ),
    # actuators
    "actuator_gain": Quantity(
        field="actuator_gainprm",
        objects=column(actuators, 0),
        unit="N·m/rad",
        operation="scale",
        minimum=0.0,
        # a position servo's gain stands in both places: force = kp * (ctrl - position)
        along=(("actuator_biasprm", 1),),
    ),
    "command_latency_s": Quantity(
        field="actuator_delay",
        objects=actuators,
        unit="s",
        operation="set",
        minimum=0.0,
        maximum=MAXIMUM_LATENCY_S,
    ),
    "command_latency_jitter_s": Quantity(
        field="command_latency_jitter_s",
        store="own",
        objects=actuators,
        unit="s",
        operation="set",
        minimum=0.0,
        maximum=MAXIMUM_LATENCY_S,
    ),
    # world
    "gravity": Quantity(field="opt.gravity", objects=axes, unit="m/s²", operation="add"),
    "wind": Quantity(field="opt.wind", objects=axes, unit="m/s", operation="set"),
    "air_density": Quantity(
        field="opt.density", objects=scalar, unit="kg/m³", operation="set", minimum=0.0
    ),
    "body_force": Quantity(
        field="xfrc_applied",
        store="state",
        objects=components(bodies),
        unit="N",
        operation="set",
    ),
    # sensors
    "encoder_bias_rad": Quantity(
        field="encoder_bias_rad", store="own", objects=positions, unit="rad", operation="set"
    ),
    "sensor_noise": Quantity(
        field="sensor_noise",
        store="own",
        objects=signals,
        unit="the signal's",
        operation="set",
        minimum=0.0,
    ),
    "sensor_bias": Quantity(
        field="sensor_bias", store="own", objects=signals, unit="the signal's", operation="set"
    ),
    "sensor_quantum": Quantity(
        field="sensor_quantum",
        store="own",
        objects=signals,
        unit="the signal's",
        operation="set",
        minimum=0.0,
    ),
    "sensor_dropout": Quantity(
        field="sensor_dropout",
        store="own",
        objects=signals,
        unit="1",
        operation="set",
        minimum=0.0,
        maximum=1.0,
    ),
    "sensor_latency_s": Quantity(
        field="sensor_latency_s",
        store="own",
        objects=signals,
        unit="s",
        operation="set",
        minimum=0.0,
        maximum=MAXIMUM_LATENCY_S,
    ),
    # initial state
    "initial_joint_position": Quantity(
        field="qpos", store="initial", objects=positions, unit="rad", operation="add"
    ),
    "initial_joint_velocity": Quantity(
        field="qvel", store="initial", objects=dofs, unit="rad/s", operation="add"
    ),
}
"""All quantities by name; `where` of a term selects among the objects of one."""
