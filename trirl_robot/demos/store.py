"""The HDF5 file of demonstrations, in the layout that robomimic reads.

A file is replaced as a whole: each save copies it to a temporary name, adds the demonstration,
flushes and renames. So a reader, a kill or a power cut at any moment sees every demonstration that
was saved before, and no half of another. Demonstrations without cameras are small (0.1 MB for four
seconds), which is what makes the copy cheap.

    /data            attributes: total, env_args, format, format_version, task, contract,
                     contract_sha256
    /data/demo_0     attributes: num_samples, episode_id, outcome, success, operator, device, …
        obs/<field>, next_obs/<field>, actions, states, rewards, dones, terminated, truncated,
        timestamps/observation_ns, timestamps/command_ns
        model_xml    hard link to /models/<sha256>: equal models are stored once
    /mask/train, /mask/valid    names of demonstrations
"""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trirl_robot.contract import (
    PolicyContract,
    contract_from_json,
    require_same,
)
from trirl_robot.demos.schema import (
    FORMAT,
    FORMAT_VERSION,
    MASKS,
    VALID_EVERY,
    Demonstration,
    check_demonstration,
)
from trirl_robot.errors import ContractError, DatasetError
from trirl_robot.files import replaced_atomically

_GYM_TYPE = 2  # robomimic's number for an environment of the Gym kind


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file of demonstrations for reading; trouble inside the block is reported as its own.

    Raises:
        DatasetError: missing, damaged, or not a file of demonstrations of this version.
    """
    if path.is_dir():
        raise DatasetError(f"{path}: is a folder; expected a file of demonstrations")
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; expected demonstrations (see trirl record)")
    try:
        with h5py.File(path, "r") as file:
            _check_format(file, path)
            yield file
    except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(
            f"{path}: damaged, truncated or not HDF5 ({reason}); use another copy or record again"
        ) from None


def read_contract(file: h5py.File, path: Path) -> PolicyContract:
    """Return the contract of an opened file.

    Raises:
        ContractError: malformed, of another version, or not what its digest says.
    """
    contract = contract_from_json(str(file["data"].attrs["contract"]), str(path))
    stored = file["data"].attrs["contract_sha256"]
    if contract.sha256 != stored:
        raise ContractError(
            f"{path}: the contract has the digest {contract.sha256[:12]}…, the file says "
            f"{str(stored)[:12]}…; it was changed after recording: use the original file"
        )
    return contract


def demonstration_names(file: h5py.File) -> list[str]:
    """Return `demo_0`, `demo_1`, … in order of their numbers."""
    names = (n for n in file["data"] if n.startswith("demo_") and n[5:].isdecimal())
    return sorted(names, key=lambda name: int(name[5:]))


def episode_ids(path: Path) -> set[str]:
    """Return the episodes that a file holds; none when there is no file."""
    if not path.exists():
        return set()
    with opened(path) as file:
        return {str(file["data"][n].attrs["episode_id"]) for n in demonstration_names(file)}


def require_appendable(path: Path, contract: PolicyContract, task: str) -> None:
    """Refuse to add demonstrations of another task or contract to a file.

    Raises:
        DatasetError: another task, or not a file of demonstrations.
        ContractError: another contract; the message shows both sides.
    """
    with opened(path) as file:
        require_same(read_contract(file, path), contract, str(path), f"task '{task}'")
        stored = str(file["data"].attrs["task"])
        if stored != task:
            raise DatasetError(
                f"{path}: holds demonstrations of the task '{stored}', not '{task}'; "
                "choose another output"
            )


def save_demonstration(
    path: Path,
    demo: Demonstration,
    contract: PolicyContract,
    *,
    replace: bool = False,
    unchecked: bool = False,
) -> str:
    """Add one whole demonstration to a file, or start the file with it.

    Args:
        path: the file; created when it is not there.
        demo: the demonstration.
        contract: the contract under which it was recorded.
        replace: start the file anew, whatever it held.
        unchecked: accept also what cannot be learnt from (a quarantine holds such episodes).

    Returns:
        Its name in the file, such as `demo_3`.

    Raises:
        DatasetError: the demonstration cannot be learnt from, the file is not one of
            demonstrations, or the disk is full.
        ContractError: the file has another contract.
    """
    if not unchecked:
        check_demonstration(demo, contract, f"demonstration for {path}")
    extend = path.exists() and not replace
    if extend:
        require_appendable(path, contract, demo.metadata.task)
    try:
        with replaced_atomically(path) as temporary:
            if extend:
                shutil.copyfile(path, temporary)
            with h5py.File(temporary, "a") as file:
                if not extend:
                    _start(file, contract, demo.metadata.task)
                return _add(file, demo, contract)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: saving failed ({reason}); the file is as before") from None


def remove_leftovers(path: Path) -> None:
    """Remove temporary copies that a killed save left beside `path`."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _check_format(file: h5py.File, path: Path) -> None:
    data = file.get("data")
    if not isinstance(data, h5py.Group) or data.attrs.get("format") != FORMAT:
        raise DatasetError(
            f"{path}: HDF5, but not demonstrations of this project (no format '{FORMAT}' on "
            "/data); record with trirl record"
        )
    version = data.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{path}: format version {version}, this software reads {FORMAT_VERSION}; "
            "use the version that recorded it, or record again"
        )


