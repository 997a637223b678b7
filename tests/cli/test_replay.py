"""Recorded episodes run again from their files, bit for bit."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from teleop.record import record
from trirl_robot.cli.eval import command as evaluate
from trirl_robot.cli.main import main
from trirl_robot.cli.replay import command as replay
from trirl_robot.demos.dataset import read_demonstration
from trirl_robot.errors import ConfigError, DatasetError


def run(command, *arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "demos.hdf5"
    record("so101-reach", "scripted", 3, path, seed=5, randomisation="strong", realtime=False)
    return path


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "results.json"
    result = run(
        evaluate, "random", "--randomisation", "strong", "--randomisation", "none", "--episodes", 4,
        "--json", path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return path


def test_demonstrations_run_again_from_their_file(demonstrations):
    result = run(replay, demonstrations)
    assert result.exit_code == 0, result.output
    assert result.output.count("identical") == 3


def test_a_demonstration_holds_its_key_and_everything_drawn(demonstrations):
    metadata = read_demonstration(demonstrations, "demo_1").metadata
    origin = metadata.task_parameters["origin"]
    assert origin["key"].keys() == {"seed", "environment", "episode"}
    assert origin["task"]["name"] == "so101-reach"
    drawn = {term["quantity"] for term in origin["randomisation"]["terms"]}
    assert {name.partition("/")[0] for name in metadata.dynamics} <= drawn
    assert len(metadata.dynamics) > 50
    for event in metadata.task_parameters["events"]:
        assert 25 <= event["step"] < 100
        assert set(event["drawn"]) == {f"push/hand.{axis}" for axis in "xyz"}


def test_a_demonstration_that_was_changed_is_told_from_which_step_on(demonstrations, tmp_path):
    path = tmp_path / "changed.hdf5"
    path.write_bytes(demonstrations.read_bytes())
    with h5py.File(path, "r+") as file:
        actions = file["data/demo_1/actions"]
        changed = actions[()]
        changed[40] = np.nextafter(changed[40], 0.0)
        actions[:] = changed
    result = run(replay, path)
    assert result.exit_code == 1
    assert result.output.count("identical") == 2
    (line,) = (line for line in result.output.splitlines() if "demo_1" in line)
    # what was commanded at step 40 shows in the state at step 41, or later for a late command
    step = int(line.split("from step ")[1].split()[0])
    assert 40 <= step <= 44


def test_episodes_of_an_evaluation_run_again_from_their_file(evaluation):
    result = run(replay, evaluation)
    assert result.exit_code == 0, result.output
    assert result.output.count("identical") == 8


def test_an_evaluation_holds_key_draws_and_events_of_each_episode(evaluation):
    document = json.loads(evaluation.read_text())
    strong = document["presets"]["strong"]["episodes"]
    assert np.diff([episode["key"]["environment"] for episode in strong]).tolist() == [1, 1, 1]
    names = set(strong[0]["dynamics"])
    assert {
        "payload_share/hand",
        "body_mass/gripper",
        "sensor_noise/joint_position.elbow_flex",
    } < names
    assert any(event["drawn"]["push/hand.x"] for episode in strong for event in episode["events"])
    assert all(episode["dynamics"] == {} for episode in document["presets"]["none"]["episodes"])


def test_an_episode_with_another_outcome_is_told(evaluation, tmp_path):
    document = json.loads(evaluation.read_text())
    document["presets"]["none"]["episodes"][2]["return"] += 1e-12
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    result = run(replay, path, "--episode", 2)
    assert result.exit_code == 1
    assert "none 2" in result.output
    assert "return" in result.output
    assert result.output.count("identical") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "expected a file that 'trirl eval --json' wrote"),
        ('{"presets": 3}', "expected a file that 'trirl eval --json' wrote"),
        ('{"presets": {}}', "expected a file that 'trirl eval --json' wrote"),
        ('{"presets": {"light": {}}}', "expected a file that 'trirl eval --json' wrote"),
        ('{"presets": {"light": {"episodes": []}}}', "expected a file that"),
        ('{"presets": {"light": {"episodes": [1]}}}', "expected a file that"),
        ('{"presets": {"light": {"episodes": {"0": 1}}}}', "expected a file that"),
        (
            '{"presets": {"none": {"origin": 1, "episodes": [{"key": {}, "actions": {}}]}}}',
            "none: holds no records to replay",
        ),
        ('{"presets": {"none": {"episodes": [{}]}}}', "none: holds no records to replay"),
    ],
)
def test_a_file_without_records_is_refused_in_one_sentence(content, message, tmp_path):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        run(replay, path)


def without(name):
    def change(episode):
        del episode[name]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.update(actions={"shape": [0, 6], "float64": ""}), "has no actions"),
        (lambda e: e.update(actions={"shape": [0], "float64": ""}), "has no actions"),
        (lambda e: e.update(actions={"shape": [1], "float64": "AAAAAAAAAAA="}), "shape (1,)"),
        (lambda e: e.update(actions=3), "expected 'shape'"),
        (lambda e: e.update(key=3), "key"),
        (without("key"), "holds no records to replay"),
        (without("return"), "episode 1 has no 'return' to compare with"),
        (without("success"), "episode 1 has no 'success' to compare with"),
    ],
)
def test_a_record_that_is_not_whole_is_refused_in_one_sentence(
    change, message, evaluation, tmp_path
):
    document = json.loads(evaluation.read_text())
    document["presets"] = {"none": document["presets"]["none"]}
    change(document["presets"]["none"]["episodes"][1])
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    result = CliRunner().invoke(main, ["replay", str(path), "--episode", "1"])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_unknown_episodes_are_refused(evaluation, demonstrations):
    with pytest.raises(ConfigError, match="there is no episode 9, expected 0 to 3"):
        run(replay, evaluation, "--episode", 9)
    with pytest.raises(DatasetError, match="unknown demonstration 'demo_9'"):
        run(replay, demonstrations, "--episode", 9)
