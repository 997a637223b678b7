"""Recording with the real simulation: record() and `trirl record`, killed and gone on with."""

import os
import random
import signal
import subprocess
import sys
import time

import h5py
import mujoco
import numpy as np
import pytest
from click.testing import CliRunner

from teleop.record import record
from trirl_robot.cli.main import main
from trirl_robot.demos.dataset import load_demonstrations, read_demonstration
from trirl_robot.errors import ConfigError
from trirl_robot.sim.replay import recorded_model, set_recorded_state
from trirl_robot.sim.robots import load_robot

TASK, DEVICE = "so101-reach", "scripted"
COMMAND = [sys.executable, "-c", "from trirl_robot.cli.main import main; main()", "record"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    output = tmp_path_factory.mktemp("recorded") / "demos.hdf5"
    summary = record(TASK, DEVICE, 2, output, realtime=False, randomisation="none")
    return output, summary


def test_summary_and_file_agree(recorded):
    output, summary = recorded
    demos = load_demonstrations(output)
    assert (summary.episodes, summary.total_episodes, summary.successes) == (2, 2, 2)
    assert (len(demos.names), demos.task) == (2, TASK)
    assert summary.mean_steps == 100 == demos.lengths.mean()
    assert summary.warnings == ()
    demo = read_demonstration(output, "demo_1")
    assert demo.metadata.device == DEVICE
    assert demo.metadata.task_parameters["randomisation"] == "none"
    assert set(demo.metadata.versions) >= {"mujoco", "mink", "numpy"}
    # the task's own reward is minus the distance, and it ends at the target
    assert demo.reward[-13:].min() > -0.02


def test_states_replay_what_was_observed(recorded):
    """Without noise, the recorded states in the recorded model show the recorded observations."""
    output, _ = recorded
    demos, demo = load_demonstrations(output), read_demonstration(output, "demo_0")
    robot = load_robot("so101")
    model = recorded_model(demo.metadata.model_xml, robot)
    data = mujoco.MjData(model)
    joints, effector = (
        demos.contract.observation_slices[name]
        for name in ("joint_position", "end_effector_position")
    )
    for step in (0, 30, 60, 99):
        set_recorded_state(model, data, demo.state[step])
        measured = [data.joint(f"robot/{name}").qpos[0] for name in robot.joints]
        np.testing.assert_allclose(measured, demo.observation[step, joints], atol=1e-6)
        site = data.site(f"robot/{robot.end_effector_site}").xpos
        np.testing.assert_allclose(site, demo.observation[step, effector], atol=1e-5)
    assert data.time == pytest.approx(99 * 0.04)


def test_the_seed_fixes_the_data_and_append_draws_anew(recorded, tmp_path):
    output = tmp_path / "demos.hdf5"
    for existing in ("refuse", "append"):
        record(TASK, DEVICE, 1, output, realtime=False, randomisation="none", existing=existing)
    first, second = np.split(load_demonstrations(output).observation, 2)
    np.testing.assert_array_equal(first, load_demonstrations(recorded[0]).observation[:100])
    assert not np.allclose(first[0], second[0])
    assert not np.allclose(second, load_demonstrations(recorded[0]).observation[100:])


@pytest.mark.parametrize("episodes", [0, -3])
def test_refuses_no_episodes(tmp_path, episodes):
    with pytest.raises(ConfigError, match=f"episodes is {episodes}, expected at least 1"):
        record(TASK, DEVICE, episodes, tmp_path / "demos.hdf5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "skripted"], "unknown device 'skripted': did you mean 'scripted'?"),
        (["--task", "so101-reech"], "unknown task 'so101-reech': did you mean 'so101-reach'?"),
        (["--randomisation", "lihgt"], "did you mean 'light'?"),
        (["--episodes", "0"], "episodes is 0, expected at least 1"),
        (["--output", "nowhere/demos.hdf5"], "the folder nowhere does not exist"),
        (["--append", "--force"], "--append and --force exclude each other"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["record", "--output", "demos.hdf5", "--fast", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_not_overwritten(recorded):
    output, _ = recorded
    before = output.read_bytes()
    result = CliRunner().invoke(main, ["record", "--output", str(output)])
    assert result.exit_code == 2
    assert "exists already; add to it with --append, replace it with --force" in result.stderr
    assert output.read_bytes() == before


def test_command_shows_what_it_recorded(tmp_path):
    output = tmp_path / "demos.hdf5"
    arguments = ["record", "--output", str(output), "--episodes", "1", "--fast"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    for words in ("demonstrations recorded", "100%", "control rate", "late cycles"):
        assert words in result.stdout
    assert len(load_demonstrations(output).names) == 1


def count(path):
    if not path.exists():
        return 0
    with h5py.File(path) as file:
        return len(file["data"])


def wait_for(path, least, process):
    deadline = time.monotonic() + 60
    while count(path) < least:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_sigkill_at_any_time_keeps_every_demonstration(tmp_path):
    output, quarantine = tmp_path / "demos.hdf5", tmp_path / "demos.quarantine.hdf5"
    rng, finished = random.Random(4), 0
    for attempt in range(4):
        with subprocess.Popen(
            [*COMMAND, "-o", output, "--episodes", "500", "--fast", "--append"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            wait_for(output, finished + 2, process)
            time.sleep(rng.uniform(0.0, 0.25))
            at_least = count(output)
            os.kill(process.pid, signal.SIGKILL)
        demos = load_demonstrations(output)
        finished = len(demos.names)
        assert finished >= at_least > 2 * attempt
        assert set(demos.lengths.tolist()) == {100}

    journal = output.with_name("demos.hdf5.journal")
    unfinished = journal.exists() and journal.stat().st_size > 0
    before = count(output) + count(quarantine)
    done = subprocess.run(
        [*COMMAND, "-o", output, "--episodes", "1", "--fast", "--append"],
        capture_output=True,
        text=True,
        check=True,
    )
    recovered = "recovered an episode of an earlier session" in done.stdout
    assert count(output) + count(quarantine) == before + 1 + recovered
    assert recovered <= unfinished
    names = [f"demo_{i}" for i in range(count(quarantine))]
    assert names, "four kills in the middle of recording, and no episode was recovered"
    for name in names:
        demo = read_demonstration(quarantine, name)
        assert "recovered" in demo.remark
        assert 0 < len(demo) <= 100
    assert sorted(p.name for p in tmp_path.iterdir()) == [output.name, quarantine.name]


def test_ctrl_c_keeps_whole_demonstrations(tmp_path):
    output = tmp_path / "demos.hdf5"
    with subprocess.Popen(
        [*COMMAND, "-o", output, "--episodes", "500", "--fast"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(output, 1, process)
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
    assert "go on with --append" in shown
    assert set(load_demonstrations(output).lengths.tolist()) == {100}
    assert not output.with_name("demos.hdf5.journal").exists()
