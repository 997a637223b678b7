"""Actuators: strength, delay, and what they add of their own."""

from __future__ import annotations

import mujoco
import numpy as np

from trirl_robot.sim.randomisation.quantities.quantity import (
    Place,
    Quantity,
    Subject,
    Target,
    column,
    short_name,
    times,
)
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S

_GAINS = (int(mujoco.mjtGain.mjGAIN_FIXED), int(mujoco.mjtGain.mjGAIN_AFFINE))
_AFFINE = int(mujoco.mjtBias.mjBIAS_AFFINE)
_FILTERS = (int(mujoco.mjtDyn.mjDYN_FILTER), int(mujoco.mjtDyn.mjDYN_FILTEREXACT))


def actuators(subject: Subject) -> list[Target]:
    """Return all actuators."""
    found = (subject.model.actuator(i) for i in range(subject.model.nu))
    return [Target(short_name(actuator), (actuator.id,)) for actuator in found]


def linear(subject: Subject) -> list[Target]:
    """Return the actuators whose force is proportional to a gain; muscles are not."""
    kinds = subject.model.actuator_gaintype
    return [t for t in actuators(subject) if int(kinds[t.place[0]]) in _GAINS]


def servos(subject: Subject) -> list[Target]:
    """Return the actuators whose force depends on position and velocity too."""
    kinds = subject.model.actuator_biastype
    return [t for t in actuators(subject) if int(kinds[t.place[0]]) == _AFFINE]


def damped_servos(subject: Subject) -> list[Target]:
    """Return the position servos with damping of their own."""
    model = subject.model
    return [
        t
        for t in servos(subject)
        if model.actuator_biasprm[t.place[0], 1] and model.actuator_biasprm[t.place[0], 2]
    ]


def force_limited(subject: Subject) -> list[Target]:
    """Return the actuators with a greatest force."""
    return [t for t in actuators(subject) if subject.model.actuator_forcelimited[t.place[0]]]


def filtered(subject: Subject) -> list[Target]:
    """Return the actuators that follow their control with a time constant."""
    kinds = subject.model.actuator_dyntype
    return [t for t in actuators(subject) if int(kinds[t.place[0]]) in _FILTERS]


def delayed(subject: Subject) -> list[Target]:
    """Return the actuators that remember past controls."""
    return [t for t in actuators(subject) if subject.model.actuator_history[t.place[0], 0]]


def period_s(subject: Subject) -> float:
    """Return the control period [s]."""
    return subject.period_s


def _servo_terms(model: mujoco.MjModel, place: Place) -> list[tuple[str, Place]]:
    # a servo's gain stands in two places: force = kp (ctrl - position), or kv (ctrl - velocity)
    gain, bias = model.actuator_gainprm[place[0], 0], model.actuator_biasprm[place[0]]
    if int(model.actuator_biastype[place[0]]) != _AFFINE or gain == 0.0:
        return []
    order = 1 if np.isclose(bias[1], -gain, rtol=1e-6) else 2
    if not np.isclose(bias[order], -gain, rtol=1e-6):
        return []
    return [("actuator_biasprm", (place[0], order))]


def _latency(meaning: str, unit: str, *, jitter: bool) -> Quantity:
    return Quantity(
        meaning=meaning,
        field="command_latency_jitter_s" if jitter else "actuator_delay",
        store="own" if jitter else "model",
        targets=delayed if unit == "s" else times(delayed, period_s),
        unit=unit,
        operation="set",
        operations=("set", "add"),
        minimum=0.0,
        maximum=MAXIMUM_LATENCY_S,
    )


QUANTITIES: dict[str, Quantity] = {
    "actuator_gain": Quantity(
        meaning="Strength of a motor or servo; a servo's target stays where it is. 0 disables it.",
        field="actuator_gainprm",
        targets=column(linear, 0),
        unit="N·m/rad",
        operation="scale",
        minimum=0.0,
        along=_servo_terms,
    ),
    "actuator_bias": Quantity(
        meaning="Force that a servo adds, whatever it is sent.",
        field="actuator_biasprm",
        targets=column(servos, 0),
        unit="N·m",
        operation="add",
    ),
    "actuator_damping": Quantity(
        meaning="Damping that a position servo has of its own.",
        field="actuator_biasprm",
        targets=column(damped_servos, 2),
        unit="1",
        operation="scale",
        operations=("scale",),
    ),
    "actuator_force_limit": Quantity(
        meaning="Greatest force of an actuator, both ways.",
        field="actuator_forcerange",
        targets=column(force_limited, 1),
        unit="N·m",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
        along=lambda _, place: [("actuator_forcerange", (place[0], 0))],
    ),
    "actuator_time_constant": Quantity(
        meaning="Time constant with which an actuator follows its control.",
        field="actuator_dynprm",
        targets=column(filtered, 0),
        unit="s",
        operation="scale",
        minimum=0.0,
        above_minimum=True,
    ),
    "command_latency_s": _latency("Time after which a command acts.", "s", jitter=False),
    "command_latency_steps": _latency(
        "The same in control steps, whole or not, for any rate.", "control steps", jitter=False
    ),
    "command_latency_jitter_s": _latency(
        "Standard deviation of the latency from one command to the next.", "s", jitter=True
    ),
    "command_latency_jitter_steps": _latency(
        "The same in control steps.", "control steps", jitter=True
    ),
}
"""Quantities of actuators by name; N for N·m and m for rad where they act along a line."""
