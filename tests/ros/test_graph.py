"""The whole graph: simulated hardware, policy node and goals as processes over DDS."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from trirl_robot.cli.deploy import command, deploy
from trirl_robot.errors import ConfigError, ContractError, DeploymentError, ModelFileError
from trirl_robot.sim.env import make_env

pytest.importorskip("rclpy")
pytestmark = [
    pytest.mark.ros,
    # raised by the parser that the ROS messages import
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that name this folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in lines if str(folder) in line and "trirl_" in line]


def test_deploy_reaches_and_leaves_whole_files(reaching_file, tmp_path):
    output = tmp_path / "deploy"
    seen = []
    result = deploy(
        reaching_file,
        reaches=2,
        randomisation="shifted",
        seed=3,
        output=output,
        on_progress=seen.append,
    )
    # on a busy machine one of the two may come to nothing: what must hold is what is tested
    successes = [row for row in result.reaches if row["success"]]
    assert successes
    assert (seen[-1].done, seen[-1].successes) == (2, len(successes))
    assert result.success_rate.value == len(successes) / 2
    assert result.action_difference <= 1e-6
    # numbers do not change on the wire, whenever they arrive
    assert result.command_difference == 0.0
    assert result.cycles > 50
    document = json.loads((output / "deploy.json").read_text())
    assert document["seed"] == 3
    parameters = document["node_parameters"]
    assert parameters["policy"]["joint_state_timeout_s"] == 0.5
    assert parameters["policy"]["ramp_s"] == 0.5
    assert parameters["hardware"]["randomisation"] == "shifted"
    assert all(row["largest_hold_error_m"] < 0.02 for row in successes)
    first, second = document["reaches"]
    recorded = make_env("so101-reach", num_envs=1, randomisation="shifted", seed=3, nthread=1)
    generator = np.random.default_rng(3)
    targets = recorded.task.arm.end_effector_at(recorded.task.sample_poses(2, generator))
    assert not np.allclose(targets[0], first["target_m"]), "other targets than a recording's"
    assert first["target_m"] != second["target_m"]
    assert first["dynamics"] != second["dynamics"]
    assert first["dynamics"]["command_latency_steps/elbow_flex"] >= 1.0
    with np.load(output / "hardware.npz") as hardware:
        state = hardware["state"]
        apart_s = np.diff(hardware["stamp_s"])
        assert np.median(apart_s) == pytest.approx(0.04, abs=0.02)
        # no jump where new dynamics were drawn
        moved = np.abs(np.diff(state[:, 1:6], axis=0)).max(axis=1)
        assert (moved < 8.0 * np.maximum(apart_s, 0.04)).all()
    assert not _processes_of(tmp_path)


def _until(client, condition) -> None:
    deadline_s = time.monotonic() + 15.0
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain: {client.status}"
        client.spin(0.02)


def test_killed_policy_node_leaves_the_arm_holding(processes, domain, reaching_file, tmp_path):
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import PointStamped
    from sensor_msgs.msg import JointState
    from trirl_bringup.bringup import ros_arguments
    from trirl_bringup.lifecycle import LifecycleClient

    log = tmp_path / "hardware.npz"
    parameters = {"randomisation": "none", "log_path": str(log)}
    processes.start("hardware", "trirl_sim_hardware.node", ros_arguments(parameters))
    parameters = {"model_path": str(reaching_file), "joint_state_timeout_s": 1.0}
    policy = processes.start("policy", "trirl_policy.node", ros_arguments(parameters))
    node = rclpy.create_node("test")
    client = LifecycleClient(node, "trirl_policy", processes.check)
    positions, messages = [], []
    node.create_subscription(
        JointState,
        "/joint_states",
        lambda m: positions.append([m.position[m.name.index("shoulder_pan")], m.position[-1]]),
        10,
    )
    node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: messages.append(m.status[0].message), 10
    )
    targets = node.create_publisher(PointStamped, "/trirl_policy/target", 1)
    client.change("configure", timeout_s=30.0)
    client.activate_when_ready(timeout_s=30.0)
    target = PointStamped()
    target.point.x, target.point.y, target.point.z = 0.1, 0.25, 0.2
    _until(client, lambda: bool(positions))  # before the arm moves: discovery takes its time
    start = positions[-1][0]
    node.create_timer(0.05, lambda: targets.publish(target))
    _until(client, lambda: abs(positions[-1][0] - start) > 0.2)
    policy.send_signal(signal.SIGKILL)
    policy.wait()
    processes.stop("policy")
    client.spin(1.0)
    assert any("holding: no command" in message for message in messages)
    count = len(positions)
    client.spin(0.5)
    assert len(positions) > count, "the hardware goes on publishing"
    assert np.ptp(np.array(positions[count:]), axis=0).max() < 0.01
    node.destroy_node()
    assert processes.stop("hardware") == 0
    with np.load(log) as hardware:
        assert len(hardware["state"]) > 20
        assert len(hardware["command"]) > 3


class Bringup:
    """The bring-up process of a test, and the lines that it prints."""

    def __init__(self, policy: Path, folder: Path, targets: list, duration_s: float) -> None:
        goals = {"duration_s": duration_s, "hold_s": 0.3, "radius_m": 0.02, "targets_m": targets}
        (folder / "goals.json").write_text(json.dumps(goals))
        self.errors = folder / "bringup.err"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "trirl_bringup.bringup", str(policy)),
                    *("--randomisation=none", f"--goals={folder / 'goals.json'}"),
                    f"--output={folder}",
                ],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def line(self, timeout_s: float = 60.0) -> str:
        """Return the next line; empty when none comes in time."""
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return ""

    def ends(self, timeout_s: float = 60.0) -> int:
        """Wait for the end, and return the exit status."""
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """Stop the graph: by SIGTERM, with time to stop its own, then by SIGKILL."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)


