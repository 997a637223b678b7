import json

import pytest
from click.testing import CliRunner
from robot_files import ARM, ARM_MJCF, GRIPPER, write_arm, write_urdf

from trirl_robot.cli import doctor_robot
from trirl_robot.cli.main import main
from trirl_robot.sim import menagerie
from trirl_robot.sim.robots import load_robot

SERVOS = {"kind": "position", "force_limit": 20.0}


def examine(robot, *options, picture=False):
    """Return the exit status and the findings by name."""
    options = options if picture else (*options, "--no-picture")
    result = CliRunner().invoke(doctor_robot.command, [robot, "--json", *options])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    report = json.loads(result.stdout)
    assert report["fine"] is (result.exit_code == 0)
    return result.exit_code, {row["name"]: row for row in report["findings"]}


def as_command(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "robot", *arguments], prog_name="trirl")
    return ended.value.code, capsys.readouterr()


@pytest.mark.parametrize("name", ["so101", "jaco"])
def test_built_in_robots_are_fine(name):
    status, found = examine(name)
    assert status == 0
    assert {row["status"] for row in found.values()} == {"ok"}
    assert {"Model", "Limits", "Actuators", "Home pose", "Workspace", "Self-collision"} <= set(
        found
    )
    assert {"Sag", "Gripper", "Tracking", "Stability"} <= set(found)
    figures = found["Workspace"]["figures"]
    assert 0.5 < figures["above_table"] <= 1.0
    assert 0.3 < figures["reach_m"] < 1.0


@pytest.mark.parametrize("source", ["mjcf", "urdf", "menagerie"])
def test_robots_of_one_s_own_are_fine_with_chosen_gains(tmp_path, monkeypatch, source):
    if source == "mjcf":
        robot = write_arm(tmp_path, gripper=GRIPPER)
    elif source == "urdf":
        robot = str(write_urdf(tmp_path))
    else:
        write_arm(tmp_path / "small")
        monkeypatch.setenv(menagerie.ROOT_VARIABLE, str(tmp_path))
        robot = "menagerie:small"
    status, found = examine(robot)
    assert status == 0, found
    warnings = {name for name, row in found.items() if row["status"] != "ok"}
    # the model of the Menagerie's kind says nothing of the motors' force
    assert warnings == ({"Actuators"} if source == "menagerie" else set()), found


def test_gains_that_do_not_suit_the_step_are_unstable_and_the_joint_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    actuators = {"kind": "position", "stiffness": [20.0, 2e5, 8.0], "damping": [2.0, 0.01, 0.8]}
    status, found = examine(write_arm(tmp_path, actuators=actuators))
    row = found["Stability"]
    assert (status, row["status"]) == (1, "problem")
    assert row["found"].endswith("; 'lift': too stiff for steps of 5 ms")
    assert "lower its stiffness" in row["mend"]
    assert found["Tracking"]["mend"] == "see Stability"
    assert not (tmp_path / "MUJOCO_LOG.TXT").exists()


def test_a_joint_that_keeps_swinging_is_named(tmp_path):
    actuators = {"kind": "position", "stiffness": [20.0, 20.0, 20.0], "damping": [2.0, 2.0, 0.001]}
    mjcf = ARM_MJCF.replace('axis="0 1 0" damping=".1" armature=".01"', 'axis="0 1 0"')
    _, found = examine(write_arm(tmp_path, mjcf, actuators=actuators))
    assert found["Stability"]["status"] in ("warning", "problem")
    assert "'bend' still swings" in found["Stability"]["found"]


def test_weak_servos_sag_without_gravity_compensation(tmp_path):
    weak = {"kind": "position", "stiffness": 5.0, "force_limit": 20.0}
    _, found = examine(write_arm(tmp_path, gravity_compensation=False, actuators=weak))
    assert found["Sag"]["status"] == "problem"
    assert found["Sag"]["figures"]["sag_m"] > 0.02
    assert "'lift'" in found["Sag"]["found"]
    assert "gravity_compensation: true" in found["Sag"]["mend"]


def test_what_touches_at_home_is_named(tmp_path):
    folded = {
        "home_position": [0.0, -0.6, 2.9],
        "position_limit": [[-1, 1], [-1, 2], [-3, 3]],
    }
    status, found = examine(write_arm(tmp_path, **folded))
    assert (status, found["Home pose"]["status"]) == (1, "problem")
    assert "touching: base and fore, base and hand" in found["Home pose"]["found"]
    assert "collision.exclude" in found["Home pose"]["mend"]
    exclude = [["base", name] for name in ("fore", "hand", "left", "right")]
    status, found = examine(write_arm(tmp_path, **folded, collision={"exclude": exclude}))
    assert (status, found["Home pose"]["status"]) == (0, "ok")


