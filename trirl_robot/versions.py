"""The software that a result hangs on: revision of this project and versions of packages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""Folder of this project's checkout."""


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package, `not installed` where there is none."""
    return {name: _version(name) for name in names}


def revision(folder: Path = ROOT) -> str | None:
    """Return a folder's git revision, with `-dirty` for uncommitted changes; None outside git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() or None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
