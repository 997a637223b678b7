"""The world and the sensors."""

from __future__ import annotations

from trirl_robot.sim.randomisation.quantities.actuators import period_s
from trirl_robot.sim.randomisation.quantities.quantity import (
    Quantity,
    Subject,
    Target,
    Targets,
    axes,
    scalar,
    signals,
    times,
)
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S


def encoders(subject: Subject) -> list[Target]:
    """Return the joints whose encoders may be offset."""
    return [Target(name, (i,)) for i, name in enumerate(subject.encoders)]


def _of_signals(
    meaning: str, field: str, unit: str, targets: Targets = signals, **limits: float
) -> Quantity:
    return Quantity(
        meaning=meaning,
        field=field,
        store="own",
        targets=targets,
        unit=unit,
        operation="set",
        operations=("set", "add"),
        **limits,  # type: ignore[arg-type]
    )


QUANTITIES: dict[str, Quantity] = {
    "gravity": Quantity(
        meaning="Gravity along the world's axes, `x` to `z`.",
        field="opt.gravity",
        targets=axes,
        unit="m/s²",
        operation="add",
    ),
    "wind": Quantity(
        meaning="Velocity of the air along the world's axes, `x` to `z`; needs air_density.",
        field="opt.wind",
        targets=axes,
        unit="m/s",
        operation="set",
    ),
    "air_density": Quantity(
        meaning="Density of the air, which gives drag.",
        field="opt.density",
        targets=scalar,
        unit="kg/m³",
        operation="set",
        minimum=0.0,
    ),
    "encoder_bias_rad": _of_signals(
        "Offset of a joint's encoder, which policy and servo see alike.",
        "encoder_bias_rad",
        "rad",
        encoders,
    ),
    "sensor_noise": _of_signals(
        "Standard deviation of a signal's noise, such as `joint_position.elbow_flex`.",
        "sensor_noise",
        "the signal's",
        minimum=0.0,
    ),
    "sensor_bias": _of_signals("Offset of a signal.", "sensor_bias", "the signal's"),
    "sensor_quantum": _of_signals(
        "Step to which a signal is rounded; 0 for none.",
        "sensor_quantum",
        "the signal's",
        minimum=0.0,
    ),
    "sensor_dropout": _of_signals(
        "Probability that a reading is lost, and the last one stands.",
        "sensor_dropout",
        "1",
        minimum=0.0,
        maximum=1.0,
    ),
    "sensor_latency_s": _of_signals(
        "Age of what a signal shows; between two readings by interpolation.",
        "sensor_latency_s",
        "s",
        minimum=0.0,
        maximum=MAXIMUM_LATENCY_S,
    ),
    "sensor_latency_steps": _of_signals(
        "The same in control steps, whole or not.",
        "sensor_latency_s",
        "control steps",
        times(signals, period_s),
        minimum=0.0,
        maximum=MAXIMUM_LATENCY_S,
    ),
}
"""Quantities of the world and of sensors by name."""
