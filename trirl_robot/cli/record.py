"""`trirl record`: demonstrations into one HDF5 file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from teleop.record import RecordSummary, record
from teleop.session import Progress as SessionProgress
from trirl_robot.cli.main import INTERRUPTED
from trirl_robot.cli.options import randomisation_option
from trirl_robot.demos.recorder import Existing, Stored


@click.command(name="record")
@click.option("--task", default="so101-reach", show_default=True, help="Task name or YAML file.")
@click.option(
    "--device", default="scripted", show_default=True, help="What the operator demonstrates with."
)
@click.option(
    "--episodes", default=20, show_default=True, type=int, help="Demonstrations to record."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="HDF5 file to write."
)
@click.option("--seed", default=0, show_default=True, help="Fixes everything that is drawn.")
@randomisation_option("Dynamics drawn at each episode", default="light")
@click.option("--operator", default=None, help="Who demonstrates.  [default: the name of the user]")
@click.option("--fast", is_flag=True, help="As fast as the machine can, not at the control rate.")
@click.option("--append", is_flag=True, help="Add to the output if it exists.")
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
def command(
    task: str,
    device: str,
    episodes: int,
    output: Path,
    seed: int,
    randomisation: str,
    operator: str | None,
    fast: bool,
    append: bool,
    force: bool,
) -> None:
    """Record demonstrations of a task into one HDF5 file.

    Episodes that fail are put aside into NAME.quarantine.hdf5 and done again. Ctrl-C ends the
    session and keeps every whole demonstration. After a crash, the next start recovers
    what was left: an episode that was already to be kept into the file, one that was in progress
    into the quarantine.

    \b
    Examples:
      trirl record --output demos.hdf5
      trirl record --output demos.hdf5 --episodes 10 --append
      trirl record --output demos.hdf5 --force --seed 7 --fast
      trirl record --output nominal.hdf5 --randomisation none
    """
    if append and force:
        raise click.UsageError("--append and --force exclude each other; give one of them")
    existing: Existing = "append" if append else "replace" if force else "refuse"
    console = Console()
    with RecordDisplay(console, episodes) as display:
        summary = record(
            task,
            device,
            episodes,
            output,
            seed=seed,
            randomisation=randomisation,
            realtime=not fast,
            existing=existing,
            operator=operator,
            on_start=display.recovered,
            on_progress=display.update,
        )
    console.print(summary_table(summary))
    for remark in remarks(summary):
        console.print(remark)
    if summary.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


class RecordDisplay:
    """One progress line: episode, step, rate and time left."""

    def __init__(self, console: Console, episodes: int) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("recording"),
            BarColumn(),
            TextColumn("{task.fields[what]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, what=f"episode 1/{episodes}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def recovered(self, stored: Stored | None) -> None:
        """Say what an earlier session had left behind."""
        if stored is not None:
            self._console.print(f"recovered an episode of an earlier session: {stored}")

    def update(self, progress: SessionProgress) -> None:
        """Show one cycle, or the episode that has just been stored."""
        stored = progress.stored
        if stored is not None and not stored.kept:
            self._console.print(f"put aside: {stored}")
        steps = progress.max_episode_steps
        current = 0 if stored is not None else progress.step
        number = min(progress.kept + 1, progress.episodes)
        self._bar.update(
            self._task,
            total=progress.episodes * steps,
            completed=progress.kept * steps + current,
            what=(
                f"episode {number}/{progress.episodes}, step {progress.step:3d}/{steps}, "
                f"{progress.rate_hz:.0f} Hz"
            ),
        )


def summary_table(summary: RecordSummary) -> Table:
    """Return what a session has recorded, for the terminal."""
    table = Table("this session", "", title=str(summary.output))
    table.columns[1].justify = "right"
    rows = [
        ("demonstrations recorded", f"{summary.episodes}"),
        ("demonstrations in the file", f"{summary.total_episodes}"),
        ("put aside", f"{len(summary.put_aside)}"),
    ]
    if summary.episodes:
        rows += [
            ("task fulfilled", f"{summary.successes / summary.episodes:.0%}"),
            ("mean length", f"{summary.mean_steps:.0f} steps"),
            ("control rate", f"{summary.rate_hz:.1f} Hz"),
            ("late cycles", f"{summary.late_share:.1%}"),
            ("actions at their limit", f"{summary.saturated_share:.1%} of the steps"),
            ("nothing commanded", f"{summary.idle_share:.1%} of the steps"),
        ]
    for row in rows:
        table.add_row(*row)
    return table


def remarks(summary: RecordSummary, most: int = 10) -> list[str]:
    """Return what the user should look at, one sentence each."""
    found = [f"look again: {warning}" for warning in summary.warnings[:most]]
    if len(summary.warnings) > most:
        found.append(f"look again: and {len(summary.warnings) - most} more")
    if summary.put_aside:
        places = sorted({str(stored.path) for stored in summary.put_aside})
        found.append(f"episodes put aside are in {', '.join(places)}")
    if summary.interrupted:
        found.append("stopped before all were recorded; go on with --append")
    return found
