"""The recording session: a state machine at the control rate, for any device and any arm."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from teleop.backends.base import Backend, Sample
from teleop.devices.base import Device, OperatorView
from teleop.machine import Event, State, next_state
from teleop.pacing import Pacer
from trirl_robot.command import ActionMapping
from trirl_robot.demos.checks import Quality, quality
from trirl_robot.demos.recorder import DemonstrationRecorder, Stored
from trirl_robot.demos.schema import EpisodeMetadata, Outcome, Step
from trirl_robot.errors import DatasetError
from trirl_robot.versions import package_versions

PACKAGES = ("trirl-robot", "numpy", "h5py", "mujoco", "mink")
"""Packages whose versions are written with each demonstration."""


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What a session is to record."""

    episodes: int
    """Demonstrations to keep."""
    device: str
    """Name of the device, as written with each demonstration."""
    operator: str
    """Who demonstrates, as written with each demonstration."""
    realtime: bool = True
    """Keep to the clock; otherwise run as fast as the machine can."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a session reports after every cycle."""

    state: State
    """Where the session is."""
    kept: int
    """Demonstrations kept so far."""
    put_aside: int
    """Episodes put aside so far."""
    episodes: int
    """Demonstrations wanted."""
    step: int
    """Cycles of the episode so far."""
    max_episode_steps: int
    """Cycles in a whole episode."""
    rate_hz: float
    """Cycles per second since the episode began, as measured [Hz]."""
    stored: Stored | None
    """The episode that has just been kept or put aside; None otherwise."""


@dataclass(kw_only=True)
class SessionResult:
    """What a session has recorded."""

    kept: list[Quality] = field(default_factory=list)
    """Figures about each demonstration kept."""
    put_aside: list[Stored] = field(default_factory=list)
    """Episodes in quarantine: failed, discarded or cut off."""
    interrupted: bool = False
    """It was asked to stop before it had everything."""


