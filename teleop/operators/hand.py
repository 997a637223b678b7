"""How a scripted operator's hand moves: bell-shaped movements that add up, and noise.

A movement's speed is bell-shaped (minimum jerk, Flash and Hogan 1985), and corrections overlap with
what they correct (Meyer et al. 1988). The hand is never quite still: correlated noise, which grows
with speed (Harris and Wolpert 1998), and a fast tremor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract

Array = NDArray[np.float64]

PEAK_TO_MEAN = 15.0 / 8.0
"""Greatest speed of a minimum-jerk movement divided by its mean."""


@dataclass(frozen=True, kw_only=True)
class HandTraits:
    """How steady the hand is."""

    drift_rad: float
    """Standard deviation of the slow noise [rad]."""
    drift_time_s: float
    """Correlation time of the slow noise [s]."""
    tremor_rad: float
    """Standard deviation of the fast tremor [rad]."""
    noise_per_speed_s: float
    """Additional noise for each rad/s of joint speed [s]."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """One bell-shaped movement in joint space."""

    start_s: float
    """When it begins [s]."""
    duration_s: float
    """How long it takes [s]."""
    path: Array
    """Joint positions gained at evenly spaced points of the way, (K, J), rad; the first are 0."""
    bow: Array | None = None
    """Sideways deviation halfway, (J,), rad."""
    skew: float = 1.0
    """Below 1 the speed peaks early, above 1 late."""

    def at(self, time_s: float) -> Array:
        """Return the change so far, (J,), rad."""
        progress = np.clip((time_s - self.start_s) / self.duration_s, 0.0, 1.0) ** self.skew
        travelled = progress**3 * (10.0 - 15.0 * progress + 6.0 * progress**2)
        place = travelled * (len(self.path) - 1)
        before = min(int(place), len(self.path) - 2)
        part = place - before
        change = (1.0 - part) * self.path[before] + part * self.path[before + 1]
        if self.bow is not None:
            change = change + 16.0 * progress**2 * (1.0 - progress) ** 2 * self.bow
        return np.asarray(change)

    @property
    def end_s(self) -> float:
        """When it is over [s]."""
        return self.start_s + self.duration_s


class Hand:
    """Movements in progress and noise; times count from the start of the episode."""

    def __init__(
        self, traits: HandTraits, contract: PolicyContract, generator: np.random.Generator
    ) -> None:
        self._traits, self._generator = traits, generator
        self.period_s = contract.control_period_s
        limits = contract.limits
        self._minimum = np.asarray([limit.position_min for limit in limits])
        self._maximum = np.asarray([limit.position_max for limit in limits])
        self.fastest = _fastest(contract)
        self.begin(np.zeros(len(limits)))

    def begin(self, joint_position: Array) -> None:
        """Rest at `joint_position`, (J,), rad."""
        self._origin = joint_position.copy()
        self._last = self._origin
        self._drift = np.zeros_like(self._origin)
        self._movements: list[Movement] = []

    def start(self, movement: Movement) -> None:
        """Add a movement to those in progress."""
        self._movements.append(movement)

    def stop(self, joint_position: Array) -> None:
        """Break off every movement and hold `joint_position`, (J,), rad."""
        self._origin, self._movements = joint_position.copy(), []

    def at(self, time_s: float) -> Array:
        """Return where the hand means to be, (J,), rad."""
        return np.asarray(self._origin + sum(m.at(time_s) for m in self._movements))

    @property
    def goal(self) -> Array:
        """Where the movements in progress lead, (J,), rad."""
        return self.at(np.inf)

    def least_duration(self, path: Array, peak_action: float) -> float:
        """Return how long a path takes at least [s].

        Args:
            path: joint positions on the way, (K, J), rad.
            peak_action: greatest action that the movement may need.
        """
        stretches = np.abs(np.diff(path, axis=0)) * (len(path) - 1)
        return float((stretches / self.fastest).max()) * PEAK_TO_MEAN / peak_action

    def command(self, time_s: float) -> Array:
        """Return where the hand is, noise included, (J,), rad; called once a cycle."""
        wish = self.at(time_s)
        speed = np.abs(wish - self._last) / self.period_s
        self._last = wish
        return np.clip(wish + self._noise(speed), self._minimum, self._maximum)

    def _noise(self, speed: Array) -> Array:
        """Advance the noise by one cycle; (J,), rad."""
        traits, draw = self._traits, self._generator
        memory = np.exp(-self.period_s / traits.drift_time_s)
        fresh = draw.standard_normal((2, len(speed)))
        self._drift = memory * self._drift + np.sqrt(1.0 - memory**2) * traits.drift_rad * fresh[0]
        tremor = (traits.tremor_rad + traits.noise_per_speed_s * speed) * fresh[1]
        return np.asarray(self._drift + tremor)


def _fastest(contract: PolicyContract) -> Array:
    """Return the greatest speeds that actions can command, (J,), rad/s."""
    (action,) = contract.action
    velocity = np.asarray([limit.velocity for limit in contract.limits])
    scale = np.asarray(action.scale)
    if action.kind == "joint_position_delta":
        velocity = np.minimum(velocity, scale / contract.control_period_s)
    elif action.kind == "joint_velocity":
        velocity = np.minimum(velocity, scale)
    return velocity
