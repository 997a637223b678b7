"""Robots of MuJoCo Menagerie from a copy on this machine; nothing is ever downloaded."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from trirl_robot.errors import ConfigError, unknown_name

PREFIX = "menagerie:"
"""What a robot's or model's name begins with."""
ROOT_VARIABLE = "MENAGERIE_ROOT"
"""Environment variable with the folder of a copy of the Menagerie's repository."""


def model_file(name: str) -> Path:
    """Return the MJCF file of a Menagerie robot.

    Args:
        name: `menagerie:ROBOT`, or `menagerie:ROBOT/MODEL` for a model that is not the robot's
            default, such as `menagerie:franka_emika_panda/panda_nohand`.

    Raises:
        ConfigError: no such robot or model, or no copy of it on this machine.
    """
    robot, _, model = name.removeprefix(PREFIX).partition("/")
    folder = _folder(robot)
    models = {path.stem: path for path in sorted(folder.glob("*.xml"))}
    wanted = model or _default_model(robot, folder)
    if wanted not in models:
        raise ConfigError(f"'{name}': {unknown_name('model', wanted, models)} (in {folder})")
    return models[wanted]


def _folder(robot: str) -> Path:
    root = os.environ.get(ROOT_VARIABLE)
    if root:
        if not Path(root).is_dir():
            raise ConfigError(f"{ROOT_VARIABLE} is {root}, which is no folder")
        folder = Path(root) / robot
        if not robot or not folder.is_dir():
            known = [path.name for path in Path(root).iterdir() if any(path.glob("*.xml"))]
            raise ConfigError(
                f"{unknown_name('Menagerie robot', robot, known)} ({ROOT_VARIABLE} is {root})"
            )
        return folder
    package = _package()
    if package is not None:
        if robot not in package.names():
            arms = [entry.name for entry in package.robots("arm")]
            raise ConfigError(unknown_name("Menagerie robot", robot, arms))
        cache = package.Cache()
        if cache.is_cached(package.get(robot)):
            return Path(cache.model_path(package.get(robot)))
    raise ConfigError(_how_to_get(robot, package))


def _how_to_get(robot: str, package: Any) -> str:
    fetch = f"run once: mujoco-menagerie prefetch {robot}"
    if package is None:
        fetch = f"pip install -c constraints.txt -e '.[menagerie]', then {fetch}"
    else:
        fetch += f" ({(package.get(robot).download_size or 0) / 2**20:.0f} MiB)"
    return (
        f"no copy of the Menagerie robot '{robot}' is on this machine, and none is downloaded "
        f"unasked; set {ROOT_VARIABLE} to a copy of the repository mujoco_menagerie, or {fetch}"
    )


def _default_model(robot: str, folder: Path) -> str:
    """Return the model that stands for a robot: the one that its scene shows."""
    package = _package()
    if package is not None and robot in package.names():
        default: str = package.get(robot).default_model
        if (folder / f"{default}.xml").is_file():
            return default
    scene = folder / "scene.xml"
    if scene.is_file():
        for include in ElementTree.parse(scene).getroot().iter("include"):
            return Path(include.get("file", "")).stem
    models = [path.stem for path in sorted(folder.glob("*.xml")) if path.stem != "scene"]
    if len(models) == 1:
        return models[0]
    raise ConfigError(
        f"'{PREFIX}{robot}' has several models; expected {PREFIX}{robot}/MODEL with one of "
        f"{', '.join(models) or '(none)'}"
    )


def _package() -> Any | None:
    """Return the package mujoco_menagerie, which knows names and a cache, or None."""
    try:
        return importlib.import_module("mujoco_menagerie")
    except ModuleNotFoundError:
        return None
