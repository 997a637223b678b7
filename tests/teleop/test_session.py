"""The session with an arm and a device of a few lines: it must know neither."""

import time

import numpy as np
import pytest

from teleop.backends.base import EpisodeStart, Sample
from teleop.devices.base import DeviceFeatures
from teleop.machine import Event, State
from teleop.session import RecordingSession, SessionConfig
from trirl_robot.demos.dataset import load_demonstrations, read_demonstration
from trirl_robot.demos.recorder import DemonstrationRecorder
from trirl_robot.errors import DatasetError

STEPS = 6


class Arm:
    """Joints that are where they were told to be; it sees its own commands."""

    task = "planar-reach"
    max_episode_steps = STEPS

    def __init__(self, contract):
        self.contract = contract
        self.commands = []

    def begin_episode(self):
        self.step, self.position = 0, np.array([0.5, 0.1])
        return EpisodeStart(task_parameters={"n": 1}, dynamics={}, model_xml="", state_size=0)

    def observe(self):
        observation = np.full(self.contract.observation_size, float(self.step))
        observation[:2] = self.position
        return Sample(
            observation=observation,
            observation_ns=time.monotonic_ns(),
            joint_position=self.position.copy(),
            joint_command=self.position.copy(),
            end_effector_position=np.zeros(3),
            target_position=np.ones(3),
            state=np.zeros(0),
            reward=0.0,
            terminated=False,
            truncated=self.step == self.max_episode_steps,
            success=self.step == self.max_episode_steps,
        )

    def command(self, action):
        self.position = self.position + action * np.array([0.1, 0.02])
        self.step += 1

    def close(self):
        pass


class Hand:
    """Wants the joints at (0.6, 0.1) and answers with the events that it was given."""

    def __init__(self, verdicts, unattended=False, work_s=0.0):
        self.features = DeviceFeatures(delivers="joint_position", unattended=unattended)
        self.verdicts, self.work_s = list(verdicts), work_s

    def begin(self, view):
        assert view.step == 0

    def command(self, view):
        time.sleep(self.work_s)
        return np.array([0.6, 0.1])

    def event(self, state, success):
        if state is State.IDLE:
            return Event.START
        if state is State.RECORDING:
            early = self.verdicts[0] if self.verdicts else None
            return self.verdicts.pop(0)[1] if isinstance(early, tuple) else None
        assert success
        return self.verdicts.pop(0)

    def close(self):
        pass


@pytest.fixture
def run(tmp_path, make_contract):
    """Run a session with the verdicts of an operator; returns its result and its file."""

    def start(verdicts, episodes=2, realtime=False, on_progress=None, **hand):
        output = tmp_path / "demos.hdf5"
        with DemonstrationRecorder(output, make_contract(), Arm.task) as recorder:
            session = RecordingSession(
                Arm(make_contract()),
                Hand(verdicts, **hand),
                recorder,
                SessionConfig(
                    episodes=episodes, device="hand", operator="somebody", realtime=realtime
                ),
                on_progress and (lambda progress: on_progress(session, progress)),
            )
            return session.run(), output

    return start


def test_actions_lead_to_what_the_hand_wants(run):
    result, output = run([Event.SAVE, Event.SAVE])
    assert len(result.kept) == 2
    demos = load_demonstrations(output)
    assert demos.lengths.tolist() == [STEPS, STEPS]
    # 0.1 rad away with 0.1 rad for an action of 1: one whole action, then none
    np.testing.assert_allclose(demos.action[:STEPS, 0], [1.0] + [0.0] * (STEPS - 1), atol=1e-12)
    np.testing.assert_array_equal(demos.truncated, np.tile(np.arange(STEPS) == STEPS - 1, 2))
    np.testing.assert_array_equal(demos.observation[1:STEPS], demos.next_observation[: STEPS - 1])


def test_discarded_episodes_are_put_aside_and_done_again(run):
    early = ("while it is recorded", Event.DISCARD)
    result, output = run([Event.DISCARD, early, Event.SAVE, Event.SAVE])
    assert (len(result.kept), len(result.put_aside)) == (2, 2)
    assert len(load_demonstrations(output).names) == 2
    quarantine = output.with_name("demos.quarantine.hdf5")
    reviewed, cut = (read_demonstration(quarantine, f"demo_{i}") for i in range(2))
    assert (reviewed.outcome, len(reviewed), reviewed.remark) == ("success", STEPS, "discarded")
    assert (cut.outcome, len(cut)) == ("interrupted", 1)


def test_quitting_in_review_loses_nothing(run):
    result, output = run([Event.SAVE, Event.QUIT], episodes=5)
    assert (len(result.kept), len(result.put_aside)) == (1, 1)
    assert not result.interrupted
    assert "before the verdict" in result.put_aside[0].demonstration.remark
    assert len(load_demonstrations(output).names) == 1


def test_stop_keeps_whole_demonstrations(run):
    def stop_in_second(session, progress):
        if progress.kept == 1 and progress.step == 3:
            session.stop()

    result, output = run([Event.SAVE] * 3, episodes=3, on_progress=stop_in_second)
    assert result.interrupted
    assert len(load_demonstrations(output).names) == 1
    (aside,) = result.put_aside
    assert (len(aside.demonstration), aside.demonstration.outcome) == (3, "interrupted")


def test_a_device_without_a_person_gives_up_in_the_end(run):
    with pytest.raises(DatasetError, match="failed 8 times and succeeded 0 times"):
        run([Event.DISCARD] * 99, unattended=True)


def test_timestamps_are_measured(run):
    """At 20 Hz with work in between: absolute deadlines, and the command after the observation.

    A busy machine makes single cycles late, so what is asked is what it cannot spoil.
    """
    result, output = run([Event.SAVE], episodes=1, realtime=True, work_s=0.01)
    demo = read_demonstration(output, "demo_0")
    since_start = (demo.observation_ns - demo.observation_ns[0]) * 1e-9
    assert (since_start >= 0.05 * np.arange(STEPS)).all(), "never early"
    # paced from the end of the work, every period would last the work of 10 ms longer
    assert np.diff(since_start).min() < 0.057
    assert (demo.command_ns - demo.observation_ns >= 10_000_000).all()
    assert result.kept[0].rate_hz == pytest.approx((STEPS - 1) / since_start[-1])


def test_a_slow_operator_makes_late_cycles_and_says_so(run):
    result, _ = run([Event.SAVE], episodes=1, realtime=True, work_s=0.12)
    assert result.kept[0].late_share == 1.0
    assert result.kept[0].dropped_cycles >= STEPS
    assert result.kept[0].rate_hz < 10


def test_progress_counts_steps_and_episodes(run):
    seen = []
    run([Event.SAVE, Event.SAVE], on_progress=lambda _session, progress: seen.append(progress))
    assert [p.step for p in seen if p.stored is None] == [*range(1, STEPS + 1)] * 2
    assert [p.kept for p in seen if p.stored is not None] == [1, 2]
