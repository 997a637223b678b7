"""Strict reader of demonstrations: everything is checked before anything is learnt from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract, require_same
from trirl_robot.demos.schema import (
    Array,
    Demonstration,
    EpisodeMetadata,
    Flags,
    Nanoseconds,
    check_demonstration,
)
from trirl_robot.demos.store import demonstration_names, opened, read_contract
from trirl_robot.errors import DatasetError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Demonstrations:
    """The transitions of several demonstrations, one after the other (T steps in all)."""

    path: Path
    """The file they came from."""
    sha256: str
    """SHA-256 of that file, in hexadecimal."""
    task: str
    """Name of the task."""
    contract: PolicyContract
    """Contract under which they were recorded."""
    names: tuple[str, ...]
    """Names of the E demonstrations."""
    lengths: NDArray[np.int64]
    """Steps of each demonstration, shape (E,)."""
    recorded_lengths: NDArray[np.int64]
    """The same before any of them were left out, shape (E,)."""
    task_parameters: tuple[Mapping[str, Any], ...]
    """Parameters of each episode, such as the target's position."""
    state: Array
    """Simulation state [time, qpos, qvel], shape (T, k); (T, 0) where nothing was simulated."""
    step: NDArray[np.int64]
    """Steps since the start of the demonstration, shape (T,)."""
    observation: Array
    """Shape (T, n), SI units."""
    action: Array
    """Shape (T, m), in [-1, 1]; (T, 0) where a demonstration has none."""
    next_observation: Array
    """Shape (T, n), SI units."""
    terminated: Flags
    """Shape (T,)."""
    truncated: Flags
    """Shape (T,)."""

    def require_actions(self, purpose: str) -> None:
        """Refuse demonstrations without actions.

        Args:
            purpose: what needs them, as the subject of a sentence.

        Raises:
            DatasetError: a demonstration has none.
        """
        if not self.action.shape[1]:
            raise DatasetError(
                f"{self.path}: holds a demonstration without actions, which {purpose} needs; learn "
                "from observations with --set start=scratch --set "
                "'discriminator.inputs=[observation]', by trirl or gail"
            )

    def subset(self, episodes: int | None = None, every: int = 1) -> Demonstrations:
        """Return some of the demonstrations, or some of their steps.

        Args:
            episodes: how many demonstrations to keep, the first ones; None keeps all.
            every: keep one step in this many of each, and always its last.

        Raises:
            DatasetError: there are not that many, or none is so long.
        """
        count = len(self.lengths) if episodes is None else episodes
        if not 1 <= count <= len(self.lengths):
            raise DatasetError(
                f"{self.path}: holds {len(self.lengths)} demonstrations, {count} are asked for; "
                "record more with trirl record --append, or ask for fewer"
            )
        if not 1 <= every <= self.lengths.max():
            raise DatasetError(
                f"{self.path}: one step in {every} is asked for, and the longest demonstration has "
                f"{self.lengths.max()}; expected 1 to as many"
            )
        ends = np.cumsum(self.lengths)
        kept = [
            np.union1d(np.arange(end - length, end, every), end - 1)
            for end, length in zip(ends[:count], self.lengths[:count], strict=True)
        ]
        rows = np.concatenate(kept)
        arrays = (
            "state",
            "step",
            "observation",
            "action",
            "next_observation",
            "terminated",
            "truncated",
        )
        return replace(
            self,
            names=self.names[:count],
            lengths=np.array([len(part) for part in kept]),
            recorded_lengths=self.recorded_lengths[:count],
            task_parameters=self.task_parameters[:count],
            **{name: getattr(self, name)[rows] for name in arrays},
        )


def load_demonstrations(path: Path, *, contract: PolicyContract | None = None) -> Demonstrations:
    """Read the demonstrations of a file.

    Args:
        path: the HDF5 file.
        contract: when given, the contract that the file must have.

    Raises:
        DatasetError: missing, damaged, empty or foreign file; values that cannot be learnt from.
        ContractError: the file's contract differs from `contract`.
    """
    with opened(path) as file:
        stored = read_contract(file, path)
        if contract is not None:
            require_same(stored, contract, str(path), f"the task for robot '{contract.robot}'")
        names = demonstration_names(file)
        if not names:
            raise DatasetError(
                f"{path}: it holds no demonstration; record some with trirl record --append"
            )
        task = str(file["data"].attrs["task"])
        demos = [_read(file, path, name, stored) for name in names]
    lengths = np.asarray([len(demo) for demo in demos])
    for name, demo in zip(names, demos, strict=True):
        check_demonstration(demo, stored, f"{path}: {name}")
    return Demonstrations(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        task=task,
        contract=stored,
        names=tuple(names),
        lengths=lengths,
        recorded_lengths=lengths,
        task_parameters=tuple(demo.metadata.task_parameters for demo in demos),
        state=_same_width([demo.state for demo in demos]),
        step=np.concatenate([np.arange(length) for length in lengths]),
        observation=np.concatenate([demo.observation for demo in demos]),
        action=_same_width([demo.action for demo in demos]),
        next_observation=np.concatenate([demo.next_observation for demo in demos]),
        terminated=np.concatenate([demo.terminated for demo in demos]),
        truncated=np.concatenate([demo.truncated for demo in demos]),
    )


