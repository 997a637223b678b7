"""Append-only journal of the episode in progress.

Each record is written with one system call and carries a checksum, so a killed process loses
nothing that it has written, and a record that was cut off is recognised. The file is locked while a
recorder runs: it also keeps two recorders from writing to the same demonstrations.

Layout: records of kind (1 byte), payload length (uint32), CRC-32 of kind and payload (uint32), and
payload, little endian. Kinds are `H` (header, JSON), `S` (one step, see `step_dtype`) and `E` (end,
JSON).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import from_mapping, to_mapping
from trirl_robot.contract import PolicyContract, contract_from_json
from trirl_robot.demos.schema import Demonstration, EpisodeMetadata, Outcome, Step
from trirl_robot.errors import DatasetError, TrirlError
from trirl_robot.files import try_lock

Decision = Literal["keep", "quarantine"]
"""What the operator wants done with a finished episode."""

_FRAME = struct.Struct("<cII")  # little endian, no padding
_HEADER, _STEP, _END = b"H", b"S", b"E"


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """The episode that a journal holds."""

    contract: PolicyContract
    """Contract under which it was recorded."""
    demonstration: Demonstration
    """Its steps so far; the outcome is `interrupted` when the journal has no end."""
    decision: Decision | None
    """What was to be done with it; None when the episode was not finished."""
    lost_bytes: int
    """Bytes after the last whole record: a torn tail, or damage."""


def step_dtype(observation_size: int, action_size: int, state_size: int) -> np.dtype[Any]:
    """Return the binary layout of one step."""
    return np.dtype(
        [
            ("observation", "<f8", (observation_size,)),
            ("action", "<f8", (action_size,)),
            ("next_observation", "<f8", (observation_size,)),
            ("state", "<f8", (state_size,)),
            ("reward", "<f8"),
            ("observation_ns", "<i8"),
            ("command_ns", "<i8"),
            ("dropped", "<u4"),
            ("terminated", "u1"),
            ("truncated", "u1"),
            ("late", "u1"),
        ]
    )


class Journal:
    """The journal file of one recording session, locked until it is closed."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and lock it.

        Raises:
            DatasetError: another recorder holds it, or it cannot be written.
        """
        self.path = path
        self._dtype = step_dtype(0, 0, 0)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise DatasetError(f"{path}: cannot be written ({error.strerror})") from None
        locked = try_lock(self._file)
        # the holder before us may have removed the file between our opening and our locking
        current = path.stat().st_ino if path.exists() else None
        if not locked or current != os.fstat(self._file).st_ino:
            os.close(self._file)
            raise DatasetError(
                f"{path}: another recorder is writing these demonstrations; "
                "wait for it to end or choose another output"
            )

    def begin(self, metadata: EpisodeMetadata, contract: PolicyContract, state_size: int) -> None:
        """Start an episode; whatever the file held is gone."""
        self.clear()
        self._dtype = step_dtype(contract.observation_size, contract.action_size, state_size)
        header = {
            "contract": contract.to_json(),
            "metadata": to_mapping(metadata),
            "state_size": state_size,
        }
        self._write(_HEADER, json.dumps(header).encode())

    def append(self, step: Step) -> None:
        """Write one step; it survives the death of this process.

        Raises:
            DatasetError: the disk is full, or a vector has not the contract's size.
        """
        record = np.empty((), self._dtype)
        for name in self._dtype.names or ():
            value = np.asarray(getattr(step, name))
            if value.shape != record[name].shape:
                raise DatasetError(
                    f"{name} of a step has the shape {value.shape}, expected {record[name].shape}"
                )
            record[name] = value
        self._write(_STEP, record.tobytes())

    def end(self, outcome: Outcome, decision: Decision) -> None:
        """Mark the episode as finished and flush it to the disk."""
        self._write(_END, json.dumps({"outcome": outcome, "decision": decision}).encode())
        os.fsync(self._file)

    def entry(self) -> JournalEntry | None:
        """Return the episode that the file holds; None when it holds not one whole step."""
        return parse_journal(self.path.read_bytes(), str(self.path))

    def clear(self) -> None:
        """Forget the episode, once it is stored elsewhere."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Remove the file and release the lock; call after `clear` or leave the file in place."""
        if os.fstat(self._file).st_size == 0:
            self.path.unlink(missing_ok=True)
        os.close(self._file)

    def _write(self, kind: bytes, payload: bytes) -> None:
        frame = _FRAME.pack(kind, len(payload), zlib.crc32(payload, zlib.crc32(kind)))
        data = memoryview(frame + payload)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise DatasetError(
                f"{self.path}: writing failed ({error.strerror}); make room and start again, "
                "the episode so far will be recovered"
            ) from None


def parse_journal(data: bytes, where: str) -> JournalEntry | None:
    """Read a journal up to the first record that is cut off or damaged.

    Args:
        data: content of the file.
        where: how messages name the file.

    Returns:
        The episode, or None when there is not one whole step.

    Raises:
        DatasetError: the header is damaged, or of another version or form.
    """
    records, whole = _records(data)
    if not records:
        if len(data) >= _FRAME.size and len(data) >= _FRAME.size + _FRAME.unpack_from(data)[1]:
            raise DatasetError(f"{where}: the journal is damaged; move it away to go on")
        return None
    try:
        header = json.loads(records[0][1])
        contract = contract_from_json(header["contract"], where)
        metadata = from_mapping(EpisodeMetadata, header["metadata"], where)
        dtype = step_dtype(contract.observation_size, contract.action_size, header["state_size"])
        steps = np.frombuffer(b"".join(p for kind, p in records if kind == _STEP), dtype)
        end = next((json.loads(p) for kind, p in records if kind == _END), None)
    except (TrirlError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{where}: not a journal of this version ({error}); move it away to go on"
        ) from None
    if not len(steps):
        return None
    return JournalEntry(
        contract=contract,
        demonstration=_demonstration(metadata, steps, end["outcome"] if end else "interrupted"),
        decision=end["decision"] if end else None,
        lost_bytes=len(data) - whole,
    )


def _records(data: bytes) -> tuple[list[tuple[bytes, bytes]], int]:
    """Return the whole records, and how many bytes they take."""
    records: list[tuple[bytes, bytes]] = []
    start = 0
    while start + _FRAME.size <= len(data):
        kind, length, checksum = _FRAME.unpack_from(data, start)
        payload = data[start + _FRAME.size : start + _FRAME.size + length]
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(kind)) != checksum:
            break
        records.append((kind, payload))
        start += _FRAME.size + length
    return records, start


def _demonstration(
    metadata: EpisodeMetadata, steps: NDArray[Any], outcome: Outcome
) -> Demonstration:
    return Demonstration(
        metadata=metadata,
        outcome=outcome,
        observation=steps["observation"].copy(),
        action=steps["action"].copy(),
        next_observation=steps["next_observation"].copy(),
        state=steps["state"].copy(),
        reward=steps["reward"].copy(),
        terminated=steps["terminated"].astype(bool),
        truncated=steps["truncated"].astype(bool),
        observation_ns=steps["observation_ns"].copy(),
        command_ns=steps["command_ns"].copy(),
        late_cycles=int(steps["late"].sum()),
        dropped_cycles=int(steps["dropped"].sum()),
    )
