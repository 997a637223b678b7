"""A scripted operator that moves like a person: inverse kinematics, submovements and hand noise.

It sees what an operator sees, the measured arm and the target. After a reaction time it makes one
large movement towards where it believes the target to be, with a bell-shaped speed (minimum jerk,
Flash and Hogan 1985), then looks, and corrects what is left by small movements that overlap, as
people do (Meyer et al. 1988). Its hand is never quite still: correlated noise, which grows with
speed (Harris and Wolpert 1998), and a fast tremor.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teleop.devices.base import DeviceContext, DeviceFeatures, OperatorView
from teleop.ik import InverseKinematics
from teleop.machine import Event, State

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OperatorTraits:
    """How the scripted operator moves; spreads are relative standard deviations."""

    reaction_s: tuple[float, float] = (0.06, 0.16)
    """Range of the time before the first movement [s]."""
    visual_delay_s: float = 0.12
    """Age of what the operator sees when correcting [s]."""
    base_duration_s: float = 0.35
    """Duration of a movement of no length [s]."""
    duration_per_rad_s: float = 0.4
    """Additional duration for each radian of the joint that moves most [s/rad]."""
    duration_spread: float = 0.15
    """Spread of the duration between demonstrations."""
    longest_s: float = 1.8
    """Longest first movement [s]."""
    peak_action: float = 0.95
    """Greatest action that a first movement is planned to need."""
    aim_spread: float = 0.04
    """Spread of the first movement's end, relative to its length."""
    undershoot: float = 0.03
    """Share by which a first movement falls short."""
    bow: float = 0.07
    """Spread of the path's curvature, relative to the movement's length."""
    correction_s: tuple[float, float] = (0.2, 0.35)
    """Range of the duration of a corrective movement [s]."""
    look_s: tuple[float, float] = (0.08, 0.2)
    """Range of the pause between a movement's end and the next correction [s]."""
    deadband_m: float = 0.003
    """Error that the operator does not correct [m]."""
    drift_rad: float = 0.006
    """Standard deviation of the slow hand noise [rad]."""
    drift_time_s: float = 0.25
    """Correlation time of the slow hand noise [s]."""
    tremor_rad: float = 0.006
    """Standard deviation of the fast tremor [rad]."""
    noise_per_speed_s: float = 0.008
    """Additional noise for each rad/s of joint speed [s]."""


@dataclass(frozen=True, kw_only=True)
class _Submovement:
    """One bell-shaped movement in joint space."""

    start_s: float
    duration_s: float
    change: Array
    """Joint positions gained, shape (J,), rad."""
    bow: Array
    """Sideways deviation halfway, shape (J,), rad."""
    skew: float
    """Below 1 the speed peaks early, above 1 late."""

    def at(self, time_s: float) -> Array:
        """Return the change so far, shape (J,), rad."""
        progress = np.clip((time_s - self.start_s) / self.duration_s, 0.0, 1.0) ** self.skew
        travelled = progress**3 * (10.0 - 15.0 * progress + 6.0 * progress**2)
        bump = 16.0 * progress**2 * (1.0 - progress) ** 2
        return np.asarray(travelled * self.change + bump * self.bow)

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


