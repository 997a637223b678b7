"""What `trirl deploy` makes of the files and lines of a graph; the graph itself is in tests/ros."""

import json
import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from trirl_robot.cli import deploy
from trirl_robot.cli.deployment import read_result, write_result
from trirl_robot.errors import DeploymentError
from trirl_robot.sim.env import make_env

CYCLES = 12


class Doubling:
    """A model whose action is twice the observation."""

    path = SimpleNamespace(name="policy.onnx")
    sha256 = "0" * 64
    contract = SimpleNamespace(sha256="1" * 64)

    def run(self, *, observation):
        return 2.0 * observation


@pytest.fixture
def graph_output(tmp_path):
    """Write the files of a graph whose wire is exact but for what `action_of` changes."""

    def write(change=lambda action: None):
        observation = np.linspace(-0.4, 0.4, 2 * CYCLES).reshape(CYCLES, 2)
        observation[:2] = np.nan  # not asked yet
        action = 2.0 * observation
        change(action)
        stamp = 0.04 * np.arange(CYCLES)
        command = np.cumsum(np.ones((CYCLES, 2)), axis=0)
        np.savez(
            tmp_path / "trace.npz",
            stamp_s=stamp,
            late_s=np.full(CYCLES, 1e-3),
            inference_s=np.full(CYCLES, 1e-4),
            observation=observation,
            action=action,
            command=command,
        )
        # after the reach the arm is driven elsewhere by somebody else
        received_s, received = (
            np.append(stamp[:-1] + 1e-3, 0.43),
            np.vstack([command[:-1], 9.0 * command[:1]]),
        )
        np.savez(tmp_path / "hardware.npz", command_stamp_s=received_s, command=received)
        row = {"index": 0, "success": True, "latched": ""}
        row |= {"start_stamp_s": 0.0, "end_stamp_s": 0.42}
        (tmp_path / "reaches.json").write_text(json.dumps([row]))
        (tmp_path / "node_parameters.json").write_text('{"policy": {"ramp_s": 0.5}}')
        return tmp_path

    return write


def test_differences_are_those_of_the_cycles_that_were_asked(graph_output):
    def shift(action):
        action[5, 1] += 0.125

    result = read_result(graph_output(shift), Doubling())
    assert result.action_difference == pytest.approx(0.125)
    assert result.command_difference == 0.0
    assert (result.cycles, result.asked_cycles, result.nonfinite_actions) == (12, 10, 0)
    observation, action = result.asked()
    assert observation.shape == action.shape == (10, 2)


def test_actions_that_are_not_finite_are_counted_and_left_out(graph_output):
    def spoil(action):
        action[4, 0], action[7, 1] = np.nan, np.inf

    result = read_result(graph_output(spoil), Doubling())
    assert (result.asked_cycles, result.nonfinite_actions) == (8, 2)
    assert result.action_difference == 0.0
    observation, action = result.asked()
    assert len(action) == 8
    np.testing.assert_array_equal(action, 2.0 * observation)
    document = json.loads(write_result(result, Doubling(), "none", 0).read_text())
    assert document["nonfinite_actions"] == 2
    assert document["node_parameters"] == {"policy": {"ramp_s": 0.5}}


def test_nothing_but_nan_is_no_result(graph_output):
    def spoil(action):
        action[:] = np.nan

    with pytest.raises(DeploymentError, match="1 reaches and 0 finite actions"):
        read_result(graph_output(spoil), Doubling())


def test_lines_that_are_no_events_are_logged_and_passed_over(caplog):
    lines = (
        '{"event": "stage", "text": "starting"}\n',
        "[WARN] a line of the middleware\n",
        "[1, 2]\n",
        '{"event": "reach", "success": true}\n',
        '{"event": "reach", "success": false}\n',
    )
    seen = []
    with caplog.at_level(logging.INFO):
        deploy._follow(SimpleNamespace(stdout=iter(lines)), seen.append)
    assert [(p.stage, p.done, p.successes) for p in seen] == [
        ("starting", 0, 0),
        ("starting", 1, 1),
        ("starting", 2, 1),
    ]
    assert "a line of the middleware" in caplog.text


def test_an_earlier_deployment_survives_a_machine_without_ros(tmp_path, monkeypatch):
    contract = make_env("so101-reach", num_envs=1, randomisation="none", seed=0).contract
    monkeypatch.setattr(deploy, "load_policy", lambda path: SimpleNamespace(contract=contract))
    monkeypatch.setitem(sys.modules, "trirl_bringup.processes", None)
    (tmp_path / "deploy.json").write_text("{}")
    with pytest.raises(ModuleNotFoundError):
        deploy.deploy(
            tmp_path / "policy.onnx", reaches=1, randomisation="none", seed=0, output=tmp_path
        )
    assert [path.name for path in tmp_path.iterdir()] == ["deploy.json"]
