"""The folder of one run: what it was asked, what it measured, where it stands."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trirl_robot import __version__
from trirl_robot.config import load, to_yaml
from trirl_robot.errors import RunError
from trirl_robot.evaluation.metrics import read_metrics
from trirl_robot.files import make_folder, try_lock, write_text_atomically
from trirl_robot.runs.settings import RunConfig
from trirl_robot.versions import package_versions, revision

CONFIG, VERSIONS, METRICS = "config.yaml", "versions.json", "metrics.jsonl"
CHECKPOINT, CLONED, LOCK = "checkpoint.pt", "cloned.pt", ".lock"
WARNINGS = "warnings.txt"
DISCRIMINATORS = "discriminators.bin"
PACKAGES = ("mujoco", "torch", "numpy", "onnxruntime", "onnx", "h5py")


class RunFolder:
    """Paths of a run and its log of metrics."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / CHECKPOINT
        self.cloned = path / CLONED
        self.metrics = path / METRICS
        self.warnings = path / WARNINGS
        self.discriminators = path / DISCRIMINATORS

    @staticmethod
    def create(path: Path, config: RunConfig) -> RunFolder:
        """Start a run in a new or empty folder.

        Raises:
            RunError: the folder already holds a run or what is left of one, or is none.
        """
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: a file is there; expected a new or empty folder as --output")
        if (path / CONFIG).exists():
            raise RunError(
                f"{path}: already holds a run; go on with --resume, or choose another --output"
            )
        left = [name for name in (CHECKPOINT, METRICS, DISCRIMINATORS) if (path / name).exists()]
        if left:
            raise RunError(
                f"{path}: holds {' and '.join(left)} of a run whose {CONFIG} is gone; choose "
                "another --output, or remove the folder"
            )
        make_folder(path)
        write_text_atomically(path / VERSIONS, json.dumps(versions(), indent=2) + "\n")
        write_text_atomically(path / CONFIG, to_yaml(config))
        return RunFolder(path)

    @staticmethod
    def open(path: Path) -> tuple[RunFolder, RunConfig]:
        """Open a run that exists.

        Raises:
            RunError: the folder holds no run.
            ConfigError: its configuration was damaged.
        """
        if not (path / CONFIG).is_file():
            raise RunError(f"{path}: not a run folder; expected {CONFIG} as 'trirl train' writes")
        return RunFolder(path), load(RunConfig, path / CONFIG)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; the lock ends with this process.

        Raises:
            RunError: another process trains in it.
        """
        descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not try_lock(descriptor):
                raise RunError(
                    f"{self.path}: another process is training in this folder; wait for it to end, "
                    "or start a run of its own with another --output"
                )
            yield
        finally:
            os.close(descriptor)

    def remove_torn(self) -> None:
        """Remove the checkpoints in the writing of which the run was killed."""
        for torn in self.path.glob(f".{CHECKPOINT}.*.tmp"):
            torn.unlink(missing_ok=True)

    def append_metrics(self, row: dict[str, float]) -> None:
        """Add one line to the metrics."""
        plain = {key: value for key, value in row.items() if not math.isnan(value)}
        with self.metrics.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(plain) + "\n")

    def read_metrics(self) -> list[dict[str, float]]:
        """Return all whole lines of the metrics; a line torn by a kill is left out."""
        if not self.metrics.is_file():
            return []
        return list(read_metrics(self.metrics, self.path.name).rows)

    def rewind_metrics(self, iteration: int) -> None:
        """Drop lines after `iteration`, which a resumed run will write again."""
        kept = [row for row in self.read_metrics() if row["iteration"] <= iteration]
        write_text_atomically(self.metrics, "".join(json.dumps(row) + "\n" for row in kept))


def versions() -> dict[str, Any]:
    """Return the software that a result hangs on."""
    return {
        "trirl-robot": __version__,
        "git_revision": revision() or "unknown",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": package_versions(PACKAGES),
    }
