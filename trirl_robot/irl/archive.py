"""Every discriminator of a run, one after the other in a file that only grows.

The file is one line of JSON that gives the number of parameters, and then records of that size. A
record holds its own checksum, so that a record torn by a kill is noticed; records are never
changed, and a resumed run cuts off those after its checkpoint, which it will write again.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trirl_robot.errors import RunError
from trirl_robot.files import sync_directory

_KIND = "trirl discriminators"


@dataclass(frozen=True, kw_only=True)
class ArchivedDiscriminator:
    """One discriminator of a run, as it was when the reward was corrected with it."""

    iteration: int
    """Iteration in which it was trained, from 1."""
    corrected_step_size: float
    """Step eps_tr that the reward made towards it; 1 where it was the reward itself."""
    eta: float
    """Multiplier of the trust region, nats."""
    head: Tensor
    """Its parameters, what `Classifier.head` returns, (p,)."""


@dataclass(frozen=True, kw_only=True)
class Archived:
    """All discriminators of a run, K with p parameters each."""

    iteration: NDArray[np.int64]
    """Iterations in which they were trained, (K,)."""
    corrected_step_size: NDArray[np.float64]
    """Steps that the reward made towards them, (K,)."""
    eta: NDArray[np.float64]
    """Multipliers of the trust region, (K,), nats."""
    heads: Tensor
    """Their parameters, (K, p)."""


class DiscriminatorArchive:
    """The file of a run that holds its discriminators."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, discriminator: ArchivedDiscriminator) -> None:
        """Write one more discriminator.

        Raises:
            RunError: it has another number of parameters than those in the file.
        """
        head = discriminator.head.to("cpu", torch.float32).numpy()
        if not self.path.exists():
            self._begin(len(head))
        record = np.zeros((), self._record_type(expected=len(head)))
        record["iteration"] = discriminator.iteration
        record["corrected_step_size"] = discriminator.corrected_step_size
        record["eta"] = discriminator.eta
        record["head"] = head
        record["checksum"] = _checksum(record)
        with self.path.open("ab") as handle:
            handle.write(record.tobytes())

    def flush(self) -> None:
        """Wait until everything is on the disk, where a power cut leaves it."""
        if self.path.exists():
            with self.path.open("rb") as handle:
                os.fsync(handle.fileno())

    def rewind(self, count: int) -> None:
        """Cut off all but the first `count` discriminators.

        Raises:
            RunError: there are fewer, or one of them is damaged.
        """
        if count == 0:
            self.path.unlink(missing_ok=True)
            return
        self.read(count)
        start = len(self._header())
        with self.path.open("r+b") as handle:
            handle.truncate(start + count * self._record_type().itemsize)

    def read(self, count: int) -> Archived:
        """Return the first `count` discriminators.

        Raises:
            RunError: there are fewer, or one of them is damaged.
        """
        records = self._records(count)
        whole = len(records) == count and all(_checksum(r) == r["checksum"] for r in records)
        if not whole:
            raise RunError(
                f"{self.path}: does not hold the {count} discriminators of its run's checkpoint "
                f"(it has {len(records)}, or one is damaged); restore the file, or train again"
            )
        return Archived(
            iteration=records["iteration"].copy(),
            corrected_step_size=records["corrected_step_size"].copy(),
            eta=records["eta"].copy(),
            heads=torch.from_numpy(np.ascontiguousarray(records["head"])),
        )

    def _records(self, count: int) -> NDArray[Any]:
        if not self.path.is_file():
            return np.zeros(0, _record_type(0))
        with self.path.open("rb") as handle:
            handle.seek(len(self._header()))
            return np.fromfile(handle, self._record_type(), count)

    def _begin(self, parameters: int) -> None:
        header = json.dumps({"kind": _KIND, "parameters": parameters}) + "\n"
        self.path.write_bytes(header.encode())
        sync_directory(self.path.parent)

    def _header(self) -> bytes:
        with self.path.open("rb") as handle:
            return handle.readline(200)

    def _record_type(self, expected: int | None = None) -> np.dtype[Any]:
        try:
            header = json.loads(self._header())
            parameters = int(header["parameters"])
            known = header["kind"] == _KIND
        except (ValueError, TypeError, KeyError):
            known, parameters = False, -1
        if not known or (expected is not None and parameters != expected):
            raise RunError(
                f"{self.path}: not an archive of this run's discriminators"
                + ("" if expected is None else f" of {expected} parameters each")
                + "; restore the file, or train again with another --output"
            )
        return _record_type(parameters)


def _record_type(parameters: int) -> np.dtype[Any]:
    return np.dtype(
        [
            ("iteration", "<i8"),
            ("corrected_step_size", "<f8"),
            ("eta", "<f8"),
            ("head", "<f4", (parameters,)),
            ("checksum", "<u4"),
        ]
    )


def _checksum(record: Any) -> int:
    return zlib.crc32(record.tobytes()[:-4])
