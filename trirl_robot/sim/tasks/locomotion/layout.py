"""What each number of an observation means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import mujoco

from trirl_robot.contract import ObservationField

INERTIA = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz", "m*x", "m*y", "m*z", "m")
SPATIAL_VELOCITY = ("wx", "wy", "wz", "vx", "vy", "vz")
SPATIAL_FORCE = ("tx", "ty", "tz", "fx", "fy", "fz")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Consecutive numbers of an observation that belong together."""

    name: str
    """Name of the field."""
    unit: str
    """SI unit."""
    components: tuple[str, ...]
    """What each number is, such as the name of a joint."""

    def field(self) -> ObservationField:
        """Return the field of the contract."""
        return ObservationField(
            name=self.name, size=len(self.components), unit=self.unit, source="simulation"
        )


def positions(model: mujoco.MjModel, first: int) -> list[Part]:
    """Return the parts of `qpos[first:]`."""
    return _grouped(_position_components(model), first)


def velocities(model: mujoco.MjModel) -> list[Part]:
    """Return the parts of `qvel`."""
    return _grouped(_velocity_components(model), 0)


def per_body(model: mujoco.MjModel, name: str, unit: str, components: Sequence[str]) -> Part:
    """Return a part with the same components for each body but the world."""
    bodies = [model.body(i).name for i in range(1, model.nbody)]
    labels = tuple(f"{body}.{component}" for body in bodies for component in components)
    return Part(name=name, unit=unit, components=labels)


Component = tuple[str, str, str]
"""Name of the part, unit, and what the number is."""


def _grouped(components: Iterable[Component], first: int) -> list[Part]:
    kept = list(components)[first:]
    return [
        Part(name=name, unit=unit, components=tuple(label for _, _, label in group))
        for (name, unit), group in groupby(kept, key=lambda component: component[:2])
    ]


def _position_components(model: mujoco.MjModel) -> Iterable[Component]:
    for joint in map(model.joint, range(model.njnt)):
        if joint.type[0] == mujoco.mjtJoint.mjJNT_FREE:
            yield from (("base_position", "m", axis) for axis in "xyz")
            yield from (("base_orientation", "1", f"q{axis}") for axis in "wxyz")
        elif joint.type[0] == mujoco.mjtJoint.mjJNT_SLIDE:
            yield "slide_position", "m", joint.name
        else:
            yield "joint_angle", "rad", joint.name


def _velocity_components(model: mujoco.MjModel) -> Iterable[Component]:
    for joint in map(model.joint, range(model.njnt)):
        if joint.type[0] == mujoco.mjtJoint.mjJNT_FREE:
            yield from (("base_velocity", "m/s", f"v{axis}") for axis in "xyz")
            yield from (("base_angular_velocity", "rad/s", f"w{axis}") for axis in "xyz")
        elif joint.type[0] == mujoco.mjtJoint.mjJNT_SLIDE:
            yield "slide_velocity", "m/s", joint.name
        else:
            yield "joint_velocity", "rad/s", joint.name
