"""Command latency that differs from one command to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import StepDraws
from trirl_robot.sim.randomisation.fields import Fields
from trirl_robot.sim.simulation import MAXIMUM_LATENCY_S, Simulation

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Steps = NDArray[np.int64]


class CommandJitter:
    """Adds normal noise to the latency of the actuators, anew at each control step.

    A robot's joints are commanded by one message, so all of them are late together.
    """

    def __init__(self, fields: Fields, random: EpisodeRandom, simulation: Simulation) -> None:
        self._delay = fields.array("actuator_delay")
        self._deviation = fields.array("command_latency_jitter_s")
        self._latency = self._delay.copy()
        self._noise = StepDraws(random, Stream.JITTER, simulation.num_envs, normal=1)

    def begin(self, ids: Ids) -> None:
        """Begin with the noise of the present episodes of `ids`."""
        self._noise.begin(ids)

    def note_latency(self, ids: Ids) -> None:
        """Take the latency that has just been drawn for `ids` as the mean."""
        self._latency[ids] = self._delay[ids]

    def advance(self, steps: Steps) -> None:
        """Set the latency of this control step's commands."""
        normal, _ = self._noise.draw(steps)
        _delay(self._delay, self._latency, self._deviation, normal)


@compiled
def _delay(delay: Array, latency: Array, deviation: Array, noise: Array) -> None:
    """Write latency + deviation * noise into `delay` (N, actuators), within its limits.

    `noise` is (1, N).
    """
    num_envs, columns = deviation.shape
    for i in range(num_envs):
        for j in range(columns):
            wanted = deviation[i, j] * noise[0, i] + latency[i, j]
            delay[i, j] = min(max(wanted, 0.0), MAXIMUM_LATENCY_S)
