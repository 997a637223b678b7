"""Joints: what resists their motion, how far they go, and where an episode begins."""

from __future__ import annotations

import mujoco

from trirl_robot.sim.randomisation.quantities.quantity import (
    Quantity,
    Subject,
    Target,
    column,
    short_name,
)

_SINGLE = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


def joints(subject: Subject) -> list[Target]:
    """Return hinges and slides, by their number."""
    model = subject.model
    found = [model.joint(i) for i in range(model.njnt) if int(model.jnt_type[i]) in _SINGLE]
    return [Target(short_name(joint), (joint.id,)) for joint in found]


def dofs(subject: Subject) -> list[Target]:
    """Return hinges and slides, by their degree of freedom."""
    dof = subject.model.jnt_dofadr
    return [Target(name, (int(dof[place[0]]),)) for name, place, _ in joints(subject)]


def positions(subject: Subject) -> list[Target]:
    """Return hinges and slides, by their place in qpos."""
    address = subject.model.jnt_qposadr
    return [Target(name, (int(address[place[0]]),)) for name, place, _ in joints(subject)]


def limited(subject: Subject) -> list[Target]:
    """Return hinges and slides that have a range."""
    return [t for t in joints(subject) if subject.model.jnt_limited[t.place[0]]]


def force_limited(subject: Subject) -> list[Target]:
    """Return hinges and slides on which the force of actuators is limited."""
    return [t for t in joints(subject) if subject.model.jnt_actfrclimited[t.place[0]]]


QUANTITIES: dict[str, Quantity] = {
    "joint_damping": Quantity(
        meaning="Force against a joint's velocity.",
        field="dof_damping",
        targets=dofs,
        unit="N·m·s/rad",
        operation="scale",
        minimum=0.0,
    ),
    "joint_armature": Quantity(
        meaning="Inertia of a joint's rotor.",
        field="dof_armature",
        targets=dofs,
        unit="kg·m²",
        operation="scale",
        minimum=0.0,
    ),
    "joint_friction_loss": Quantity(
        meaning="Dry friction of a joint.",
        field="dof_frictionloss",
        targets=dofs,
        unit="N·m",
        operation="scale",
        minimum=0.0,
    ),
    "joint_stiffness": Quantity(
        meaning="Stiffness of a joint's spring.",
        field="jnt_stiffness",
        targets=joints,
        unit="N·m/rad",
        operation="scale",
        minimum=0.0,
    ),
    "joint_reference": Quantity(
        meaning="Position at which a joint's spring rests.",
        field="qpos_spring",
        targets=positions,
        unit="rad",
        operation="add",
    ),
    "joint_range_low": Quantity(
        meaning="Lower end of a joint's range.",
        field="jnt_range",
        targets=column(limited, 0),
        unit="rad",
        operation="add",
    ),
    "joint_range_high": Quantity(
        meaning="Upper end of a joint's range.",
        field="jnt_range",
        targets=column(limited, 1),
        unit="rad",
        operation="add",
    ),
    "joint_force_limit": Quantity(
        meaning="Greatest force of actuators on a joint, both ways.",
        field="jnt_actfrcrange",
        targets=column(force_limited, 1),
        unit="N·m",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
        along=lambda _, place: [("jnt_actfrcrange", (place[0], 0))],
    ),
    "initial_joint_position": Quantity(
        meaning="Start pose, kept within the joint's range.",
        field="qpos",
        store="initial",
        targets=positions,
        unit="rad",
        operation="add",
        operations=("add", "set"),
    ),
    "initial_joint_velocity": Quantity(
        meaning="Velocity at the start.",
        field="qvel",
        store="initial",
        targets=dofs,
        unit="rad/s",
        operation="add",
        operations=("add", "set"),
    ),
}
"""Quantities of joints by name; m for rad and N for N·m where a joint slides."""
