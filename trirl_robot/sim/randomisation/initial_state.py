"""Start poses and velocities that are drawn on top of what a task chooses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class InitialState:
    """Changes states right after a reset."""

    def __init__(self, terms: Sequence[BoundTerm], simulation: Simulation) -> None:
        model = simulation.model
        low, high = np.full(model.nq, -np.inf), np.full(model.nq, np.inf)
        limited = np.flatnonzero(model.jnt_limited)
        low[model.jnt_qposadr[limited]] = model.jnt_range[limited, 0]
        high[model.jnt_qposadr[limited]] = model.jnt_range[limited, 1]
        self._changes = []
        for term in terms:
            position = term.quantity.field == "qpos"
            array, columns = (simulation.qpos if position else simulation.qvel), term.index[0]
            limits = (low[columns], high[columns]) if position else (-np.inf, np.inf)
            self._changes.append((term, array, limits))

    def perturb(self, ids: Ids, values: Array) -> None:
        """Change the state of `ids` by their part of `values` (N, V), within joint ranges."""
        for term, array, (low, high) in self._changes:
            place = (ids[:, None], term.index[0])
            drawn = values[ids, term.columns]
            if term.operation == "add":
                drawn = array[place] + drawn
            array[place] = np.clip(drawn, low, high)
