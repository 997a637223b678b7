"""Randomised dynamics: terms read from YAML, drawn for each simulation at each reset.

Every value drawn is kept under a name (`quantity/object`) and goes on record with the episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from trirl_robot.config import find_config, load
from trirl_robot.errors import ConfigError
from trirl_robot.sim.scene import MAXIMUM_LATENCY_S, PREFIX

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

Quantity = Literal[
    "body_mass",
    "joint_damping",
    "joint_friction_loss",
    "joint_armature",
    "actuator_gain",
    "geom_friction",
    "command_latency_s",
    "encoder_bias_rad",
    "position_noise_rad",
    "velocity_noise_rad_s",
]

ABSOLUTE = ("command_latency_s", "encoder_bias_rad", "position_noise_rad", "velocity_noise_rad_s")
"""Quantities whose drawn value is the value itself; the others are factors on the model's."""


@dataclass(frozen=True, kw_only=True)
class RandomisationTerm:
    """One quantity and the distribution that its value is drawn from at each reset."""

    quantity: Quantity
    """What is drawn: a factor on the model's value, or a value in the unit of its name."""
    distribution: Literal["uniform", "log_uniform"]
    """Distribution over [low, high]."""
    low: float
    """Least value."""
    high: float
    """Greatest value."""
    shared: bool = False
    """Whether all bodies, joints or geoms of one simulation get the same value."""

    def __post_init__(self) -> None:
        """Refuse a range that is empty or would make the model invalid."""
        name = f"randomisation of {self.quantity}"
        if self.low > self.high:
            raise ConfigError(f"{name}: low {self.low} is above high {self.high}")
        if self.distribution == "log_uniform" and self.low <= 0:
            raise ConfigError(f"{name}: log_uniform needs low above 0, got {self.low}")
        if self.quantity not in ABSOLUTE and self.low <= 0:
            raise ConfigError(f"{name}: a factor must be above 0, got low {self.low}")
        if self.quantity != "encoder_bias_rad" and self.low < 0:
            raise ConfigError(f"{name}: must not be negative, got low {self.low}")
        if self.quantity == "command_latency_s" and self.high > MAXIMUM_LATENCY_S:
            raise ConfigError(
                f"{name}: at most {MAXIMUM_LATENCY_S} s are simulated, got high {self.high}"
            )

    def draw(self, generator: np.random.Generator, shape: tuple[int, int]) -> Array:
        """Draw values of the given shape (simulations, objects)."""
        drawn = (shape[0], 1) if self.shared else shape
        if self.distribution == "log_uniform":
            values = np.exp(generator.uniform(np.log(self.low), np.log(self.high), drawn))
        else:
            values = generator.uniform(self.low, self.high, drawn)
        return np.broadcast_to(values, shape)


@dataclass(frozen=True, kw_only=True)
class RandomisationConfig:
    """All terms of a preset."""

    terms: tuple[RandomisationTerm, ...] = ()
    """The terms; a quantity appears once."""

    def __post_init__(self) -> None:
        """Refuse a quantity that is named twice."""
        names = [term.quantity for term in self.terms]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ConfigError(f"randomisation names {', '.join(repeated)} more than once")


def load_randomisation(name: str) -> RandomisationConfig:
    """Read a preset by name (`none`, `train`, `shifted`) or from a YAML file."""
    return load(RandomisationConfig, find_config("randomisation", name))


