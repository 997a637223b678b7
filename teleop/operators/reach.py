"""A scripted operator that reaches for a target.

It sees what an operator sees, the measured arm and the target. After a reaction time it makes one
large movement towards where it believes the target to be, then looks, and corrects what is left by
small movements that overlap, as people do (Meyer et al. 1988).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teleop.devices.base import DeviceContext, DeviceFeatures, OperatorView
from teleop.ik import InverseKinematics
from teleop.operators.events import unattended_event
from teleop.operators.hand import Hand, HandTraits, Movement

Array = NDArray[np.float64]

FREE_HAND = HandTraits(
    drift_rad=0.006, drift_time_s=0.25, tremor_rad=0.006, noise_per_speed_s=0.008
)
"""A hand that has nothing to touch."""


@dataclass(frozen=True, kw_only=True)
class ReachTraits:
    """How the scripted operator reaches; spreads are relative standard deviations."""

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
    hand: HandTraits = FREE_HAND
    """How steady the hand is."""


class ReachOperator:
    """A device without a person; every episode has its own speed, path and noise."""

    features = DeviceFeatures(delivers="joint_position", unattended=True)
    event = staticmethod(unattended_event)

    def __init__(self, context: DeviceContext, traits: ReachTraits | None = None) -> None:
        """Prepare the operator.

        Args:
            context: contract, robot and seed.
            traits: how it moves; the default suits a small table-top arm.
        """
        self._traits = traits or ReachTraits()
        self._generator = np.random.default_rng(context.seed)
        self._ik = InverseKinematics(context.robot)
        self._hand = Hand(self._traits.hand, context.contract, self._generator)
        self._next_look_s = 0.0
        self._seen: deque[Array] = deque(maxlen=1)

    def begin(self, view: OperatorView) -> None:
        """Take the arm as it stands and plan the first movement."""
        traits, draw, origin = self._traits, self._generator, view.joint_command
        self._hand.begin(origin)
        delay = max(1, round(traits.visual_delay_s / self._hand.period_s))
        self._seen = deque([view.end_effector_position], maxlen=delay)
        start = self._ik.end_effector_position(origin)
        path = view.target_position - start
        spread = traits.aim_spread * float(np.linalg.norm(path))
        aim = start + (1.0 - traits.undershoot) * path + draw.normal(0.0, spread, 3)
        change = self._ik.solve(origin, aim) - origin
        self._start(self._plan(change, draw.uniform(*traits.reaction_s)))

    def command(self, view: OperatorView) -> Array:
        """Return where the hand wants the joints to be, shape (J,), rad."""
        # a command sent now is where the arm should be at the end of this cycle
        time_s = (view.step + 1) * self._hand.period_s
        if time_s >= self._next_look_s:
            self._correct(view, time_s)
        self._seen.append(view.end_effector_position)
        return self._hand.command(time_s)

    def close(self) -> None:
        """Nothing is held open."""

    def _plan(self, change: Array, start_s: float) -> Movement:
        traits, draw = self._traits, self._generator
        length = float(np.abs(change).max())
        wanted = traits.base_duration_s + traits.duration_per_rad_s * length
        wanted *= float(np.exp(draw.normal(0.0, traits.duration_spread)))
        path = np.stack([np.zeros_like(change), change])
        least = self._hand.least_duration(path, traits.peak_action)
        return Movement(
            start_s=start_s,
            duration_s=max(least, min(wanted, traits.longest_s)),
            path=path,
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
        hand = self._hand.at(time_s)
        aim = self._ik.end_effector_position(hand) + draw.uniform(0.75, 1.0) * error
        change = self._ik.solve(hand, aim) - hand
        self._start(
            Movement(
                start_s=time_s - self._hand.period_s,
                duration_s=draw.uniform(*traits.correction_s) + 0.3 * float(np.abs(change).max()),
                path=np.stack([np.zeros_like(change), change]),
            )
        )

    def _start(self, movement: Movement) -> None:
        self._hand.start(movement)
        self._next_look_s = movement.end_s + self._generator.uniform(*self._traits.look_s)
