"""Robots of MuJoCo Menagerie, from a small copy laid out as the real one; nothing is downloaded."""

import sys

import pytest
from robot_files import ARM_MJCF

from trirl_robot.errors import ConfigError
from trirl_robot.sim import menagerie
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import compile_scene

SCENE = (
    '<mujoco><include file="arm3.xml"/><worldbody><geom type="plane" size="1 1 1"/></worldbody>'
    "</mujoco>"
)
HANDLESS = ARM_MJCF.replace('name="hand"', 'name="palm"')
SERVOS = (
    '<actuator><position name="a1" joint="turn" kp="50" kv="5" forcerange="-9 9"/>'
    '<position name="a2" joint="lift" kp="40" kv="4"/><position name="a3" joint="bend" kp="30"/>'
    "</actuator><keyframe>"
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A copy of the Menagerie with one robot, of three models."""
    folder = tmp_path / "maker_arm3"
    folder.mkdir()
    (folder / "scene.xml").write_text(SCENE)
    (folder / "arm3.xml").write_text(ARM_MJCF.replace("<keyframe>", SERVOS))
    (folder / "arm3_palm.xml").write_text(HANDLESS)
    monkeypatch.setenv(menagerie.ROOT_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def no_root(monkeypatch, tmp_path):
    monkeypatch.delenv(menagerie.ROOT_VARIABLE, raising=False)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_robot_by_name_is_the_model_that_its_scene_shows(root):
    robot = load_robot("menagerie:maker_arm3")
    assert menagerie.model_file(robot.model) == root / "maker_arm3" / "arm3.xml"
    assert robot.name == "maker_arm3"
    assert robot.joints == ("turn", "lift", "bend")
    assert robot.home_position == (0.0, -0.3, 0.9)
    assert robot.actuators.kind == "native"
    assert robot.end_effector.body == "hand"
    assert 25.0 <= robot.control.rate_hz <= 50.0
    assert robot.gripper is not None
    model, _ = compile_scene(robot)
    assert model.actuator("robot/turn").gainprm[0] == 50.0


def test_another_model_of_a_robot_can_be_named(root):
    robot = load_robot("menagerie:maker_arm3/arm3_palm")
    assert robot.name == "maker_arm3-arm3_palm"
    assert robot.end_effector.body == "palm"  # what the fingers hang on
    assert robot.actuators.kind == "position"
    compile_scene(robot)


def test_without_a_scene_the_only_model_counts(root):
    (root / "maker_arm3" / "scene.xml").unlink()
    with pytest.raises(ConfigError, match="several models; expected menagerie:maker_arm3/MODEL"):
        load_robot("menagerie:maker_arm3")
    (root / "maker_arm3" / "arm3_palm.xml").unlink()
    assert load_robot("menagerie:maker_arm3").joints == ("turn", "lift", "bend")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("maker_arm4", "unknown Menagerie robot 'maker_arm4': did you mean 'maker_arm3'"),
        ("", "unknown Menagerie robot ''"),
        ("maker_arm3/arm5", "unknown model 'arm5': did you mean 'arm3'"),
    ],
)
def test_unknown_robots_and_models_are_refused(root, name, message):
    with pytest.raises(ConfigError, match=message):
        load_robot(f"menagerie:{name}")


def test_a_root_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv(menagerie.ROOT_VARIABLE, "/nowhere/at/all")
    with pytest.raises(ConfigError, match="MENAGERIE_ROOT is /nowhere/at/all, which is no folder"):
        load_robot("menagerie:maker_arm3")


def test_without_a_copy_one_sentence_says_how_to_get_one(no_root, monkeypatch):
    package = pytest.importorskip("mujoco_menagerie")
    monkeypatch.setattr(package.Cache, "resolve", lambda *_: pytest.fail("it downloads"))
    with pytest.raises(
        ConfigError, match=r"set MENAGERIE_ROOT to .* prefetch franka_fr3"
    ) as caught:
        load_robot("menagerie:franka_fr3")
    assert str(caught.value).startswith("no copy of the Menagerie robot 'franka_fr3' is on this")
    with pytest.raises(ConfigError, match="did you mean 'franka_fr3'"):
        load_robot("menagerie:franka_f3")


def test_without_the_package_the_sentence_names_the_extra(no_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    with pytest.raises(ConfigError, match=r"'\.\[menagerie\]', then run once"):
        load_robot("menagerie:franka_fr3")


def test_a_copy_that_the_package_has_fetched_is_used(no_root):
    package = pytest.importorskip("mujoco_menagerie")
    entry = package.get("franka_fr3")
    folder = package.Cache().model_path(entry)
    assert no_root in folder.parents
    folder.mkdir(parents=True)
    (folder / ".complete").write_text("{}")
    (folder / f"{entry.default_model}.xml").write_text(ARM_MJCF)
    (folder / "other.xml").write_text("<mujoco/>")
    robot = load_robot("menagerie:franka_fr3")
    assert menagerie.model_file(robot.model) == folder / "fr3.xml"
    assert robot.joints == ("turn", "lift", "bend")
