import numpy as np
import pytest
import torch
from click.testing import CliRunner

from trirl_robot.cli import view
from trirl_robot.cli.main import main
from trirl_robot.export.onnx import export_policy
from trirl_robot.sim.env import make_batch


@pytest.fixture
def maze_policy(tmp_path):
    """An exported policy of the point maze, and its actions for observations of zero."""
    torch.manual_seed(0)
    contract = make_batch("point-maze", num_envs=1).contract
    network = torch.nn.Sequential(
        torch.nn.Linear(contract.observation_size, contract.action_size), torch.nn.Tanh()
    )
    path = tmp_path / "policy.onnx"
    observations = np.random.default_rng(0).normal(size=(16, contract.observation_size))
    export_policy(network, contract, observations.astype(np.float32), {}, path)
    with torch.no_grad():
        return path, network(torch.zeros(1, contract.observation_size)).numpy()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["so102-reach"], "did you mean 'so101-reach'"),
        (["point-maze", "--randomise", "litght"], "did you mean 'light'"),
        (["point-maze", "--num-envs", "0"], "num_envs is 0, expected at least 1"),
        (["point-maze", "--port", "70000"], "--port is 70000"),
        (["point-maze", "--actions", "policy"], "no --policy is given"),
        (["point-maze", "--policy", "absent.onnx"], "absent.onnx: no such file"),
        (["point-maze", "--host", "no.such.host.invalid"], "--host is 'no.such.host.invalid'"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(arguments, message):
    result = CliRunner().invoke(main, ["view", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_policy_is_the_first_choice(maze_policy, monkeypatch):
    path, expected = maze_policy
    sessions = []
    # everything but the page
    monkeypatch.setattr(view, "open_server", lambda *_: (None, "http://nowhere/"))
    monkeypatch.setattr(view, "close_server", lambda _: None)
    monkeypatch.setattr(view, "Viewer", lambda session, *_: sessions.append(session) or Nothing())
    arguments = ["view", "point-maze", "--num-envs", "2", "--policy", str(path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "open http://nowhere/ in a browser" in result.stdout
    (session,) = sessions
    assert session.chosen == "policy"
    assert session.action_sources == ("policy", "random", "zero")
    policy = view.OnnxPolicy(view.load_policy(path))
    np.testing.assert_allclose(policy(np.zeros((1, 6))), expected, atol=1e-6)


class Nothing:
    def run(self):
        raise KeyboardInterrupt


def test_a_policy_of_another_task_is_refused(maze_policy):
    result = CliRunner().invoke(main, ["view", "so101-reach", "--policy", str(maze_policy[0])])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "so101" in result.stderr
