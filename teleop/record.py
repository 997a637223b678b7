"""Record demonstrations of a task: device, arm, recorder and session put together."""

from __future__ import annotations

import getpass
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from teleop.backends.mujoco import MujocoBackend
from teleop.devices import open_device, require_device
from teleop.devices.base import DeviceContext
from teleop.session import Progress, RecordingSession, SessionConfig, SessionResult
from trirl_robot.demos.checks import warnings
from trirl_robot.demos.recorder import DemonstrationRecorder, Existing, Stored
from trirl_robot.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RecordSummary:
    """What a recording session has left behind."""

    output: Path
    """The file of demonstrations."""
    episodes: int
    """Demonstrations kept in this session."""
    total_episodes: int
    """Demonstrations in the file now."""
    successes: int
    """How many of those kept in this session fulfilled the task."""
    put_aside: tuple[Stored, ...]
    """Episodes in quarantine: failed, discarded or cut off."""
    recovered: Stored | None
    """An episode that an earlier, killed session had left; None usually."""
    mean_steps: float
    """Mean length of a demonstration [steps]; NaN without any."""
    rate_hz: float
    """Mean control rate achieved, as measured [Hz]; NaN without any."""
    late_share: float
    """Share of the cycles that missed their deadline; NaN without any."""
    saturated_share: float
    """Share of the steps at which an action was at its limit; NaN without any."""
    idle_share: float
    """Share of the steps at which nothing was commanded; NaN without any."""
    warnings: tuple[str, ...]
    """What is worth a second look, one sentence each."""
    interrupted: bool
    """The session was asked to stop before it had everything."""


def record(
    task: str,
    device: str,
    episodes: int,
    output: Path,
    *,
    seed: int = 0,
    randomisation: str = "light",
    realtime: bool = True,
    existing: Existing = "refuse",
    operator: str | None = None,
    on_start: Callable[[Stored | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> RecordSummary:
    """Record demonstrations of a simulated task into one HDF5 file.

    Ctrl-C and SIGTERM end the session after the current cycle; whole demonstrations are kept.

    Args:
        task: task name or YAML file.
        device: name of the device.
        episodes: demonstrations to keep.
        output: HDF5 file to write.
        seed: fixes what is drawn; more is drawn anew when a file is extended.
        randomisation: preset of the dynamics drawn at each episode.
        realtime: keep to the control rate; otherwise as fast as the machine can.
        existing: what to do when `output` exists.
        operator: who demonstrates; the name of the user by default.
        on_start: called once with what was recovered from an earlier session.
        on_progress: called after every cycle and every stored episode.

    Raises:
        ConfigError: an unknown name, or fewer than one episode.
        DatasetError: the output exists, its folder does not, it is damaged, or it is in use.
        ContractError: the output exists with another contract.
    """
    if episodes < 1:
        raise ConfigError(f"episodes is {episodes}, expected at least 1")
    require_device(device)
    # the contract of the output is checked before the simulation draws anything
    backend = MujocoBackend(task, randomisation=randomisation, seed=seed)
    with DemonstrationRecorder(output, backend.contract, backend.task, existing) as recorder:
        if on_start is not None:
            on_start(recorder.recovered)
        first = recorder.num_kept()
        if first:
            # the same seed again would record the same demonstrations again
            fresh = int(np.random.SeedSequence([seed, first]).generate_state(1)[0])
            backend = MujocoBackend(task, randomisation=randomisation, seed=fresh)
        context = DeviceContext(
            contract=backend.contract,
            robot=backend.robot,
            task=backend.task_config,
            seed=(seed, first),
        )
        opened = open_device(device, context)
        config = SessionConfig(
            episodes=episodes,
            device=device,
            operator=operator or _user(),
            realtime=realtime,
        )
        session = RecordingSession(backend, opened, recorder, config, on_progress)
        try:
            with _stopped_by_signals(session.stop):
                result = session.run()
        finally:
            opened.close()
            backend.close()
        total = recorder.num_kept()
        return _summary(result, output, total, recorder.recovered, backend)


def _summary(
    result: SessionResult,
    output: Path,
    total: int,
    recovered: Stored | None,
    backend: MujocoBackend,
) -> RecordSummary:
    kept = result.kept

    def mean(name: str) -> float:
        return float(np.mean([getattr(figures, name) for figures in kept])) if kept else np.nan

    found = [
        f"demonstration {number} of this session: {problem}"
        for number, figures in enumerate(kept, start=1)
        for problem in warnings(figures, backend.contract)
    ]
    constant = [set(figures.constant_features) for figures in kept]
    if kept and set.intersection(*constant):
        found.append(f"these never changed: {', '.join(sorted(set.intersection(*constant)))}")
    return RecordSummary(
        output=output,
        episodes=len(kept),
        total_episodes=total,
        successes=sum(figures.success for figures in kept),
        put_aside=tuple(result.put_aside),
        recovered=recovered,
        mean_steps=mean("steps"),
        rate_hz=mean("rate_hz"),
        late_share=mean("late_share"),
        saturated_share=mean("saturated_share"),
        idle_share=mean("idle_share"),
        warnings=tuple(found),
        interrupted=result.interrupted,
    )


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on Ctrl-C and SIGTERM within the block; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
