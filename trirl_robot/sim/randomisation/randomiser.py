"""Draws the terms of a randomisation and writes them into the simulations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.bound_term import BoundTerm, place_values
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.events import Event, Events
from trirl_robot.sim.randomisation.fields import Fields
from trirl_robot.sim.randomisation.initial_state import InitialState
from trirl_robot.sim.randomisation.jitter import CommandJitter
from trirl_robot.sim.randomisation.plan import Plan
from trirl_robot.sim.randomisation.pseudo_inertia import FIELDS as INERTIA_FIELDS
from trirl_robot.sim.randomisation.quantities.quantity import Subject
from trirl_robot.sim.randomisation.sampler import Sampler
from trirl_robot.sim.randomisation.validity import check_terms
from trirl_robot.sim.simulation import Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Steps = NDArray[np.int64]


class Randomiser:
    """The dynamics of N simulations."""

    def __init__(
        self,
        simulation: Simulation,
        config: RandomisationConfig,
        random: EpisodeRandom,
        subject: Subject,
    ) -> None:
        """Check every term against the model; nothing is drawn yet.

        Args:
            simulation: the simulations, of a model that `prepare_spec` has seen.
            config: the terms.
            random: source of every draw.
            subject: their model, and what a task commands and measures of it.

        Raises:
            ConfigError: an unknown quantity or object, or a term that makes the model invalid.
        """
        self._random = random
        self._terms = _bound(config, subject)
        self._values = place_values(self._terms, simulation.num_envs)
        self.names = tuple(name for term in self._terms for name in term.names)
        """Everything that terms draw, as `quantity/object`."""
        when = {
            key: [t for t in self._terms if t.config.when == key]
            for key in ("once", "episode", "interval")
        }
        self._once, self._episode = Sampler(when["once"]), Sampler(when["episode"])
        self._events = Events(when["interval"], self._values, random, subject.period_s)
        initial = [t for t in self._terms if t.quantity.store == "initial"]
        written = [t for t in self._terms if t.quantity.store != "initial"]
        self._fields = _fields(written, simulation)
        self._initial = InitialState(initial, simulation, self._fields)
        names = set().union(*(t.fields for t in written))
        changing = set().union(*(t.fields for t in when["interval"]))
        self._plan = Plan(self._fields, written, names)
        self._changing = Plan(self._fields, written, changing)
        self._jitter = (
            CommandJitter(self._fields, random, simulation)
            if "command_latency_jitter_s" in names
            else None
        )

    def start(self, ids: Ids) -> None:
        """Draw the dynamics of the episodes that begin in `ids`; the state has been reset."""
        for sampler, stream in ((self._once, Stream.ONCE), (self._episode, Stream.DYNAMICS)):
            if sampler.draws:
                uniform = self._random.uniform(ids, stream, sampler.draws)
                self._values[ids[:, None], sampler.columns] = sampler(uniform)
        self._events.start(ids)
        if self._jitter is not None:
            self._jitter.begin(ids)
        self._write(self._plan, ids)

    def perturb_initial_state(self, ids: Ids) -> None:
        """Change the state of `ids` by what is drawn for it; joints stay within their range."""
        self._initial.perturb(ids)

    def advance(self, steps: Steps) -> None:
        """Draw what changes within an episode, before a control step.

        Args:
            steps: steps since each episode's start, (N,).
        """
        changed = self._events.advance(steps)
        if len(changed):
            self._write(self._changing, changed)
        if self._jitter is not None:
            self._jitter.advance(steps)

    def own(self, name: str) -> Array | None:
        """Return the values of a quantity that is not MuJoCo's, (N, size); None if never drawn."""
        return self._fields.get(name)

    def written_columns(self, name: str) -> Ids:
        """Return which columns of a quantity that is not MuJoCo's are drawn, in order."""
        columns = [t.index[0] for t in self._terms if t.quantity.field == name]
        return np.unique(np.concatenate([np.empty(0, np.intp), *columns]))

    def changes(self, name: str) -> bool:
        """Return whether a field may be written again within an episode."""
        return name in self._changing.names

    @property
    def terms(self) -> tuple[BoundTerm, ...]:
        """The terms that act in this model, in the order in which they are written."""
        return tuple(self._terms)

    def values(self, ids: Ids) -> Array:
        """Return the values that act in simulations, (n, names); NaN where none does."""
        return np.asarray(self._values[ids])

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the values that act in one simulation, by `quantity/object`.

        Where several terms draw the same, the name of the second ends in `#2`, and so on.
        """
        values = self._values[sim].tolist()
        # NaN: nothing is set at present
        return {n: v for n, v in zip(self.names, values, strict=True) if not math.isnan(v)}

    def events(self, sim: int, steps: int) -> list[Event]:
        """Return what is drawn within the first `steps` steps of one simulation's episode."""
        found = [
            Event(
                step=step,
                drawn=dict(zip(term.names, values.tolist(), strict=True)),
            )
            for step, term, values in self._events.history(sim, steps)
        ]
        return sorted(found, key=lambda event: event.step)

    def get_state(self) -> dict[str, Any]:
        """Return a copy of everything that has been drawn."""
        return {"values": self._values.copy(), "events": self._events.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned; the random numbers are restored before."""
        everyone = np.arange(len(self._values))
        self._values[:] = state["values"]
        self._events.set_state(state["events"])
        if self._jitter is not None:
            self._jitter.begin(everyone)
        self._write(self._plan, everyone)

    def _write(self, plan: Plan, ids: Ids) -> None:
        plan.write(self._values, ids)
        if self._jitter is not None and "actuator_delay" in plan.names:
            self._jitter.note_latency(ids)


def _bound(config: RandomisationConfig, subject: Subject) -> list[BoundTerm]:
    """Return the terms that this model has objects for, each of them checked."""
    terms = [BoundTerm(term, subject) for term in config.terms]
    bound = check_terms([term for term in terms if term.targets], subject.model)
    if terms and not bound:
        raise ConfigError(
            "randomisation: none of its terms belongs to anything in this model "
            f"({', '.join(sorted({t.config.quantity for t in terms}))}); choose another preset"
        )
    return bound


def _fields(terms: Sequence[BoundTerm], simulation: Simulation) -> Fields:
    """Return the arrays that the terms write."""
    fields = Fields(simulation)
    own = [term for term in terms if term.quantity.store == "own"]
    fields.add_own({term.quantity.field: term.field_shape for term in own})
    for term in terms:
        name, store = term.quantity.field, term.quantity.store
        if store == "state":
            fields.bind(name)
        elif store == "model":
            for field in term.fields:
                fields.expand(field)
        if name == "command_latency_jitter_s":
            fields.expand("actuator_delay")
        if name == "pseudo_inertia":
            for field in INERTIA_FIELDS:
                fields.expand(field)
    return fields