@pytest.fixture
def start_bringup(reaching_file, tmp_path):
    """Starts a bring-up, which does not outlive the test."""
    started = []

    def start(targets, duration_s):
        started.append(Bringup(reaching_file, tmp_path, targets, duration_s))
        return started[-1]

    yield start
    for bringup in started:
        bringup.close()


def test_latched_reach_fails_and_the_next_one_goes_on(start_bringup, tmp_path):
    bringup = start_bringup([[0.2, 1.0, 0.2], [0.2, 0.1, 0.2]], 3.0)
    assert bringup.ends() == 0, bringup.errors.read_text()
    first, second = json.loads((tmp_path / "reaches.json").read_text())
    assert not first["success"]
    assert "action_not_finite" in first["latched"]
    assert second["success"]
    assert second["latched"] == ""


def test_interrupted_bringup_stops_everything_and_keeps_the_files(start_bringup, tmp_path):
    bringup = start_bringup([[0.2, 0.0, 0.2]] * 100, 1.0)
    for word in ("starting", "active", '"reach"'):
        assert word in bringup.line(), bringup.errors.read_text()
    bringup.process.send_signal(signal.SIGTERM)
    assert bringup.ends() == 143
    assert not _processes_of(tmp_path)
    assert 1 <= len(json.loads((tmp_path / "reaches.json").read_text())) < 100
    for name in ("trace.npz", "hardware.npz"):
        with np.load(tmp_path / name) as arrays:
            assert len(arrays["command"]) > 0


def test_killed_bringup_takes_its_children_with_it(start_bringup, tmp_path):
    bringup = start_bringup([[0.2, 0.0, 0.2]], 60.0)
    for word in ("starting", "active"):
        assert word in bringup.line(), bringup.errors.read_text()
    assert len(_processes_of(tmp_path)) == 4
    bringup.process.kill()
    bringup.ends()
    deadline_s = time.monotonic() + 20.0
    while _processes_of(tmp_path) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not _processes_of(tmp_path)
    with np.load(tmp_path / "hardware.npz") as hardware:
        assert len(hardware["state"]) > 0


def test_failing_node_ends_the_deployment_with_its_reason(reaching_file, tmp_path, monkeypatch):
    # the policy package that the graph's processes find is broken: its node ends at once
    broken = tmp_path / "broken" / "trirl_policy"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise SystemExit('no robot here')\n")
    monkeypatch.syspath_prepend(str(broken.parent))
    with pytest.raises(DeploymentError, match="no robot here"):
        deploy(reaching_file, reaches=1, randomisation="none", seed=0, output=tmp_path / "out")
    assert not _processes_of(tmp_path)


def test_bad_input_ends_before_anything_starts(reaching_file, obedient_file, tmp_path):
    good = {"reaches": 1, "randomisation": "none", "seed": 0, "output": tmp_path / "out"}
    with pytest.raises(ModelFileError, match="no such file"):
        deploy(tmp_path / "nothing.onnx", **good)
    with pytest.raises(ConfigError, match="did you mean 'shifted'"):
        deploy(reaching_file, **{**good, "randomisation": "shiftet"})
    with pytest.raises(ConfigError, match="reaches is 0"):
        deploy(reaching_file, **{**good, "reaches": 0})
    with pytest.raises(ConfigError, match="seed is -1"):
        deploy(reaching_file, **{**good, "seed": -1})
    with pytest.raises(ContractError, match=r"obedient\.onnx differs from .* 'so101-reach'"):
        deploy(obedient_file, **good)
    assert not (tmp_path / "out").exists()


def test_help_has_examples():
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.output
