"""Start poses and velocities that are drawn on top of what a task chooses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.fields import Fields
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class InitialState:
    """Changes states right after a reset."""

    def __init__(self, terms: Sequence[BoundTerm], simulation: Simulation, fields: Fields) -> None:
        """Look up what the terms change.

        Args:
            terms: those of the initial state.
            simulation: the simulations.
            fields: what is drawn beside; the joints' ranges may be.
        """
        self._simulation = simulation
        self._terms = terms
        self._drawn_range = fields.get("jnt_range")
        model = simulation.model
        self._limited = model.jnt_limited.astype(bool)
        self._joint = np.zeros(model.nq, dtype=np.intp)
        self._joint[model.jnt_qposadr] = np.arange(model.njnt)

    def perturb(self, ids: Ids) -> None:
        """Change the state of `ids` by what is drawn for them, within the joints' ranges."""
        for term in self._terms:
            array = getattr(self._simulation, term.quantity.field)
            place = (ids[:, None], term.index[0])
            value = term.values[ids]
            if term.operation == "add":
                value = array[place] + value
            if term.quantity.field == "qpos":
                value = self._within_range(ids, self._joint[term.index[0]], value)
            array[place] = value

    def _within_range(self, ids: Ids, joints: Ids, position: Array) -> Array:
        ranges = self._drawn_range
        if ranges is None:
            low, high = self._simulation.model.jnt_range[joints].T
        else:
            low, high = np.moveaxis(ranges[ids[:, None], joints], -1, 0)
        return np.where(self._limited[joints], np.clip(position, low, high), position)