class Randomiser:
    """Draws dynamics for the simulations of a batch and writes them into it."""

    def __init__(self, batch: Batch, config: RandomisationConfig, joints: tuple[str, ...]) -> None:
        self._batch = batch
        self._config = config
        self._objects = {
            term.quantity: _objects(batch.model, term.quantity, joints) for term in config.terms
        }
        self._values = {
            term.quantity: np.zeros((batch.nsim, len(self._objects[term.quantity][0])))
            for term in config.terms
        }
        count = len(joints)
        self.encoder_bias = np.zeros((batch.nsim, count))
        self.position_noise = np.zeros((batch.nsim, count))
        self.velocity_noise = np.zeros((batch.nsim, count))
        self._measurement = {
            "encoder_bias_rad": self.encoder_bias,
            "position_noise_rad": self.position_noise,
            "velocity_noise_rad_s": self.velocity_noise,
        }

    def draw(self, ids: Ids, generator: np.random.Generator) -> None:
        """Draw every term anew for the simulations `ids`."""
        for term in self._config.terms:
            names, _ = self._objects[term.quantity]
            self._values[term.quantity][ids] = term.draw(generator, (len(ids), len(names)))
        self._apply(ids)

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the values of one simulation by `quantity/object`."""
        return {
            f"{quantity}/{name}": float(value)
            for quantity, (names, _) in self._objects.items()
            for name, value in zip(names, self._values[quantity][sim], strict=True)
        }

    def get_state(self) -> dict[Quantity, Array]:
        """Return a copy of all drawn values."""
        return {quantity: values.copy() for quantity, values in self._values.items()}

    def set_state(self, state: dict[Quantity, Array]) -> None:
        """Restore what `get_state` returned."""
        for quantity, values in state.items():
            self._values[quantity][:] = values
        self._apply(np.arange(self._batch.nsim))

    def _apply(self, ids: Ids) -> None:
        constants = False
        for quantity, (_, index) in self._objects.items():
            values = self._values[quantity][ids]
            if quantity in self._measurement:
                self._measurement[quantity][ids] = values
            else:
                _write(self._batch, quantity, ids, index, values)
                constants = True
        if constants and len(ids):
            self._batch.set_const(ids)


def _objects(model: Any, quantity: str, joints: tuple[str, ...]) -> tuple[list[str], Ids]:
    """Return names and model indices of the objects that a quantity belongs to."""
    if quantity in ("encoder_bias_rad", "position_noise_rad", "velocity_noise_rad_s"):
        return list(joints), np.arange(len(joints))
    if quantity == "body_mass":
        found = [model.body(i) for i in range(model.nbody)]
        chosen = [b for b in found if b.name.startswith(PREFIX) and b.mass[0] > 0]
    elif quantity in ("actuator_gain", "command_latency_s"):
        chosen = [model.actuator(i) for i in range(model.nu)]
    elif quantity == "geom_friction":
        chosen = [model.geom(i) for i in range(model.ngeom) if model.geom_contype[i]]
    else:
        chosen = [model.joint(i) for i in range(model.njnt)]
    names = [(o.name or f"{o.id}").removeprefix(PREFIX) for o in chosen]
    if quantity.startswith("joint_"):
        return names, np.array([model.jnt_dofadr[o.id] for o in chosen], dtype=np.intp)
    return names, np.array([o.id for o in chosen], dtype=np.intp)


def _write(batch: Batch, quantity: str, ids: Ids, index: Ids, values: Array) -> None:
    """Write drawn values of a model quantity into the batch's per-simulation fields."""
    model, place = batch.model, np.ix_(ids, index)
    if quantity == "body_mass":
        # a body of the same shape and another density: inertia scales with mass
        batch.expand("body_mass")[place] = model.body_mass[index] * values
        batch.expand("body_inertia")[place] = model.body_inertia[index] * values[..., None]
    elif quantity == "actuator_gain":
        # a position servo's gain stands in both places: force = kp * (ctrl - position)
        gain, bias = batch.expand("actuator_gainprm"), batch.expand("actuator_biasprm")
        gain[(*place, 0)] = model.actuator_gainprm[index, 0] * values
        bias[(*place, 1)] = model.actuator_biasprm[index, 1] * values
    elif quantity == "geom_friction":
        batch.expand("geom_friction")[(*place, 0)] = model.geom_friction[index, 0] * values
    elif quantity == "command_latency_s":
        batch.expand("actuator_delay")[place] = values
    else:
        field = {
            "joint_damping": "dof_damping",
            "joint_friction_loss": "dof_frictionloss",
            "joint_armature": "dof_armature",
        }[quantity]
        batch.expand(field)[place] = getattr(model, field)[index] * values
