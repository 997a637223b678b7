"""Command latency that differs from one command to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import NoiseTable
from trirl_robot.sim.randomisation.fields import Fields
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S, Simulation

Ids = NDArray[np.intp]


class CommandJitter:
    """Adds normal noise to the latency of the actuators, anew at each control step.

    A robot's joints are commanded by one message, so all of them are late together.
    """

    def __init__(self, fields: Fields, random: EpisodeRandom, simulation: Simulation) -> None:
        self._delay = fields.array("actuator_delay")
        self._deviation = fields.array("command_latency_jitter_s")
        self._latency = self._delay.copy()
        self._noise = NoiseTable(random, Stream.JITTER, simulation.num_envs, 1)
        self._wanted = np.zeros(self._deviation.shape)

    def note_latency(self, ids: Ids) -> None:
        """Take the latency that has just been drawn for `ids` as the mean."""
        self._latency[ids] = self._delay[ids]

    def advance(self, steps: NDArray[np.int64]) -> None:
        """Set the latency of this control step's commands."""
        wanted = np.multiply(self._deviation, self._noise.at(steps), out=self._wanted)
        columns = wanted.shape[1]
        wanted += self._latency[:, :columns]
        np.clip(wanted, 0.0, MAXIMUM_LATENCY_S, out=wanted)
        self._delay[:, :columns] = wanted

    def restore(self, steps: NDArray[np.int64]) -> None:
        """Draw the present block of noise again, `steps` into each episode."""
        self._noise.refill(np.arange(len(steps)), steps)