def _start(file: h5py.File, contract: PolicyContract, task: str) -> None:
    attributes = file.create_group("data").attrs
    attributes["format"] = FORMAT
    attributes["format_version"] = FORMAT_VERSION
    attributes["task"] = task
    attributes["contract"] = contract.to_json()
    attributes["contract_sha256"] = contract.sha256
    attributes["total"] = 0
    attributes["env_args"] = json.dumps(
        {
            "env_name": task,
            "type": _GYM_TYPE,
            "env_kwargs": {"robot": contract.robot, "control_rate_hz": contract.control_rate_hz},
        }
    )
    file.create_group("mask")
    file.create_group("models")


def _add(file: h5py.File, demo: Demonstration, contract: PolicyContract) -> str:
    names = demonstration_names(file)
    number = int(names[-1][5:]) + 1 if names else 0
    group = file["data"].create_group(f"demo_{number}")
    _write_arrays(group, demo, contract)
    _write_attributes(group.attrs, demo)
    digest = hashlib.sha256(demo.metadata.model_xml.encode()).hexdigest()
    if digest not in file["models"]:
        file["models"][digest] = demo.metadata.model_xml
    group["model_xml"] = file["models"][digest]
    file["data"].attrs["total"] = int(file["data"].attrs["total"]) + len(demo)
    _write_masks(file)
    return f"demo_{number}"


def _write_arrays(group: h5py.Group, demo: Demonstration, contract: PolicyContract) -> None:
    arrays: dict[str, Any] = {
        "actions": demo.action,
        "states": demo.state,
        "rewards": demo.reward,
        "dones": (demo.terminated | demo.truncated).astype(np.uint8),
        "terminated": demo.terminated.astype(np.uint8),
        "truncated": demo.truncated.astype(np.uint8),
        "timestamps/observation_ns": demo.observation_ns,
        "timestamps/command_ns": demo.command_ns,
    }
    for name, place in contract.observation_slices.items():
        arrays[f"obs/{name}"] = demo.observation[:, place]
        arrays[f"next_obs/{name}"] = demo.next_observation[:, place]
    for name, array in arrays.items():
        # a checksum a dataset: a flipped bit is an error on reading, not a strange demonstration
        options = {"fletcher32": True, "chunks": array.shape} if array.size else {}
        group.create_dataset(name, data=array, **options)


def _write_attributes(attributes: Any, demo: Demonstration) -> None:
    meta = demo.metadata
    attributes["num_samples"] = len(demo)
    attributes["episode_id"] = meta.episode_id
    attributes["outcome"] = demo.outcome
    attributes["success"] = demo.outcome == "success"
    attributes["task_parameters"] = _json(meta.task_parameters)
    attributes["dynamics"] = _json(meta.dynamics)
    attributes["operator"] = meta.operator
    attributes["device"] = meta.device
    attributes["started_utc"] = meta.started_utc
    attributes["started_ns"] = meta.started_ns
    attributes["versions"] = _json(meta.versions)
    attributes["late_cycles"] = demo.late_cycles
    attributes["dropped_cycles"] = demo.dropped_cycles
    attributes["remark"] = demo.remark


def _write_masks(file: h5py.File) -> None:
    names = demonstration_names(file)
    valid = {name for name in names if int(name[5:]) % VALID_EVERY == VALID_EVERY - 1}
    chosen = {"train": [n for n in names if n not in valid], "valid": sorted(valid)}
    for mask in MASKS:
        if mask in file["mask"]:
            del file["mask"][mask]
        width = max((len(n) for n in chosen[mask]), default=1)
        file["mask"][mask] = np.asarray(chosen[mask], dtype=f"S{width}")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
