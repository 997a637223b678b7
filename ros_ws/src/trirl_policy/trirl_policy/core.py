"""The control core: measured signals to safe commands, one call a cycle, without ROS.

Every fault leads to the same place: the command stops changing, the cause is latched, and nothing
moves again before `reset` and a new `activate`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trirl_policy.cycle import Cycle, Phase
from trirl_policy.faults import DECELERATING, Fault, FaultKind
from trirl_policy.joint_intake import JointIntake
from trirl_policy.safety import SafetyState
from trirl_policy.settings import Settings
from trirl_policy.watch import Counts, Watch
from trirl_robot.command import ActionMapping
from trirl_robot.contract import OBJECT_SOURCES, POSITION_SOURCES, PolicyContract
from trirl_robot.errors import ContractError, DeploymentError, StaleObservationError
from trirl_robot.observation import ObservationBuilder, Signals

Array = NDArray[np.float64]


class Model(Protocol):
    """What the core needs of a policy."""

    contract: PolicyContract

    def run(self, *, observation: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return actions (B, m) for observations (B, n)."""


class ControlCore:
    """One policy on one arm; the caller brings messages and time, and sends the commands."""

    def __init__(self, model: Model, settings: Settings, safety: SafetyState | None = None) -> None:
        """Prepare.

        Args:
            model: the policy.
            settings: when to hold, stop and latch.
            safety: latch and emergency stop that were there before this policy; new if None.

        Raises:
            ContractError: the policy reads or commands what this node cannot measure or send.
        """
        contract = model.contract
        self.contract = contract
        self.settings = settings
        self.counts = Counts()
        self.safety = SafetyState() if safety is None else safety
        self.last_refusal = ""
        self.phase = Phase.INACTIVE
        self.joints = JointIntake(contract.joint_names, settings.joint_state_timeout_s)
        self._model = model
        unseen = [f.name for f in contract.observation if f.source in OBJECT_SOURCES]
        if unseen:
            raise ContractError(
                f"the policy reads {', '.join(unseen)}, and this node has no source of an object's "
                "pose; run it in simulation, or train a policy without these fields"
            )
        self._builder = ObservationBuilder(contract)
        self._mapping = ActionMapping(contract)
        self._watch = Watch(settings, contract.joint_names, self.counts)
        self._minimum = np.array([limit.position_min for limit in contract.limits])
        self._maximum = np.array([limit.position_max for limit in contract.limits])
        self._acceleration = np.array([limit.acceleration for limit in contract.limits])
        self._command = np.array(contract.default_joint_positions)
        self._command_velocity = np.zeros(len(contract.joint_names))
        self._previous_action = np.zeros(contract.action_size)
        self._target: Array | None = None
        self._target_s = 0.0
        self._frames = {f.frame for f in contract.observation if f.source in POSITION_SOURCES}
        self._ramp_start_s: float | None = None

    @property
    def shadow(self) -> bool:
        """Whether commands are only shown."""
        return self.settings.mode == "shadow"

    @property
    def latch(self) -> Fault | None:
        """Why nothing moves; None when not latched."""
        return self.safety.fault

    def warm_up(self) -> None:
        """Run the policy once, as the first call is slow."""
        self._model.run(observation=np.zeros((1, self.contract.observation_size)))

    def on_joint_state(
        self,
        names: Sequence[str],
        position: Sequence[float],
        velocity: Sequence[float],
        stamp_ns: int,
        now_s: float,
    ) -> None:
        """Take a joint state; see `JointIntake.accept`."""
        refused = self.joints.refused
        fault = self.joints.accept(names, position, velocity, stamp_ns, now_s)
        if self.joints.refused > refused:
            self._refuse("a joint state has not one name for each position, or repeats a name")
        if fault is not None and self.phase is not Phase.INACTIVE:
            self._stop(fault)

    def on_target(self, position: Sequence[float], now_s: float, frame_id: str = "") -> None:
        """Take a target; one that is not finite or in another frame is refused.

        Args:
            position: 3 numbers [m].
            now_s: monotonic time of arrival [s].
            frame_id: frame of the position; empty for the contract's.
        """
        target = np.asarray(position, dtype=np.float64)
        if target.shape != (3,) or not np.isfinite(target).all():
            self._refuse(f"a target is {target.tolist()}, expected 3 finite numbers")
        elif frame_id and self._frames and frame_id not in self._frames:
            expected = " or ".join(sorted(map(repr, self._frames)))
            self._refuse(f"a target is in the frame '{frame_id}', expected {expected}")
        else:
            self._target, self._target_s = target, now_s

    def on_emergency_stop(self, pressed: bool, now_s: float) -> None:
        """Take a message of the emergency stop; it latches whether active or not."""
        fault = self.safety.on_emergency_stop(pressed, now_s)
        if fault is not None:
            self._stop(fault)

    def activate(self, now_s: float) -> None:
        """Start from the measured pose, also where it is a little outside the limits.

        Raises:
            DeploymentError: latched, or the arm stands further outside its limits than accepted.
            StaleObservationError: no fresh joint state.
        """
        if self.latch is not None:
            raise DeploymentError(f"latched by {self.latch}; call the reset service first")
        stale = self.joints.check(now_s)
        if stale is not None:
            raise StaleObservationError(stale.message)
        silent = self._heartbeat(now_s)
        if silent is not None:
            raise StaleObservationError(silent.message)
        measured = self.joints.position
        beyond = np.abs(np.clip(measured, self._minimum, self._maximum) - measured)
        worst = int(np.argmax(beyond))
        if beyond[worst] > self.settings.activation_margin:
            raise DeploymentError(
                f"{self.contract.joint_names[worst]} is at {measured[worst]:.3f}, its limits are "
                f"{self._minimum[worst]:.3f} to {self._maximum[worst]:.3f}; move it inside first"
            )
        self._command = measured.copy()
        self._command_velocity = np.zeros_like(self._command)
        self._previous_action = np.zeros_like(self._previous_action)
        self._watch.clear()
        self._ramp_start_s = None
        self.phase = Phase.HOLDING

    def deactivate(self) -> None:
        """Stop commanding; a latch stays, the target does not."""
        self.phase = Phase.INACTIVE
        self._target = None

    def reset(self) -> None:
        """Clear the latch; the arm moves again only after a new activation.

        Raises:
            DeploymentError: the core is still active, or the emergency stop is still pressed.
        """
        if self.phase is Phase.LATCHED and not self.safety.pressed:
            # still active: only leaving and entering the active state again may move the arm
            raise DeploymentError("the node is still active; deactivate it, then reset")
        self.safety.reset()

    def cycle(self, now_s: float, *, missed_deadline: bool = False) -> Cycle:
        """Do one control cycle.

        Args:
            now_s: monotonic time [s], of the same clock as the messages.
            missed_deadline: whether this cycle, or the one before it, was late.
        """
        if self.phase is Phase.INACTIVE:
            return self._idle()
        self.counts.cycles += 1
        fault = self._faults(now_s, missed_deadline)
        if fault is not None:
            self._stop(fault)
        if self.phase is Phase.LATCHED:
            return self._brake()
        if self._target_is_stale(now_s):
            return self._wait()
        return self._act(now_s)

    def _faults(self, now_s: float, missed_deadline: bool) -> Fault | None:
        late = self._watch.deadline(missed_deadline)
        tracking = (
            None if self.shadow else self._watch.tracking(self.joints.position, self._command)
        )
        # a stale measurement says nothing about tracking: it comes first
        return self.joints.check(now_s) or self._heartbeat(now_s) or late or tracking

    def _heartbeat(self, now_s: float) -> Fault | None:
        return self.safety.heartbeat(now_s, self.settings.emergency_stop_timeout_s)

    def _target_is_stale(self, now_s: float) -> bool:
        limit_s = self.settings.target_timeout_s
        return self._target is None or (limit_s > 0.0 and now_s - self._target_s > limit_s)

    def _wait(self) -> Cycle:
        """Hold because there is no fresh target; as configured, latch."""
        if self.settings.target_stale == "latch" and self._target is not None:
            self._stop(
                Fault(
                    kind=FaultKind.TARGET_STALE,
                    message=f"no target for {self.settings.target_timeout_s:.3f} s",
                )
            )
        else:
            self.phase = Phase.HOLDING
        self._previous_action = np.zeros_like(self._previous_action)
        self._ramp_start_s = None
        return self._brake()

    def _act(self, now_s: float) -> Cycle:
        """Ask the policy and command what it answers, within the limits."""
        if self.shadow:
            # what it would do from here: nothing that it wished before has happened
            self._command, self._command_velocity = self.joints.position, self.joints.velocity
        observation = self._observe()
        start_s = time.perf_counter()
        action = self._model.run(observation=observation[None])[0].astype(np.float64)
        inference_s = time.perf_counter() - start_s
        finite = bool(np.isfinite(action).all())
        fault = self._watch.nonfinite(not finite)
        if fault is not None:
            self._stop(fault)
        if not finite:
            self._command_velocity = np.zeros_like(self._command)
            return self._outcome(observation, action, inference_s)
        fault = self._move(action, self._ramp(now_s))
        # in shadow mode nobody follows the command: limits are met over and over
        if fault is not None and not (self.shadow and fault.kind is FaultKind.COMMAND_LIMITED):
            self._stop(fault)
        return self._outcome(observation, action, inference_s)

    def _move(self, action: Array, ramp: float) -> Fault | None:
        applied = action
        if ramp < 1.0:
            still = self._mapping.action_towards(self._command, self._command)
            applied = still + ramp * (action - still)
        limited = self._mapping.command(applied, self._command, self._command_velocity)
        self._command, self._command_velocity = limited.position, limited.velocity
        self._previous_action = np.clip(applied, -1.0, 1.0)
        return self._watch.limits(limited)

    def _ramp(self, now_s: float) -> float:
        """Return the share of an action that is applied, and note the phase."""
        if self._ramp_start_s is None:
            # from the first action on, however long the arm held before
            self._ramp_start_s = now_s - self.contract.control_period_s
        elapsed_s = now_s - self._ramp_start_s
        ramp_s = self.settings.ramp_s
        done = ramp_s == 0.0 or elapsed_s >= ramp_s
        self.phase = Phase.RUNNING if done else Phase.RAMPING
        return 1.0 if done else elapsed_s / ramp_s

    def _observe(self) -> Array:
        assert self._target is not None
        observation = self._builder.build(
            Signals(
                joint_position=self.joints.position,
                joint_velocity=self.joints.velocity,
                joint_command=self._command,
                previous_action=self._previous_action,
                target_position=self._target,
            )
        )
        # the trace shows the numbers that the model gets
        return observation.astype(np.float32).astype(np.float64)

    def _brake(self) -> Cycle:
        """Slow the command down within the acceleration limit, then hold it."""
        period_s = self.contract.control_period_s
        change = self._acceleration * period_s
        velocity = self._command_velocity
        velocity = np.sign(velocity) * np.maximum(np.abs(velocity) - change, 0.0)
        position = self._command + velocity * period_s
        # an arm that was activated outside its limits is held there, not thrown inside
        low, high = (
            np.minimum(self._minimum, self._command),
            np.maximum(self._maximum, self._command),
        )
        self._command = np.clip(position, low, high)
        self._command_velocity = velocity
        return self._outcome(None, None, 0.0)

    def _stop(self, fault: Fault) -> None:
        """Latch and stop."""
        self.counts.latches += self.safety.latch(fault)
        if self.phase is not Phase.INACTIVE:
            self.phase = Phase.LATCHED
        if fault.kind not in DECELERATING:
            self._command_velocity = np.zeros_like(self._command_velocity)

    def stop_for(self, message: str) -> None:
        """Latch because of an error in the program around the core."""
        self._stop(Fault(kind=FaultKind.INTERNAL_ERROR, message=message))

    def _refuse(self, why: str) -> None:
        self.counts.refused_messages += 1
        self.last_refusal = why

    def _idle(self) -> Cycle:
        return self._outcome(None, None, 0.0)

    def _outcome(
        self, observation: Array | None, action: Array | None, inference_s: float
    ) -> Cycle:
        nothing = np.nan
        return Cycle(
            phase=self.phase,
            observation=np.full(self.contract.observation_size, nothing)
            if observation is None
            else observation,
            action=np.full(self.contract.action_size, nothing) if action is None else action,
            command=self._command.copy(),
            inference_s=inference_s,
        )
