"""The workspace as a robot's integrator meets it: colcon, package files, launch file."""

import ast
import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

WORKSPACE = Path(__file__).resolve().parents[2] / "ros_ws"
PACKAGES = sorted(path.parent for path in WORKSPACE.glob("src/*/package.xml"))


def test_there_are_packages():
    assert [path.name for path in PACKAGES] == [
        "trirl_bringup",
        "trirl_policy",
        "trirl_sim_hardware",
    ]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_package_declares_what_it_imports(package):
    document = ElementTree.parse(package / "package.xml")
    declared = {element.text for element in document.iter("exec_depend")}
    imported, started = set(), set()
    for source in package.glob("*/*.py"):
        started |= {path.name for path in PACKAGES if f'"{path.name}.' in source.read_text()}
        for line in source.read_text().splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]):
                imported.add(words[1].partition(".")[0])
    names = {path.name for path in PACKAGES} | {"rclpy", "launch", "launch_ros"}
    messages = {name for name in imported if name.endswith(("_msgs", "_srvs", "_interfaces"))}
    assert declared == (messages | (imported & names) | started) - {package.name}


@pytest.mark.slow
@pytest.mark.ros
def test_colcon_builds_and_tests_the_workspace(tmp_path):
    colcon = Path(sys.executable).with_name("colcon")
    if not colcon.exists():
        pytest.skip("colcon is not installed")
    shutil.copytree(
        WORKSPACE / "src",
        tmp_path / "src",
        ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", "build"),
    )
    environment = {
        **os.environ,
        "PATH": f"{colcon.parent}{os.pathsep}{os.environ['PATH']}",
        "COLCON_LOG_LEVEL": "error",
    }

    def run(*arguments: str) -> str:
        ended = subprocess.run(
            [str(colcon), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    run("build", "--event-handlers", "console_direct-")
    for package in PACKAGES:
        installed = tmp_path / "install" / package.name
        assert (installed / f"share/{package.name}/package.xml").is_file()
    assert (tmp_path / "install/trirl_policy/lib/trirl_policy/policy_node").is_file()
    run("test", "--packages-select", "trirl_policy", "--return-code-on-test-failure")
    assert "1 test, 0 errors, 0 failures" in run("test-result", "--all")


def test_launch_file_describes_the_graph():
    pytest.importorskip("launch_ros")
    path = WORKSPACE / "src/trirl_bringup/launch/reach.launch.py"
    spec = importlib.util.spec_from_file_location("reach_launch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    entities = module.generate_launch_description().entities
    assert {type(entity).__name__ for entity in entities} >= {"LifecycleNode", "Node"}


def test_launch_file_names_real_executables_and_parameters():
    """Without launch_ros here, read the file as a tree: names must exist on the other side."""
    pytest.importorskip("rclpy")
    from trirl_policy.node import Wiring
    from trirl_policy.settings import Settings
    from trirl_sim_hardware.node import HardwareParameters

    tree = ast.parse((WORKSPACE / "src/trirl_bringup/launch/reach.launch.py").read_text())
    declared, nodes = set(), {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if getattr(call.func, "id", "") == "DeclareLaunchArgument":
            declared.add(call.args[0].value)
        words = {word.arg: word.value for word in call.keywords}
        if "executable" in words:
            (names,) = [c for c in ast.walk(words["parameters"]) if isinstance(c, ast.Tuple)]
            nodes[words["package"].value] = (words["executable"].value, ast.literal_eval(names))
    parameters = {
        "trirl_policy": {f.name for cls in (Wiring, Settings) for f in dataclasses.fields(cls)},
        "trirl_sim_hardware": {f.name for f in dataclasses.fields(HardwareParameters)},
    }
    assert nodes.keys() == parameters.keys()
    for package, (executable, names) in nodes.items():
        assert (
            f"{executable} = {package}." in (WORKSPACE / "src" / package / "setup.py").read_text()
        )
        assert names
        assert set(names) <= declared & parameters[package]