class RecordingSession:
    """Runs one session; `stop` may be called from a signal handler or another thread."""

    def __init__(
        self,
        backend: Backend,
        device: Device,
        recorder: DemonstrationRecorder,
        config: SessionConfig,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Prepare; nothing moves before `run`.

        Args:
            backend: the arm.
            device: what the operator uses.
            recorder: where episodes go.
            config: how many, and who records.
            on_progress: called after every cycle and every stored episode.
        """
        self._backend, self._device, self._recorder = backend, device, recorder
        self._config, self._on_progress = config, on_progress
        self._mapping = ActionMapping(backend.contract)
        self._pacer = Pacer(backend.contract.control_period_s, config.realtime)
        self._versions = package_versions(PACKAGES)
        self._result = SessionResult()
        self._state = State.IDLE
        self._stop = False
        self._sample: Sample | None = None
        self._step = 0
        self._started_ns = 0

    def stop(self) -> None:
        """End the session after the current cycle; the episode in progress is put aside."""
        self._stop = True

    def run(self) -> SessionResult:
        """Record until there is enough, the operator quits, or `stop` was called.

        Raises:
            DatasetError: a device without a person failed far more often than it succeeded.
        """
        handlers = {
            State.IDLE: self._idle,
            State.RECORDING: self._record,
            State.REVIEW: self._review,
        }
        while self._state is not State.CLOSED:
            event = Event.QUIT if self._stop else handlers[self._state]()
            before, self._state = self._state, next_state(self._state, event)
            self._leave(before, event)
        enough = len(self._result.kept) >= self._config.episodes
        self._result.interrupted = self._stop and not enough
        return self._result

    def _idle(self) -> Event | None:
        if len(self._result.kept) >= self._config.episodes:
            return Event.QUIT
        event = self._device.event(State.IDLE, success=False)
        if event is Event.START:
            self._begin()
        elif event is None:
            time.sleep(self._backend.contract.control_period_s)
        return event

    def _begin(self) -> None:
        start = self._backend.begin_episode()
        self._step = 0
        self._device.begin(self._view(self._backend.observe()))
        # planning takes the device a while: look again, so that the first action is not late
        self._sample = self._backend.observe()
        self._started_ns = time.monotonic_ns()
        self._recorder.begin(
            EpisodeMetadata(
                episode_id=uuid4().hex,
                task=self._backend.task,
                task_parameters=start.task_parameters,
                dynamics=start.dynamics,
                model_xml=start.model_xml,
                operator=self._config.operator,
                device=self._config.device,
                started_utc=datetime.now(UTC).isoformat(),
                started_ns=self._started_ns,
                versions=self._versions,
            ),
            start.state_size,
        )
        self._pacer.start()

    def _record(self) -> Event | None:
        """Run one control cycle."""
        sample = self._sample
        assert sample is not None, "an episode begins with a sample"
        wish = self._device.command(self._view(sample))
        action = self._mapping.action_towards(wish, sample.joint_command)
        command_ns = time.monotonic_ns()
        self._backend.command(action)
        cycle = self._pacer.wait()
        following = self._backend.observe()
        self._recorder.append(
            Step(
                observation=sample.observation,
                action=action,
                next_observation=following.observation,
                state=sample.state,
                reward=following.reward,
                terminated=following.terminated,
                truncated=following.truncated,
                observation_ns=sample.observation_ns,
                command_ns=command_ns,
                late=cycle.late,
                dropped=cycle.dropped,
            )
        )
        self._sample = following
        self._step += 1
        self._report(None)
        if following.terminated or following.truncated:
            return Event.FINISH
        return self._device.event(State.RECORDING, success=following.success)

    def _review(self) -> Event | None:
        event = self._device.event(State.REVIEW, success=self._succeeded)
        if event is None:
            time.sleep(self._backend.contract.control_period_s)
        return event

    @property
    def _succeeded(self) -> bool:
        return self._sample is not None and self._sample.success

    def _leave(self, before: State, event: Event | None) -> None:
        """Store the episode that a transition has ended."""
        outcome: Outcome = "success" if self._succeeded else "failure"
        if before is State.REVIEW and event is Event.SAVE:
            self._stored(self._recorder.keep(outcome))
        elif before is State.REVIEW and event is Event.DISCARD:
            remark = "discarded" if self._succeeded else "the task was not fulfilled"
            self._stored(self._recorder.put_aside(outcome, remark))
        elif before is State.REVIEW and event is Event.QUIT:
            self._stored(self._recorder.put_aside(outcome, "the session ended before the verdict"))
        elif before is State.RECORDING and event in (Event.DISCARD, Event.QUIT):
            remark = "the session ended" if event is Event.QUIT else "discarded"
            self._stored(self._recorder.put_aside("interrupted", f"{remark} while it was recorded"))

    def _stored(self, stored: Stored | None) -> None:
        if stored is None:
            return
        if stored.kept:
            self._result.kept.append(quality(stored.demonstration, self._backend.contract))
        else:
            self._result.put_aside.append(stored)
        self._report(stored)
        aside, wanted = len(self._result.put_aside), self._config.episodes
        if self._device.features.unattended and aside > wanted + 5:
            raise DatasetError(
                f"the device '{self._config.device}' failed {aside} times and succeeded "
                f"{len(self._result.kept)} times; stopped before it had recorded {wanted} "
                f"demonstrations (the failed ones are in {stored.path})"
            )

    def _view(self, sample: Sample) -> OperatorView:
        return OperatorView(
            step=self._step,
            joint_position=sample.joint_position,
            joint_command=sample.joint_command,
            end_effector_position=sample.end_effector_position,
            target_position=sample.target_position,
            object_position=sample.object_position,
            object_orientation=sample.object_orientation,
        )

    def _report(self, stored: Stored | None) -> None:
        if self._on_progress is None:
            return
        elapsed_s = (time.monotonic_ns() - self._started_ns) * 1e-9
        self._on_progress(
            Progress(
                state=self._state,
                kept=len(self._result.kept),
                put_aside=len(self._result.put_aside),
                episodes=self._config.episodes,
                step=self._step,
                max_episode_steps=self._backend.max_episode_steps,
                rate_hz=self._step / elapsed_s if elapsed_s > 0 else 0.0,
                stored=stored,
            )
        )
