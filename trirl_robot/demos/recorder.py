"""Records episodes: journal while one is in progress, HDF5 once it is kept, quarantine otherwise.

Nothing that was recorded is deleted silently. An episode that is not kept (it failed, was cut off
by a crash, or holds values that cannot be learnt from) goes to a file of the same form beside the
output, `NAME.quarantine.hdf5`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from trirl_robot.contract import PolicyContract
from trirl_robot.demos.journal import Journal, JournalEntry
from trirl_robot.demos.schema import (
    Demonstration,
    EpisodeMetadata,
    Outcome,
    Step,
    check_demonstration,
)
from trirl_robot.demos.store import (
    episode_ids,
    remove_leftovers,
    require_appendable,
    save_demonstration,
)
from trirl_robot.errors import ContractError, DatasetError

Existing = Literal["refuse", "append", "replace"]
"""What to do when the output exists."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where an episode went."""

    path: Path
    """The file: the output, or its quarantine."""
    name: str
    """Its name in that file, such as `demo_3`."""
    demonstration: Demonstration
    """The episode."""
    kept: bool
    """It is among the demonstrations; otherwise it was put aside."""

    def __str__(self) -> str:
        """Return one sentence for the user."""
        remark = f" ({self.demonstration.remark})" if self.demonstration.remark else ""
        return f"{len(self.demonstration)} steps as {self.name} in {self.path}{remark}"


class DemonstrationRecorder:
    """Writes the demonstrations of one session; a context manager.

    Attributes:
        recovered: the episode of an earlier session that ended without saving it; None usually.
    """

    def __init__(
        self,
        output: Path,
        contract: PolicyContract,
        task: str,
        existing: Existing = "refuse",
    ) -> None:
        """Lock the output and recover what an earlier session left behind.

        Args:
            output: the HDF5 file to write.
            contract: contract of the task.
            task: name of the task.
            existing: what to do when the output exists; a replaced file is replaced when the
                first demonstration is saved, not before.

        Raises:
            DatasetError: the output exists, its folder does not, or another recorder uses it.
            ContractError: the output exists with another contract.
        """
        self._output, self._contract, self._task = output, contract, task
        _check_output(output, contract, task, existing)
        self._replace = existing == "replace"
        self._journal = Journal(output.with_name(f"{output.name}.journal"))
        try:
            remove_leftovers(output)
            remove_leftovers(self._quarantine_path(1))
            self.recovered = self._recover()
        except BaseException:
            self._journal.close()
            raise

    def num_kept(self) -> int:
        """Return how many demonstrations the output holds; 0 while it is still to be replaced."""
        return 0 if self._replace else len(episode_ids(self._output))

    def begin(self, metadata: EpisodeMetadata, state_size: int) -> None:
        """Start an episode."""
        self._journal.begin(metadata, self._contract, state_size)

    def append(self, step: Step) -> None:
        """Write one step of the episode."""
        self._journal.append(step)

    def keep(self, outcome: Outcome) -> Stored:
        """Save the episode as a demonstration; into quarantine when it cannot be learnt from."""
        self._journal.end(outcome, "keep")
        return self._finish(self._entry())

    def put_aside(self, outcome: Outcome, remark: str) -> Stored | None:
        """Put the episode into quarantine; returns None when it has no step."""
        self._journal.end(outcome, "quarantine")
        entry = self._journal.entry()
        if entry is None:
            self._journal.clear()
            return None
        demo = dataclasses.replace(entry.demonstration, remark=remark)
        return self._finish(dataclasses.replace(entry, demonstration=demo))

    def close(self) -> None:
        """Release the output; an episode in progress stays in the journal for the next session."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _entry(self) -> JournalEntry:
        entry = self._journal.entry()
        if entry is None:
            raise DatasetError(f"{self._journal.path}: the episode has no steps to keep")
        return entry

    def _recover(self) -> Stored | None:
        entry = self._journal.entry()
        if entry is None:
            self._journal.clear()
            return None
        already = set() if self._replace else episode_ids(self._output)
        if entry.demonstration.metadata.episode_id in already:
            self._journal.clear()
            return None
        remark = "recovered: the recorder was killed while it was in progress"
        if entry.decision is not None:
            remark = "recovered: the recorder was killed while it was being saved"
        if entry.lost_bytes:
            remark += f"; {entry.lost_bytes} bytes at the end of the journal were not readable"
        demo = dataclasses.replace(entry.demonstration, remark=remark)
        return self._finish(dataclasses.replace(entry, demonstration=demo), recovering=True)

    def _finish(self, entry: JournalEntry, recovering: bool = False) -> Stored:
        demo, kept = entry.demonstration, entry.decision == "keep"
        if recovering:
            same = entry.contract == self._contract and demo.metadata.task == self._task
            kept = kept and same and not self._replace
        if kept:
            try:
                check_demonstration(demo, entry.contract, "not kept")
            except DatasetError as problem:
                kept, demo = False, dataclasses.replace(demo, remark=str(problem))
        path = self._output if kept else self._quarantine(entry)
        if not kept and demo.metadata.episode_id in episode_ids(path):
            name = "an earlier recovery"
        else:
            name = save_demonstration(
                path,
                demo,
                entry.contract,
                replace=kept and self._replace and not recovering,
                unchecked=not kept,
            )
        self._replace = self._replace and (recovering or not kept)
        self._journal.clear()
        return Stored(path=path, name=name, demonstration=demo, kept=kept)

    def _quarantine(self, entry: JournalEntry) -> Path:
        """Return the first quarantine file that can hold the episode."""
        number = 1
        while True:
            path = self._quarantine_path(number)
            if not path.exists():
                return path
            try:
                require_appendable(path, entry.contract, entry.demonstration.metadata.task)
            except (DatasetError, ContractError):
                number += 1
            else:
                return path

    def _quarantine_path(self, number: int) -> Path:
        suffix = ".quarantine" if number == 1 else f".quarantine-{number}"
        return self._output.with_name(f"{self._output.stem}{suffix}{self._output.suffix}")


def _check_output(output: Path, contract: PolicyContract, task: str, existing: Existing) -> None:
    if not output.parent.is_dir():
        raise DatasetError(
            f"{output}: the folder {output.parent} does not exist; create it or choose another"
        )
    if output.is_dir():
        raise DatasetError(f"{output}: is a folder, expected the name of an HDF5 file")
    if output.exists() and existing == "refuse":
        raise DatasetError(
            f"{output}: exists already; add to it with --append, replace it with --force, or "
            "choose another output"
        )
    if output.exists() and existing == "append":
        require_appendable(output, contract, task)