def _same_width(parts: Sequence[Array]) -> Array:
    """Return all rows one after the other, without values where not all have as many."""
    sizes = {part.shape[1] for part in parts}
    size = sizes.pop() if len(sizes) == 1 else 0
    return np.concatenate([part[:, :size] for part in parts])


def read_demonstration(path: Path, name: str) -> Demonstration:
    """Read one demonstration with everything that is stored about it, without judging its values.

    Raises:
        DatasetError: missing, damaged or foreign file, or no such demonstration.
    """
    with opened(path) as file:
        if name not in file["data"]:
            raise DatasetError(
                f"{path}: {unknown_name('demonstration', name, demonstration_names(file))}"
            )
        return _read(file, path, name, read_contract(file, path))


def _read(file: h5py.File, path: Path, name: str, contract: PolicyContract) -> Demonstration:
    try:
        return _read_as_stored(file, path, name, contract)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"{path}: {name}: an entry is of another type than the format has ({error}); record it "
            "again or leave it out"
        ) from None


def _read_as_stored(
    file: h5py.File, path: Path, name: str, contract: PolicyContract
) -> Demonstration:
    group = file["data"][name]
    attributes = group.attrs
    _check_sizes(group, f"{path}: {name}", contract)
    none = np.empty((int(attributes["num_samples"]), 0))

    def flags(key: str) -> Flags:
        return np.asarray(group[key][()], dtype=bool)

    def times(key: str) -> Nanoseconds:
        # fractions, or NaN, are no nanoseconds
        return np.asarray(group[f"timestamps/{key}"][()]).astype(np.int64, casting="same_kind")

    def fields(key: str) -> Array:
        parts = [group[key][f.name][()] for f in contract.observation]
        return np.concatenate(parts, axis=-1, dtype=np.float64)

    return Demonstration(
        metadata=_read_metadata(file, group, f"{path}: {name}"),
        outcome=attributes["outcome"],
        observation=fields("obs"),
        action=np.asarray(group["actions"][()], np.float64) if "actions" in group else none,
        next_observation=fields("next_obs"),
        state=np.asarray(group["states"][()], dtype=np.float64),
        reward=np.asarray(group["rewards"][()], dtype=np.float64),
        terminated=flags("terminated"),
        truncated=flags("truncated"),
        observation_ns=times("observation_ns"),
        command_ns=times("command_ns"),
        late_cycles=int(attributes["late_cycles"]),
        dropped_cycles=int(attributes["dropped_cycles"]),
        remark=str(attributes["remark"]),
    )


def _check_sizes(group: h5py.Group, where: str, contract: PolicyContract) -> None:
    steps = int(group.attrs["num_samples"])
    # who watched a task being done has no actions
    expected = {"actions": (steps, contract.action_size)} if "actions" in group else {}
    for field in contract.observation:
        expected[f"obs/{field.name}"] = (steps, field.size)
        expected[f"next_obs/{field.name}"] = (steps, field.size)
    for key, shape in expected.items():
        if key not in group:
            raise DatasetError(f"{where}: '{key}' is missing; record it again or leave it out")
        if group[key].shape != shape:
            raise DatasetError(
                f"{where}: '{key}' has the shape {group[key].shape}, expected {shape} from the "
                "contract; record it again or leave it out"
            )


def _read_metadata(file: h5py.File, group: h5py.Group, where: str) -> EpisodeMetadata:
    attributes = group.attrs
    try:
        task_parameters, dynamics, versions = (
            json.loads(attributes[key]) for key in ("task_parameters", "dynamics", "versions")
        )
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: an attribute is not valid JSON ({error})") from None
    return EpisodeMetadata(
        episode_id=str(attributes["episode_id"]),
        task=str(file["data"].attrs["task"]),
        task_parameters=task_parameters,
        dynamics=dynamics,
        model_xml=group["model_xml"][()].decode(),
        operator=str(attributes["operator"]),
        device=str(attributes["device"]),
        started_utc=str(attributes["started_utc"]),
        started_ns=int(attributes["started_ns"]),
        versions=versions,
    )
