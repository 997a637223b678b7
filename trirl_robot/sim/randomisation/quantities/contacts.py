"""Contacts: friction, softness and size of the geoms that can touch something."""

from __future__ import annotations

import mujoco

from trirl_robot.sim.randomisation.quantities.quantity import (
    Quantity,
    Subject,
    Target,
    column,
    short_name,
)

_SIZES = {
    int(mujoco.mjtGeom.mjGEOM_SPHERE): ("radius",),
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): ("radius", "half_length"),
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): ("radius", "half_length"),
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): ("x", "y", "z"),
    int(mujoco.mjtGeom.mjGEOM_BOX): ("x", "y", "z"),
}
"""What the sizes of a primitive are; those of boxes and ellipsoids are halves."""


def geoms(subject: Subject) -> list[Target]:
    """Return the geoms that can touch something."""
    model = subject.model
    ids = [i for i in range(model.ngeom) if model.geom_contype[i] or model.geom_conaffinity[i]]
    return [Target(short_name(model.geom(i)), (i,)) for i in ids]


def springs(subject: Subject) -> list[Target]:
    """Return those whose solref is a time constant and a damping ratio."""
    return [t for t in geoms(subject) if (subject.model.geom_solref[t.place[0]] > 0).all()]


def sizes(subject: Subject) -> list[Target]:
    """Return the sizes of those that are primitives; meshes and planes have none."""
    kinds = subject.model.geom_type
    return [
        Target(f"{name}.{size}", (*place, i))
        for name, place, _ in geoms(subject)
        for i, size in enumerate(_SIZES.get(int(kinds[place[0]]), ()))
    ]


def _friction(index: int, unit: str, meaning: str) -> Quantity:
    return Quantity(
        meaning=meaning,
        field="geom_friction",
        targets=column(geoms, index),
        unit=unit,
        operation="scale",
        minimum=0.0,
        # sliding friction of zero is no longer a friction cone
        above_minimum=index == 0,
    )


def _impedance(index: int, meaning: str) -> Quantity:
    return Quantity(
        meaning=meaning,
        field="geom_solimp",
        targets=column(geoms, index),
        unit="1",
        operation="set",
        minimum=0.0,
        above_minimum=True,
        maximum=0.9999,
    )


QUANTITIES: dict[str, Quantity] = {
    "geom_friction": _friction(
        0,
        "1",
        "Sliding friction of a geom; two in contact have the greater of theirs, so scale all that "
        "can meet.",
    ),
    "geom_friction_torsional": _friction(1, "m", "Friction against spinning on a contact."),
    "geom_friction_rolling": _friction(2, "m", "Friction against rolling over a contact."),
    "geom_solref_time_constant": Quantity(
        meaning="Time constant of a soft contact; the longer, the softer.",
        field="geom_solref",
        targets=column(springs, 0),
        unit="s",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
    ),
    "geom_solref_damping_ratio": Quantity(
        meaning="Damping ratio of a soft contact.",
        field="geom_solref",
        targets=column(springs, 1),
        unit="1",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
    ),
    "geom_solimp_dmin": _impedance(0, "Impedance of a contact that only just touches."),
    "geom_solimp_dmax": _impedance(1, "Impedance of a contact that is pressed in by the width."),
    "geom_solimp_width": Quantity(
        meaning="Depth over which the impedance of a contact rises.",
        field="geom_solimp",
        targets=column(geoms, 2),
        unit="m",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
    ),
    "geom_size": Quantity(
        meaning=(
            "Size of a primitive: `geom.radius`, `geom.half_length`, or halves `geom.x` to "
            "`geom.z`; its mass stays."
        ),
        field="geom_size",
        targets=sizes,
        unit="m",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
    ),
}
"""Quantities of contacts by name."""
