"""Mass, and where it is: bodies, the payload at the hand, and forces that push bodies."""

from __future__ import annotations

import mujoco

from trirl_robot.sim.randomisation.quantities.quantity import (
    PREFIX,
    Place,
    Quantity,
    Subject,
    Target,
    components,
    short_name,
    times,
)

PAYLOAD = f"{PREFIX}payload"
"""Body without mass at the end effector, to which a payload gives its own."""

PSEUDO_INERTIA = ("alpha", "d1", "d2", "d3", "s12", "s13", "s23", "t1", "t2", "t3")
"""Parameters of a pseudo-inertia, in the order of `pseudo_inertia.transformed`."""


def bodies(subject: Subject) -> list[Target]:
    """Return the bodies that have mass and move by it."""
    model = subject.model
    # a mocap body, such as the mark of a goal, is where it is put, whatever it weighs
    ids = [i for i in range(1, model.nbody) if model.body_mass[i] > 0 and model.body_mocapid[i] < 0]
    found = [model.body(i) for i in ids]
    return [Target(short_name(body), (body.id,)) for body in found]


def payload(subject: Subject) -> list[Target]:
    """Return the payload's body, where the model has one."""
    found = mujoco.mj_name2id(subject.model, mujoco.mjtObj.mjOBJ_BODY, PAYLOAD)
    return [Target("hand", (found,))] if found >= 0 else []


def pushed(subject: Subject) -> list[Target]:
    """Return the bodies and the hand; a force of one unit accelerates the whole by 1 m/s²."""
    found = bodies(subject)
    # a body that is itself called hand already goes by that name
    if subject.hand and all(name != "hand" for name, *_ in found):
        found.append(Target("hand", (subject.model.body(subject.hand).id,)))
    mass = moving_mass(subject)
    return [Target(name, place, mass) for name, place, _ in found]


def moving_mass(subject: Subject) -> float:
    """Return the mass of the robot's moving bodies, or of all in a model without a robot [kg]."""
    model = subject.model
    ids = range(1, model.nbody)
    moving = [i for i in ids if model.body_weldid[i] != 0]
    own = [i for i in moving if model.body(i).name.startswith(PREFIX)]
    return float(model.body_mass[own or moving].sum())


def _inertia_of(_: mujoco.MjModel, place: Place) -> list[tuple[str, Place]]:
    return [("body_inertia", (place[0], axis)) for axis in range(3)]


def _other_moments(_: mujoco.MjModel, place: Place) -> list[tuple[str, Place]]:
    return [("body_inertia", (place[0], axis)) for axis in (1, 2)]


def _first_moment(subject: Subject) -> list[Target]:
    return [Target(name, (*place, 0)) for name, place, _ in bodies(subject)]


QUANTITIES: dict[str, Quantity] = {
    "body_mass": Quantity(
        meaning=(
            "Mass of a body; its inertia goes along, as of a body of the same shape and another "
            "density."
        ),
        field="body_mass",
        targets=bodies,
        unit="kg",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
        # a body of the same shape and another density: inertia goes with mass
        along=_inertia_of,
    ),
    "body_inertia": Quantity(
        meaning="Inertia of a body, all three moments by one factor.",
        field="body_inertia",
        targets=_first_moment,
        unit="1",
        operation="scale",
        operations=("scale",),
        minimum=0.0,
        above_minimum=True,
        along=_other_moments,
    ),
    "body_inertia_moment": Quantity(
        meaning="One principal moment of inertia of a body, `body.x` to `body.z`.",
        field="body_inertia",
        targets=components(bodies),
        unit="1",
        operation="scale",
        operations=("scale",),
        minimum=0.0,
        above_minimum=True,
    ),
    "body_com": Quantity(
        meaning="Centre of mass of a body in its frame, `body.x` to `body.z`.",
        field="body_ipos",
        targets=components(bodies),
        unit="m",
        operation="add",
    ),
    "pseudo_inertia": Quantity(
        meaning=(
            "Mass, centre and inertia of a body together, always physical: ten parameters after "
            "Rucker & Wensing 2022, `body.alpha`, `body.d1` to `d3`, `body.s12`, `s13`, `s23`, "
            "`body.t1` to `t3`."
        ),
        field="pseudo_inertia",
        store="own",
        targets=components(bodies, PSEUDO_INERTIA),
        unit="1 (t1 to t3: m)",
        operation="add",
        operations=("add",),
    ),
    "payload": Quantity(
        meaning="Point mass at the hand, which gravity compensation does not know of.",
        field="body_mass",
        targets=payload,
        unit="kg",
        operation="add",
        operations=("add", "set"),
        minimum=0.0,
    ),
    "payload_share": Quantity(
        meaning="The same, for any size of robot.",
        field="body_mass",
        targets=times(payload, moving_mass),
        unit="of the robot's moving mass",
        operation="add",
        operations=("add", "set"),
        minimum=0.0,
    ),
    "payload_position": Quantity(
        meaning="Where the payload is, from the end effector's site, `hand.x` to `hand.z`.",
        field="body_pos",
        targets=components(payload),
        unit="m",
        operation="add",
    ),
    "body_force": Quantity(
        meaning="Force on a body's centre of mass along the world's axes, `body.x` to `body.z`.",
        field="xfrc_applied",
        store="state",
        targets=components(bodies),
        unit="N",
        operation="set",
        operations=("set", "add"),
    ),
    "body_torque": Quantity(
        meaning="Torque on a body about the world's axes, `body.x` to `body.z`.",
        field="xfrc_applied",
        store="state",
        targets=components(bodies, first=3),
        unit="N·m",
        operation="set",
        operations=("set", "add"),
    ),
    "push": Quantity(
        meaning=(
            "Force on a body or on the `hand` that would accelerate the robot's whole moving mass "
            "by so much, `body.x` to `body.z`."
        ),
        field="xfrc_applied",
        store="state",
        targets=components(pushed),
        unit="m/s²",
        operation="add",
        operations=("set", "add"),
    ),
}
"""Quantities of bodies by name."""
