"""Goals, scores, domains and processes."""

import json
import os
import sys
import threading
import time

import numpy as np
import pytest

from trirl_robot.errors import ConfigError, DeploymentError

pytest.importorskip("rclpy")

GOALS = {"duration_s": 4.0, "hold_s": 0.5, "radius_m": 0.02, "targets_m": [[0.2, 0.0, 0.1]]}


@pytest.fixture
def goals():
    from trirl_bringup.reaches import Goals

    return Goals(**{**GOALS, "targets_m": ((0.2, 0.0, 0.1),)})


def _path(distance_m):
    """Return stamps and positions over 4 s at 100 Hz, `distance_m(t)` away from the target."""
    stamps = 100.0 + np.arange(0.0, 4.0, 0.01)
    away = np.array([distance_m(t - 100.0) for t in stamps])
    return stamps, np.array([0.2, 0.0, 0.1]) + away[:, None] * [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("distance_m", "success"),
    [
        (lambda t: 0.3 * np.exp(-2 * t), True),
        (lambda t: 0.019, True),
        (lambda t: 0.021, False),
        (lambda t: 0.0 if t < 3.95 else 0.03, False),
        (lambda t: 0.03 if t < 3.6 else 0.0, False),
        (lambda t: 0.03 if t < 3.45 else 0.0, True),
    ],
)
def test_reach_counts_only_when_held_to_the_end(goals, distance_m, success):
    from trirl_bringup.reaches import score

    target = np.array(goals.targets_m[0])
    found, final, largest = score(goals, target, *_path(distance_m), 104.0)
    assert found == success
    assert final == pytest.approx(distance_m(3.99))
    assert largest >= final


def test_silent_hardware_is_not_scored(goals):
    from trirl_bringup.reaches import score

    stamps, positions = _path(lambda t: 0.0)
    with pytest.raises(DeploymentError, match="did it stop"):
        score(goals, np.zeros(3), stamps[:300], positions[:300], 104.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        (json.dumps({**GOALS, "radius": 1}), "did you mean 'radius_m'"),
        (json.dumps({**GOALS, "targets_m": []}), "at least one target"),
        (json.dumps({**GOALS, "targets_m": [[0.1, 0.2]]}), "list of 3"),
        (json.dumps({**GOALS, "hold_s": 5.0}), "hold_s"),
    ],
)
def test_bad_goals_are_refused(tmp_path, text, message):
    from trirl_bringup.reaches import read_goals

    path = tmp_path / "goals.json"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_goals(path)
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_goals(path)
    path.write_text(json.dumps(GOALS))
    assert read_goals(path).targets_m == ((0.2, 0.0, 0.1),)


def test_domains_are_not_shared():
    from trirl_bringup.domain import own_domain

    with own_domain() as first, own_domain() as second:
        assert first["ROS_DOMAIN_ID"] != second["ROS_DOMAIN_ID"]
        assert first["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    with own_domain() as third:
        assert third == first


def test_processes_are_stopped_even_when_they_ignore_it(tmp_path, monkeypatch):
    from trirl_bringup import processes

    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 0.5)
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "stubborn.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(60)\n"
    )
    (folder / "brief.py").write_text("raise SystemExit('enough')\n")
    with processes.Processes({"PYTHONPATH": str(folder)}, tmp_path / "logs") as running:
        stubborn = running.start("stubborn", "stubborn", [])
        while running.last_line("stubborn") != "deaf":
            time.sleep(0.05)
        running.check()
        brief = running.start("brief", "brief", [])
        brief.wait(10.0)
        with pytest.raises(DeploymentError, match="'brief' ended with status 1: enough"):
            running.check()
    assert stubborn.returncode == -9


def test_paced_thread_keeps_its_deadlines_and_reports_lateness():
    from trirl_policy.pacing import PacedThread

    calls, enough = [], threading.Event()

    def step(late_s, missed):
        calls.append((time.monotonic(), late_s, missed))
        if len(calls) == 5:
            time.sleep(0.055)
        if len(calls) == 10:
            raise ValueError("once")
        if len(calls) == 15:
            enough.set()

    errors = []
    thread = PacedThread(0.02, step, errors.append, "test")
    thread.start()
    assert enough.wait(30.0), "the thread goes on after an error"
    thread.stop()
    count = len(calls)
    time.sleep(0.1)
    assert len(calls) == count, "stopped is stopped"
    assert [str(error) for error in errors] == ["once"]
    # no drift, however late a single call is: all deadlines are multiples of the period apart
    deadlines = np.array([at - late_s for at, late_s, _ in calls])
    periods = (deadlines - deadlines[0]) / 0.02
    assert np.median(np.abs(periods - np.round(periods))) < 0.05
    assert np.all(np.diff(np.round(periods)) >= 1.0)
    assert calls[5][2], "the call after an overrun knows of it"


def test_paced_thread_runs_in_this_interpreter_only():
    """Threads of the node must not keep a stopped process alive."""
    program = (
        "import time\n"
        "from trirl_policy.pacing import PacedThread\n"
        "PacedThread(0.01, lambda late, missed: None, print, 'x').start()\n"
        "time.sleep(0.05)\n"
    )
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", program) == 0
