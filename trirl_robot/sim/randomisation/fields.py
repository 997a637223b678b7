"""The arrays that randomisation writes into, whatever they belong to."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.randomisation.quantities import Quantity
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class Fields:
    """Arrays by name, (N, ...), with the values that each had before anything was drawn."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._arrays: dict[str, Array] = {}
        self._base: dict[str, Array] = {}
        self._constants = False

    def add(self, quantity: Quantity, size: int) -> None:
        """Make a quantity's field writable; `size` is the length of a field of our own."""
        if quantity.store == "own" and quantity.field not in self._arrays:
            self._arrays[quantity.field] = np.zeros((self._simulation.num_envs, size))
            self._base[quantity.field] = np.zeros(size)
        elif quantity.store == "state":
            array = self._simulation.batch.bind(quantity.field)
            self._arrays[quantity.field] = array
            self._base[quantity.field] = np.zeros(array.shape[1:])
        elif quantity.store == "model":
            for name in (quantity.field, *(field for field, _ in quantity.along)):
                self.expand(name)

    def expand(self, name: str) -> None:
        """Give a field of the model a value of its own in each simulation."""
        if name in self._arrays:
            return
        self._base[name] = model_value(self._simulation.model, name)
        array = self._simulation.batch.expand(name)
        self._arrays[name] = array[:, None] if array.ndim == 1 else array
        inputs = mujoco.MjModel._setconst_inputs
        self._constants |= name in inputs or name.startswith("opt.")

    def array(self, name: str) -> Array:
        """Return the live values of a field, (N, ...)."""
        return self._arrays[name]

    def get(self, name: str) -> Array | None:
        """Return the live values of a field, or None where no term draws it."""
        return self._arrays.get(name)

    def restore(self, ids: Ids) -> None:
        """Write the original values into every field of `ids`."""
        for name, array in self._arrays.items():
            array[ids] = self._base[name]

    def update_constants(self, ids: Ids) -> None:
        """Compute what MuJoCo derives from the model's values."""
        if self._constants and len(ids):
            self._simulation.batch.set_const(ids)


def model_value(model: mujoco.MjModel, name: str) -> Array:
    """Return a copy of a model's field, or of its option for `opt.NAME`; a number as (1,)."""
    owner = model.opt if name.startswith("opt.") else model
    return np.array(getattr(owner, name.removeprefix("opt.")), dtype=np.float64, ndmin=1)
