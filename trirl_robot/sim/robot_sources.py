"""Where robot models come from: files, installed packages, dm_control, the Menagerie."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import mujoco

from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim import menagerie
from trirl_robot.sim.robot_config import RobotConfig
from trirl_robot.sim.urdf import urdf_spec

PACKAGE = "package:"
DM_CONTROL = "dm_control:"


def model_path(robot: RobotConfig) -> Path:
    """Return the file of the robot's model; meshes lie beside or below it.

    Raises:
        ConfigError: the file or the package that holds it is missing.
    """
    return source_path(robot.model, f"robot '{robot.name}'")


def source_path(model: str, what: str) -> Path:
    """Return the file that a model's name stands for.

    Args:
        model: as in `RobotConfig.model`.
        what: how messages name the robot.

    Raises:
        ConfigError: the file or the package that holds it is missing.
    """
    if model.startswith(menagerie.PREFIX):
        return menagerie.model_file(model)
    if model.startswith(DM_CONTROL):
        name = model.removeprefix(DM_CONTROL)
        if name not in _DM_CONTROL_MODELS:
            raise ConfigError(f"{what}: {unknown_name('model', name, _DM_CONTROL_MODELS)}")
        return _inside_package(f"dm_control/{_DM_CONTROL_MODELS[name][0]}", what)
    if model.startswith(PACKAGE):
        return _inside_package(model.removeprefix(PACKAGE), what)
    path = Path(model)
    if not path.is_file():
        raise ConfigError(f"{what}: model file {path} does not exist")
    return path


def source_spec(model: str, what: str) -> mujoco.MjSpec:
    """Read a model; what has no name in it gets one.

    Args:
        model: as in `RobotConfig.model`.
        what: how messages name the robot.

    Raises:
        ConfigError: a file is missing or cannot be read.
    """
    path = source_path(model, what)
    spec = urdf_spec(path) if path.suffix.lower() == ".urdf" else _mjcf_spec(path, what)
    if model.startswith(DM_CONTROL):
        _DM_CONTROL_MODELS[model.removeprefix(DM_CONTROL)][1](spec, path.parent)
    for kind in ("body", "joint", "actuator"):
        elements = spec.bodies if kind == "body" else getattr(spec, f"{kind}s")
        for i, element in enumerate(elements):
            element.name = element.name or f"{kind}_{i}"
    return spec


def compile_spec(spec: mujoco.MjSpec, what: str) -> mujoco.MjModel:
    """Compile a specification.

    Raises:
        ConfigError: a mesh is missing or the model is not valid; the message is MuJoCo's.
    """
    try:
        return spec.compile()
    except ValueError as error:
        problem = " ".join(str(error).removeprefix("Error: ").split())
        raise ConfigError(f"{what}: its model does not compile: {problem}") from None


def _mjcf_spec(path: Path, what: str) -> mujoco.MjSpec:
    try:
        return mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise ConfigError(f"{what}: {path}: {' '.join(str(error).split())}") from None


def _inside_package(place: str, what: str) -> Path:
    package, _, inside = place.partition("/")
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"{what}: its model comes with the Python package '{package}', which is not installed; "
            "install the extra 'sim'"
        )
    path = Path(found.origin).parent / inside
    if not path.is_file():
        raise ConfigError(f"{what}: package '{package}' has no file {inside}")
    return path


def _add_jaco_hand(arm: mujoco.MjSpec, folder: Path) -> None:
    """Put the three-finger hand on the wrist, as dm_control's entities do."""
    hand = mujoco.MjSpec.from_file(str(folder / "jaco_hand.xml"))
    arm.attach(hand, prefix="jaco_hand/", site=arm.site("wristsite"))


_DM_CONTROL_MODELS: dict[str, tuple[str, Callable[[mujoco.MjSpec, Path], None]]] = {
    # the files are read directly: importing dm_control's entities starts a renderer
    "jaco": ("third_party/kinova/jaco_arm.xml", _add_jaco_hand),
}
"""File of each model inside dm_control, and what is added to it."""
