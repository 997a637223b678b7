"""What a quantity is, and what it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import mujoco
import numpy as np

from trirl_robot.sim.randomisation.config import Operation

Place = tuple[int, ...]
"""Index into a field, behind the axis of the simulations."""

AXES = ("x", "y", "z")
PREFIX = "robot/"
"""What names of a robot's elements begin with in a scene; it is left out of names here."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is randomised: a model, and what a task commands and measures of it."""

    model: mujoco.MjModel
    """The model of all simulations."""
    period_s: float
    """Control period [s]."""
    signals: tuple[str, ...] = ()
    """Components of what sensors measure, such as `joint_position.elbow_flex`."""
    encoders: tuple[str, ...] = ()
    """Joints whose encoders may be offset, in the order of the robot."""
    hand: str = ""
    """Body that carries the end effector; empty where there is none."""


class Target(NamedTuple):
    """One number that a quantity stands for."""

    name: str
    """Name of the object, and where it has several numbers, `object.component`."""
    place: Place
    """Where the number stands in the quantity's field."""
    factor: float = 1.0
    """What one unit of the quantity is in the field."""


Targets = Callable[[Subject], list[Target]]
"""Looks up everything that a quantity belongs to in a model."""
Along = Callable[[mujoco.MjModel, Place], list[tuple[str, Place]]]
"""Model and place to fields and places that change by the same factor."""


def _nothing(_: mujoco.MjModel, __: Place) -> list[tuple[str, Place]]:
    return []


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number of the dynamics, the sensors or the initial state."""

    field: str
    """Field of MjModel (`opt.` for its options) or MjData, or a name of our own (`own`)."""
    store: Literal["model", "state", "own", "initial"] = "model"
    """Where the field lives: initial ones are added to the state after a reset."""
    meaning: str
    """What it is, one line for the user."""
    targets: Targets
    """Objects and their places in the field."""
    unit: str
    """Unit of a value that is set or added."""
    operation: Operation
    """What a value does where a term does not say."""
    operations: tuple[Operation, ...] = ("scale", "add", "set")
    """What a value may do."""
    minimum: float = -np.inf
    """Least value of the field that leaves the model valid."""
    maximum: float = np.inf
    """Greatest value of the field that leaves the model valid."""
    above_minimum: bool = False
    """Whether the least value itself is already invalid."""
    along: Along = _nothing
    """What changes by the same factor."""


def short_name(element: Any) -> str:
    """Return the name of a model's element without the robot's prefix; its number without name."""
    return (element.name or str(element.id)).removeprefix(PREFIX)


def column(targets: Targets, index: int) -> Targets:
    """Return the same objects with places in one column of a field."""
    return lambda subject: [
        Target(name, (*place, index), factor) for name, place, factor in targets(subject)
    ]


def components(targets: Targets, names: Sequence[str] = AXES, first: int = 0) -> Targets:
    """Return several targets for each, `object.x` to `object.z`, in columns from `first`."""
    return lambda subject: [
        Target(f"{name}.{component}", (*place, first + i), factor)
        for name, place, factor in targets(subject)
        for i, component in enumerate(names)
    ]


def times(targets: Targets, factor: Callable[[Subject], float]) -> Targets:
    """Return the same targets, of which a unit is `factor` of the field's."""
    return lambda subject: [
        Target(name, place, size * factor(subject)) for name, place, size in targets(subject)
    ]


def signals(subject: Subject) -> list[Target]:
    """Return the components of what sensors measure, such as `joint_position.elbow_flex`."""
    return [Target(name, (i,)) for i, name in enumerate(subject.signals)]


def axes(_: Subject) -> list[Target]:
    """Return the three axes of the world."""
    return [Target(axis, (i,)) for i, axis in enumerate(AXES)]


def scalar(_: Subject) -> list[Target]:
    """Return the one object of a quantity that belongs to the whole simulation."""
    return [Target("all", (0,))]