@pytest.mark.parametrize(
    ("changed", "row", "words"),
    [
        ({"actuators": {"kind": "position"}}, "Actuators", "no greatest force: turn, lift, bend"),
        ({"control": {**ARM["control"], "scale": 0.5}}, "Limits", "8.3 times its velocity limit"),
        ({"home_position": [1.0, -0.3, 0.9]}, "Limits", "home pose is at the limit of turn"),
        (
            {"actuators": {**SERVOS, "stiffness": 1.0, "damping": 2.0}},
            "Tracking",
            "behind random commands",
        ),
        ({"actuators": {**SERVOS, "force_limit": 0.05}}, "Tracking", "at its greatest force"),
    ],
)
def test_what_may_be_meant_is_a_warning(tmp_path, changed, row, words):
    _, found = examine(write_arm(tmp_path, **changed))
    assert found[row]["status"] in ("warning", "problem")
    assert words in found[row]["found"]
    assert found[row]["mend"]


def test_a_gripper_that_is_too_weak_to_move_is_found(tmp_path):
    weak = {**GRIPPER, "actuators": {"kind": "position", "stiffness": 0.5, "force_limit": 0.001}}
    stiff = ARM_MJCF.replace(
        'axis="0 1 0" range="-.015 0"', 'axis="0 1 0" range="-.015 0" stiffness="9"'
    )
    _, found = examine(write_arm(tmp_path, stiff, gripper=weak))
    assert found["Gripper"]["status"] == "problem"


def test_lengths_in_millimetres_are_noticed(tmp_path):
    far = ARM_MJCF.replace('pos=".2 0 0"', 'pos="200 0 0"').replace(".15 0 0", "150 0 0")
    _, found = examine(write_arm(tmp_path, far))
    assert found["Workspace"]["status"] == "warning"
    assert "metres" in found["Workspace"]["mend"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"joints": ["turn", "lifd", "bend"]}, "did you mean 'lift'"),
        ({"home_position": [0.0]}, "home_position has 1 values for 3 joints"),
        ({"model": "gone.xml"}, "gone.xml does not exist"),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence_and_status_2(tmp_path, capsys, changed, message):
    status, output = as_command([write_arm(tmp_path, **changed)], capsys)
    assert status == 2
    assert message in output.err
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1


def test_a_missing_mesh_is_one_sentence_and_status_2(tmp_path, capsys):
    path = write_urdf(tmp_path)
    (path.parents[1] / "meshes" / "visual" / "upper.stl").unlink()
    status, output = as_command([str(path)], capsys)
    assert status == 2
    assert "visual/upper.stl was not found" in output.err


def test_the_table_says_what_to_do(tmp_path):
    robot = write_arm(tmp_path, actuators={"kind": "position"})
    result = CliRunner().invoke(doctor_robot.command, [robot, "--no-picture"])
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    assert "What to do" in text
    assert "actuators.force_limit" in text
    assert "small works; see the warnings." in text


def test_the_resolved_file_can_be_written_once_and_read_again(tmp_path):
    model, target = str(write_urdf(tmp_path)), tmp_path / "arm.yaml"
    examine(model, "--write", str(target))
    assert load_robot(str(target)) == load_robot(model)
    with pytest.raises(Exception, match="exists already"):
        examine(model, "--write", str(target))


def test_the_picture_shows_arm_and_workspace(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    _, found = examine(write_arm(tmp_path / "robots"), picture=True)
    assert "robot-small.png" in found["Picture"]["found"]
    with image.open(tmp_path / "robot-small.png") as picture:
        size, upper = picture.size, picture.crop((80, 70, 1160, 460)).convert("RGB")
    assert size[0] == 1200
    if found["Picture"]["status"] == "warning":
        pytest.skip("no renderer on this machine")
    assert size[1] == 1040
    # the rendered views fill the upper half with many colours, the plots with few
    assert len(upper.getcolors(maxcolors=10**6)) > 500


def test_without_a_renderer_the_workspace_is_still_drawn(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr("trirl_robot.evaluation.robot_picture.BACKENDS", ("none-such",))
    target = tmp_path / "arm.png"
    _, found = examine(write_arm(tmp_path), "--picture", str(target), picture=True)
    assert found["Picture"]["status"] == "warning"
    assert "libegl1" in found["Picture"]["mend"]
    with image.open(target) as picture:
        assert picture.height == 600


def test_without_matplotlib_everything_else_is_still_done(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "trirl_robot.evaluation.robot_picture", None)
    monkeypatch.chdir(tmp_path)
    status, found = examine(write_arm(tmp_path), picture=True)
    assert (status, found["Picture"]["status"]) == (0, "warning")
    assert ".[train]" in found["Picture"]["mend"]