class ScriptedOperator:
    """A device without a person; every episode has its own speed, path and noise."""

    features = DeviceFeatures(delivers="joint_position", unattended=True)

    def __init__(self, context: DeviceContext, traits: OperatorTraits | None = None) -> None:
        """Prepare the operator.

        Args:
            context: contract, robot and seed.
            traits: how it moves; the default suits a small table-top arm.
        """
        self._traits = traits or OperatorTraits()
        self._generator = np.random.default_rng(context.seed)
        self._ik = InverseKinematics(context.robot)
        self._period_s = context.contract.control_period_s
        self._action_scale = np.asarray(context.contract.action[0].scale)
        self._minimum = np.asarray([limit.position_min for limit in context.contract.limits])
        self._maximum = np.asarray([limit.position_max for limit in context.contract.limits])
        self._velocity = np.asarray([limit.velocity for limit in context.contract.limits])
        joints = len(context.contract.joint_names)
        self._origin = np.zeros(joints)
        self._last = np.zeros(joints)
        self._drift = np.zeros(joints)
        self._movements: list[_Submovement] = []
        self._next_look_s = 0.0
        self._seen: deque[Array] = deque(maxlen=1)

    def begin(self, view: OperatorView) -> None:
        """Take the arm as it stands and plan the first movement."""
        traits, draw = self._traits, self._generator
        self._origin = view.joint_command.copy()
        self._last = self._origin.copy()
        self._drift = np.zeros_like(self._origin)
        delay = max(1, round(traits.visual_delay_s / self._period_s))
        self._seen = deque([view.end_effector_position], maxlen=delay)
        start = self._ik.end_effector_position(self._origin)
        path = view.target_position - start
        spread = traits.aim_spread * float(np.linalg.norm(path))
        aim = start + (1.0 - traits.undershoot) * path + draw.normal(0.0, spread, 3)
        change = self._ik.solve(self._origin, aim) - self._origin
        first = self._plan(change, draw.uniform(*traits.reaction_s))
        self._movements = [first]
        self._look_after(first)

    def command(self, view: OperatorView) -> Array:
        """Return where the hand wants the joints to be, shape (J,), rad."""
        # a command sent now is where the arm should be at the end of this cycle
        time_s = (view.step + 1) * self._period_s
        if time_s >= self._next_look_s:
            self._correct(view, time_s)
        self._seen.append(view.end_effector_position)
        wish = self._reference(time_s)
        speed = np.abs(wish - self._last) / self._period_s
        self._last = wish
        return np.clip(wish + self._noise(speed), self._minimum, self._maximum)

    def event(self, state: State, success: bool) -> Event | None:
        """Begin at once; keep what succeeded."""
        if state is State.IDLE:
            return Event.START
        if state is State.REVIEW:
            return Event.SAVE if success else Event.DISCARD
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _plan(self, change: Array, start_s: float) -> _Submovement:
        traits, draw = self._traits, self._generator
        length = float(np.abs(change).max())
        wanted = traits.base_duration_s + traits.duration_per_rad_s * length
        wanted *= float(np.exp(draw.normal(0.0, traits.duration_spread)))
        # the speed of a minimum-jerk movement peaks at 15/8 of its mean
        fastest = np.minimum(self._velocity, self._action_scale / self._period_s)
        least = float((np.abs(change) / fastest).max()) * 15.0 / 8.0 / traits.peak_action
        return _Submovement(
            start_s=start_s,
            duration_s=max(least, min(wanted, traits.longest_s)),
            change=change,
            bow=draw.normal(0.0, traits.bow * length, len(change)),
            skew=float(draw.uniform(0.88, 1.1)),
        )

    def _correct(self, view: OperatorView, time_s: float) -> None:
        """Start a small movement towards the target if the error that is seen is worth it."""
        traits, draw = self._traits, self._generator
        error = view.target_position - self._seen[0]
        if np.linalg.norm(error) < traits.deadband_m:
            self._next_look_s = time_s + draw.uniform(*traits.look_s)
            return
        hand = self._reference(time_s)
        aim = self._ik.end_effector_position(hand) + draw.uniform(0.75, 1.0) * error
        change = self._ik.solve(hand, aim) - hand
        movement = _Submovement(
            start_s=time_s - self._period_s,
            duration_s=draw.uniform(*traits.correction_s) + 0.3 * float(np.abs(change).max()),
            change=change,
            bow=np.zeros_like(change),
            skew=1.0,
        )
        self._movements.append(movement)
        self._look_after(movement)

    def _look_after(self, movement: _Submovement) -> None:
        pause = self._generator.uniform(*self._traits.look_s)
        self._next_look_s = movement.end_s + pause

    def _reference(self, time_s: float) -> Array:
        return np.asarray(self._origin + sum(m.at(time_s) for m in self._movements))

    def _noise(self, speed: Array) -> Array:
        """Advance the hand noise by one cycle; shape (J,), rad."""
        traits, draw = self._traits, self._generator
        memory = np.exp(-self._period_s / traits.drift_time_s)
        fresh = draw.standard_normal((2, len(speed)))
        self._drift = memory * self._drift + np.sqrt(1.0 - memory**2) * traits.drift_rad * fresh[0]
        tremor = (traits.tremor_rad + traits.noise_per_speed_s * speed) * fresh[1]
        return np.asarray(self._drift + tremor)
