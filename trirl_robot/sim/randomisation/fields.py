"""The arrays that randomisation writes into, whatever they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

_DERIVED_FROM = frozenset(mujoco.MjModel._setconst_inputs)
"""Fields from which MuJoCo derives others; it derives none from its options."""
_FEW = 8
"""Simulations up to which the batch's threads are not worth waking."""


class Fields:
    """Arrays by name, (N, ...), with the values that each had before anything was drawn."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._arrays: dict[str, Array] = {}
        self._base: dict[str, Array] = {}
        self.own_names: tuple[str, ...] = ()
        """Arrays of our own, which lie side by side in `own`."""
        self.own: Array = np.zeros((simulation.num_envs, 0))
        """Their values, (N, sum of their sizes)."""

    def add_own(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Make arrays of our own, at first zero; `shapes` are those of one simulation."""
        sizes = [prod(shape) for shape in shapes.values()]
        self.own_names = tuple(shapes)
        self.own = np.zeros((self._simulation.num_envs, sum(sizes)))
        parts = np.split(self.own, np.cumsum(sizes)[:-1], axis=1)
        for (name, shape), part in zip(shapes.items(), parts, strict=False):
            self._arrays[name] = part.reshape(len(part), *shape)
            self._base[name] = np.zeros(shape)

    def bind(self, name: str) -> None:
        """Take an array of the state, which is zero after a reset."""
        if name not in self._arrays:
            self._arrays[name] = self._simulation.batch.bind(name)
            self._base[name] = np.zeros(self._arrays[name].shape[1:])

    def expand(self, name: str) -> None:
        """Give a field of the model a value of its own in each simulation."""
        if name not in self._arrays:
            self._base[name] = model_value(self._simulation.model, name)
            array = self._simulation.batch.expand(name)
            self._arrays[name] = array[:, None] if array.ndim == 1 else array

    def array(self, name: str) -> Array:
        """Return the live values of a field, (N, ...)."""
        return self._arrays[name]

    def get(self, name: str) -> Array | None:
        """Return the live values of a field, or None where no term draws it."""
        return self._arrays.get(name)

    def base(self, name: str) -> Array:
        """Return the values that one simulation's field had before anything was drawn."""
        return self._base[name]

    def derive(self, ids: Ids) -> None:
        """Compute what MuJoCo derives from the model's values."""
        batch = self._simulation.batch
        if len(ids) > _FEW:
            batch.set_const(ids)
            return
        # to wake the threads for a few simulations takes longer than to do them here
        for i in range(len(ids)):
            batch.set_const(ids[i : i + 1])


def is_derived_from(name: str) -> bool:
    """Return whether MuJoCo derives other fields of the model from this one."""
    return name in _DERIVED_FROM


def model_value(model: mujoco.MjModel, name: str) -> Array:
    """Return a copy of a model's field, or of its option for `opt.NAME`; a number as (1,)."""
    owner = model.opt if name.startswith("opt.") else model
    return np.array(getattr(owner, name.removeprefix("opt.")), dtype=np.float64, ndmin=1)
