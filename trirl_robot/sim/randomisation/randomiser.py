"""Draws the terms of a randomisation and writes them into the simulations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.bound_term import BoundTerm
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.events import Events
from trirl_robot.sim.randomisation.fields import Fields
from trirl_robot.sim.randomisation.jitter import CommandJitter
from trirl_robot.sim.randomisation.validity import check_terms
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


class Randomiser:
    """The dynamics of N simulations."""

    def __init__(
        self,
        simulation: Simulation,
        config: RandomisationConfig,
        random: EpisodeRandom,
        *,
        period_s: float,
        signals: Sequence[str] = (),
    ) -> None:
        """Check every term against the model; nothing is drawn yet.

        Args:
            simulation: the simulations.
            config: the terms.
            random: source of every draw.
            period_s: control period [s].
            signals: components of what sensors measure, such as `joint_position.elbow_flex`.

        Raises:
            ConfigError: an unknown quantity or object, or a term that makes the model invalid.
        """
        self._simulation = simulation
        self._random = random
        self._terms = [BoundTerm(term, simulation, signals) for term in config.terms]
        self._terms = [term for term in self._terms if term.names]
        check_terms(self._terms, simulation.model)
        self._fields = Fields(simulation)
        for term in self._terms:
            self._fields.add(term.quantity, term.field_shape[0])
        self._initial = [t for t in self._terms if t.quantity.store == "initial"]
        self._written = [t for t in self._terms if t.quantity.store != "initial"]
        self._once = [t for t in self._terms if t.config.when == "once"]
        self._episode = [t for t in self._terms if t.config.when == "episode"]
        interval = [t for t in self._terms if t.config.when == "interval"]
        self._events = Events(interval, simulation.num_envs, random, period_s)
        self._once_drawn = np.zeros(simulation.num_envs, dtype=np.bool_)
        self._jitter = (
            CommandJitter(self._fields, random, simulation)
            if any(t.config.quantity == "command_latency_jitter_s" for t in self._terms)
            else None
        )

    def start(self, ids: Ids) -> None:
        """Draw the dynamics of the episodes that begin in `ids`."""
        fresh = ids[~self._once_drawn[ids]]
        if len(fresh):
            self._draw(self._once, fresh, Stream.ONCE)
            self._once_drawn[fresh] = True
        self._draw(self._episode, ids, Stream.DYNAMICS)
        self._events.start(ids)
        self._apply(ids)

    def forget_once(self, ids: Ids) -> None:
        """Draw anew at the next episode of `ids` what is drawn once for each simulation."""
        self._once_drawn[ids] = False

    def perturb_initial_state(self, ids: Ids) -> None:
        """Add what is drawn for the initial state to the state of `ids`."""
        for term in self._initial:
            array = getattr(self._simulation, term.quantity.field)
            array[term.select(ids)] += term.values[ids]

    def advance(self, steps: NDArray[np.int64]) -> None:
        """Draw what changes within an episode, before a control step.

        Args:
            steps: steps since each episode's start, (N,).
        """
        changed = self._events.advance(steps)
        if len(changed):
            self._apply(changed)
        if self._jitter is not None:
            self._jitter.advance(steps)

    def own(self, name: str) -> Array | None:
        """Return the values of a quantity that is not MuJoCo's, (N, size); None if never drawn."""
        return self._fields.get(name)

    @property
    def terms(self) -> tuple[BoundTerm, ...]:
        """The terms that act in this model, in the order in which they are written."""
        return tuple(self._terms)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that terms draw, as `quantity/object`."""
        return tuple(name for term in self._terms for name in term.names)

    def values(self, ids: Ids) -> Array:
        """Return the values that act in simulations, (n, names); NaN where none does."""
        parts = [term.values[ids] for term in self._terms]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(ids), 0))

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the values that act in one simulation, by `quantity/object`."""
        (values,) = self.values(np.array([sim])).tolist()
        pairs = zip(self.names, values, strict=True)
        return {name: value for name, value in pairs if not math.isnan(value)}

    def get_state(self) -> dict[str, Any]:
        """Return a copy of everything that has been drawn."""
        return {
            "values": [term.values.copy() for term in self._terms],
            "once_drawn": self._once_drawn.copy(),
            "events": self._events.get_state(),
        }

    def set_state(self, state: dict[str, Any], steps: NDArray[np.int64]) -> None:
        """Restore what `get_state` returned, `steps` into each episode."""
        for term, values in zip(self._terms, state["values"], strict=True):
            term.values[:] = values
        self._once_drawn[:] = state["once_drawn"]
        self._events.set_state(state["events"])
        self._apply(np.arange(self._simulation.num_envs))
        if self._jitter is not None:
            self._jitter.restore(steps)

    def _draw(self, terms: list[BoundTerm], ids: Ids, stream: Stream) -> None:
        if not terms:
            return
        uniform = self._random.uniform(ids, stream, sum(term.draws for term in terms))
        start = 0
        for term in terms:
            term.draw(ids, uniform[:, start : start + term.draws])
            start += term.draws

    def _apply(self, ids: Ids) -> None:
        self._fields.restore(ids)
        for term in self._written:
            term.write(self._fields, ids)
        self._fields.update_constants(ids)
        if self._jitter is not None:
            self._jitter.note_latency(ids)
