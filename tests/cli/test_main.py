import ast
import errno
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from trirl_robot import __version__
from trirl_robot.cli import main as cli
from trirl_robot.errors import DatasetError


@pytest.fixture
def command_that(monkeypatch):
    """Put a command of the test's own in the table of commands."""

    def put(action) -> None:
        module = types.ModuleType("test_only_command")
        module.command = click.Command("act", callback=action)
        monkeypatch.setitem(sys.modules, "test_only_command", module)
        monkeypatch.setitem(cli.COMMANDS, "act", ("test_only_command", "Act."))

    return put


def run(*arguments):
    return CliRunner().invoke(cli.main, arguments)


def raising(error):
    def action() -> None:
        raise error

    return action


def test_help_lists_every_command_and_imports_none_of_them():
    code = (
        "import sys, json\nfrom trirl_robot.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n"
        "    names = sorted(n for n in sys.modules if n.count('.') < 3)\n"
        "    print('MODULES', json.dumps([end.code, names]))\n"
    )
    text = subprocess.check_output([sys.executable, "-c", code], text=True)
    shown, _, modules = text.partition("MODULES")
    status, names = json.loads(modules)
    assert status == 0
    for name in cli.COMMANDS:
        assert re.search(rf"^  {name} ", shown, re.MULTILINE), name
    heavy = {"torch", "mujoco", "numpy", "rich", "h5py", "onnxruntime", "rclpy"}
    assert not heavy & set(names)
    commands = {module for module, _ in cli.COMMANDS.values()}
    assert not commands & set(names)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_exists_and_shows_examples(name):
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert "Examples:" in result.output
    assert f"trirl {name}" in result.output


def test_version():
    assert run("--version").output.strip() == f"trirl, version {__version__}"


def test_an_unknown_command_gets_the_nearest_name_and_status_2():
    result = run("traim")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: unknown command 'traim': did you mean 'train'?")
    assert result.stderr.count("\n") == 1


def test_an_error_of_ours_is_one_line_on_standard_error(command_that):
    command_that(raising(DatasetError("demos.hdf5: truncated\n  at byte 12")))
    result = run("act")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: demos.hdf5: truncated at byte 12\n"


def test_a_file_that_is_not_there_is_named(command_that):
    command_that(lambda: open("/nowhere/at/all.onnx"))  # noqa: PTH123, SIM115
    result = run("act")
    assert result.exit_code == 2
    assert result.stderr == "error: /nowhere/at/all.onnx: No such file or directory\n"


def test_a_disk_that_takes_nothing_is_one_line(command_that):
    command_that(raising(FileExistsError(errno.EEXIST, "File exists", "runs/reach")))
    result = run("act")
    assert (result.exit_code, result.stderr) == (2, "error: runs/reach: File exists\n")
    # a full disk shows in the middle of writing, where the system does not name the file
    command_that(lambda: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    result = run("act")
    assert (result.exit_code, result.stderr) == (2, "error: No space left on device\n")


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("torch", ".[train]"),
        ("mujoco.batch", ".[sim]"),
        ("rclpy", ".[ros]"),
        ("trirl_policy.node", "make setup"),
    ],
)
def test_a_missing_extra_is_named(command_that, module, hint):
    command_that(raising(ModuleNotFoundError(f"No module named '{module}'", name=module)))
    result = run("act")
    assert result.exit_code == 2
    assert hint in result.stderr
    assert result.stderr.count("\n") == 1


PYPROJECT = Path(cli.__file__).parents[2] / "pyproject.toml"
IMPORTED_AS = {
    "imageio-ffmpeg": "imageio_ffmpeg",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "ros-jazzy-rmw-fastrtps-cpp": None,  # loaded by rclpy
}
"""Import root of distributions that is not their name."""


def roots(requirements):
    names = [re.match(r"[\w.-]+", line)[0] for line in requirements]
    plain = (name.removeprefix("ros-jazzy-").replace("-", "_") for name in names)
    return {IMPORTED_AS.get(*pair) for pair in zip(names, plain, strict=True)} - {None}


def test_extras_name_what_each_brings():
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    # no command imports what these bring
    assert set(cli.EXTRAS) == set(extras) - {"bench", "dev"}
    for name, modules in cli.EXTRAS.items():
        assert set(modules) - {"rcl_interfaces"} == roots(extras[name]), name  # rclpy's own


def test_everything_that_is_imported_belongs_to_an_extra_or_to_the_base():
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    known = {*roots(project["dependencies"]), *sys.stdlib_module_names, *cli.ROS_PACKAGES}
    known.update({"trirl_robot", "teleop"}, *cli.EXTRAS.values())
    found = {}
    for package in ("trirl_robot", "teleop"):
        for path in (PYPROJECT.parent / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                found.update({name.partition(".")[0]: path.name for name in names})
    assert {name: file for name, file in found.items() if name not in known} == {}


def test_a_bug_keeps_its_traceback(command_that):
    for bug in (
        ZeroDivisionError(),
        OSError("no errno, no file"),
        ModuleNotFoundError("x", name="trirl_robot.typo"),
    ):
        command_that(raising(bug))
        assert run("act").exception is bug


def test_a_traceback_can_be_asked_for(command_that, monkeypatch):
    monkeypatch.setenv("TRIRL_TRACEBACK", "1")
    error = DatasetError("broken")
    command_that(raising(error))
    assert run("act").exception is error


def test_control_c_ends_with_130(command_that):
    command_that(raising(KeyboardInterrupt()))
    assert run("act").exit_code == 130


def test_a_wrong_option_is_a_usage_error():
    result = run("--nonsense")
    assert result.exit_code == 2
    assert "--nonsense" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_command_chooses_its_exit_status(command_that):
    command_that(raising(click.exceptions.Exit(1)))
    assert run("act").exit_code == 1
    command_that(lambda: None)
    assert run("act").exit_code == 0
