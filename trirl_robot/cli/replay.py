"""`trirl replay`: runs recorded episodes again and compares them, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from trirl_robot.cli.progress import progress_bar
from trirl_robot.demos.dataset import read_demonstration
from trirl_robot.demos.store import demonstration_names, opened
from trirl_robot.errors import ConfigError
from trirl_robot.evaluation.episodes import record_from_plain
from trirl_robot.sim.record import record_of, replay


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an episode that ran again."""

    name: str
    """Name of the episode."""
    steps: int
    """Its length."""
    difference: str
    """What differs; empty where nothing does."""


Job = Callable[[], Outcome]
"""Replays one episode."""


@click.command(name="replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--episode", type=int, help="Number of one episode.  [default: all]")
def command(file: Path, episode: int | None) -> None:
    """Run the episodes of FILE again, and say whether they are the same to the last bit.

    FILE is an HDF5 file of demonstrations, or what `trirl eval --json` wrote. The exit status is 1
    where an episode differs.

    \b
    Examples:
      trirl replay demos.hdf5
      trirl replay results.json --episode 3
    """
    jobs = (_evaluated if file.suffix == ".json" else _demonstrated)(file, episode)
    outcomes = []
    with progress_bar("episodes") as progress:
        task = progress.add_task(file.name, total=len(jobs), detail="")
        for job in jobs:
            outcomes.append(job())
            progress.advance(task)
    table = Table("episode", "steps", "replayed", title=str(file))
    for outcome in outcomes:
        table.add_row(outcome.name, str(outcome.steps), outcome.difference or "identical")
    Console().print(table)
    if any(outcome.difference for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _demonstrated(file: Path, episode: int | None) -> list[Job]:
    with opened(file) as stored:
        names = demonstration_names(stored) if episode is None else [f"demo_{episode}"]
    return [partial(_demonstration_again, file, name) for name in names]


def _demonstration_again(file: Path, name: str) -> Outcome:
    """Replay a demonstration: observations and states are compared at every step."""
    demo = read_demonstration(file, name)
    again = replay(record_of(demo, f"{file}: {name}"))
    pairs = {
        "state": (demo.state, again.state[:-1]),
        "observation": (demo.observation, again.observation[:-1]),
        "next observation": (demo.next_observation, again.observation[1:]),
    }
    for what, (before, now) in pairs.items():
        differing = np.flatnonzero((before != now).any(axis=1))
        if len(differing):
            difference = f"another {what} from step {differing[0]} on"
            return Outcome(name=name, steps=len(demo), difference=difference)
    return Outcome(name=name, steps=len(demo), difference="")


def _evaluated(file: Path, episode: int | None) -> list[Job]:
    jobs: list[Job] = []
    for preset, plain in _presets(file).items():
        numbers = range(len(plain["episodes"])) if episode is None else [episode]
        jobs += [partial(_episode_again, f"{file}: {preset}", preset, plain, n) for n in numbers]
    return jobs


def _episode_again(where: str, preset: str, plain: dict[str, Any], number: int) -> Outcome:
    """Replay an episode of an evaluation: return and success are compared."""
    record, before = record_from_plain(plain, number, where), plain["episodes"][number]
    for name in ("return", "success"):
        if name not in before:
            raise ConfigError(
                f"{where}: episode {number} has no '{name}' to compare with; expected a file that "
                "'trirl eval --json' wrote"
            )
    again = replay(record)
    total, success = float(np.cumsum(again.reward)[-1]), bool(again.success[-1])
    difference = ""
    if total != before["return"]:
        difference = f"return {total!r}, was {before['return']!r}"
    elif success != before["success"]:
        difference = f"success {success}, was {before['success']}"
    return Outcome(name=f"{preset} {number}", steps=len(record.actions), difference=difference)


def _presets(file: Path) -> dict[str, dict[str, Any]]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        presets = {str(name): dict(plain) for name, plain in document["presets"].items()}
        sound = bool(presets) and all(map(_holds_episodes, presets.values()))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise ConfigError(f"{file}: expected a file that 'trirl eval --json' wrote")
    return presets


def _holds_episodes(plain: dict[str, Any]) -> bool:
    episodes = plain.get("episodes")
    return (
        isinstance(episodes, list)
        and len(episodes) > 0
        and all(isinstance(episode, dict) for episode in episodes)
    )
