"""Joint states as they arrive: matched by name, checked, aged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trirl_policy.faults import Fault, FaultKind

Array = NDArray[np.float64]


class JointIntake:
    """Keeps the latest joint state of the joints that a contract names.

    A message that is malformed or of other joints is refused (counted in `refused`) and changes
    nothing; one that shows a fault of the robot is returned as a `Fault`.
    """

    def __init__(self, joint_names: tuple[str, ...], timeout_s: float) -> None:
        self._names = joint_names
        self._timeout_s = timeout_s
        self.position: Array = np.zeros(len(joint_names))
        self.velocity: Array = np.zeros(len(joint_names))
        self.refused = 0
        self._stamp_ns: int | None = None
        self._fresh_s: float | None = None
        self._repeated = False

    def accept(
        self,
        names: Sequence[str],
        position: Sequence[float],
        velocity: Sequence[float],
        stamp_ns: int,
        now_s: float,
    ) -> Fault | None:
        """Take one message.

        Args:
            names: joint names in the message's order.
            position: positions in that order, rad or m.
            velocity: velocities in that order, rad/s or m/s.
            stamp_ns: time of the measurement in the robot's clock, ns.
            now_s: monotonic time of arrival, s.

        Returns:
            The fault that the message shows, or None.
        """
        places = {name: place for place, name in enumerate(names)}
        if not any(name in places for name in self._names):
            return None  # another device's message on the same topic
        if len(places) != len(names) or len(position) != len(names):
            self.refused += 1
            return None
        missing = [name for name in self._names if name not in places]
        if missing or len(velocity) != len(names):
            what = f"{', '.join(missing)}" if missing else "the velocities"
            return Fault(
                kind=FaultKind.JOINT_STATE_INCOMPLETE,
                message=f"a joint state lacks {what}; expected position and velocity of "
                f"{', '.join(self._names)}",
            )
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            back_s = (self._stamp_ns - stamp_ns) * 1e-9
            self._stamp_ns = stamp_ns
            return Fault(
                kind=FaultKind.JOINT_STATE_TIME_BACKWARDS,
                message=f"a joint state is {back_s:.3f} s older than the one before it; expected "
                "one publisher with a steady clock",
            )
        return self._take(
            [places[name] for name in self._names], position, velocity, stamp_ns, now_s
        )

    def check(self, now_s: float) -> Fault | None:
        """Return a fault when the latest joint state is too old to act on."""
        if self._fresh_s is None:
            return Fault(
                kind=FaultKind.JOINT_STATE_STALE,
                message=f"no joint state of {', '.join(self._names)} has arrived; is the hardware "
                "running, and are the names the contract's?",
            )
        age_s = now_s - self._fresh_s
        if age_s > self._timeout_s:
            hint = "; its stamp does not advance" if self._repeated else ""
            return Fault(
                kind=FaultKind.JOINT_STATE_STALE,
                message=f"the last joint state is {age_s:.3f} s old, expected at most "
                f"{self._timeout_s:.3f} s{hint}",
            )
        return None

    def age_s(self, now_s: float) -> float:
        """Return the age of the latest joint state [s]; infinite when there is none."""
        return float("inf") if self._fresh_s is None else now_s - self._fresh_s

    def _take(
        self,
        order: list[int],
        position: Sequence[float],
        velocity: Sequence[float],
        stamp_ns: int,
        now_s: float,
    ) -> Fault | None:
        new_position = np.asarray(position, dtype=np.float64)[order]
        new_velocity = np.asarray(velocity, dtype=np.float64)[order]
        if not (np.isfinite(new_position).all() and np.isfinite(new_velocity).all()):
            bad = [
                name
                for name, p, v in zip(self._names, new_position, new_velocity, strict=True)
                if not np.isfinite(p + v)
            ]
            return Fault(
                kind=FaultKind.JOINT_STATE_NOT_FINITE,
                message=f"the joint state of {', '.join(bad)} is NaN or infinite; expected numbers",
            )
        # a driver that repeats its last reading under the same stamp is not alive
        self._repeated = stamp_ns == self._stamp_ns
        if not self._repeated:
            self._fresh_s = now_s
        self._stamp_ns = stamp_ns
        self.position, self.velocity = new_position, new_velocity
        return None
