"""Runs of a benchmark side by side, each in a process of its own and on one thread."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from trirl_robot.cli.progress import progress_bar
from trirl_robot.errors import TrirlError


class Kept(Protocol):
    """A dataclass that says what to run."""

    @property
    def name(self) -> str:
        """Name of what is kept of it."""


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line, with the options that all benchmarks of many runs have."""
    parser.add_argument("--variant", default="", help="name of the settings given with --set")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other settings")
    parser.add_argument("--jobs", type=at_least(1), default=2, help="runs side by side")
    parser.add_argument("--table", action="store_true", help="only print what is done")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.set and not arguments.variant:
        parser.error("--set needs a --variant, the name under which its results are kept")
    return arguments


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads an option that is a whole number from `least` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value}, expected {least} or more")
        return value

    return number


@contextmanager
def told() -> Iterator[None]:
    """End the program with status 2 and one sentence where what was asked for is not valid."""
    try:
        yield
    except TrirlError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def run_apart(script: str, cells: Sequence[Kept], jobs: int) -> None:
    """Run `benchmarks/SCRIPT.py CELL` for each cell; print the last line of each.

    Ends the program with status 1 where any has failed, after all the others.
    """
    failed = 0
    sys.stdout.write(f"{len(cells)} runs to do, {jobs} side by side\n")
    with ThreadPoolExecutor(jobs) as pool, progress_bar("runs") as bar:
        task = bar.add_task(script, total=len(cells), detail="")
        running = {pool.submit(_run, script, cell): cell for cell in cells}
        for done in as_completed(running):
            bar.advance(task)
            status, said = done.result()
            failed += status != 0
            bar.console.print(f"{running[done].name}: {said}")
    if failed:
        sys.exit(f"{failed} of {len(cells)} runs failed")


def _run(script: str, cell: Any) -> tuple[int, str]:
    """Return the exit status, and what was said last."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    path = Path(__file__).with_name(f"{script}.py")
    command = [sys.executable, str(path), json.dumps(asdict(cell))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.returncode, f"failed\n{done.stderr}"
    return 0, done.stdout.strip().splitlines()[-1]
