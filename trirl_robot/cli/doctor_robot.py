"""`trirl doctor robot`: is a robot's file right, and does its model behave?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from trirl_robot.cli.doctor_findings import POSES, Finding, at_rest, workspace
from trirl_robot.cli.doctor_motion import in_motion
from trirl_robot.config import to_yaml
from trirl_robot.errors import ConfigError
from trirl_robot.sim.robot_trials import Trials, Workspace
from trirl_robot.sim.robots import is_derived, load_robot

CONCERNS = 10
"""Findings to expect, for the progress bar."""
_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command(name="robot")
@click.argument("robot")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PNG file to draw the robot into.  [default: robot-NAME.png]",
)
@click.option("--no-picture", is_flag=True, help="Draw nothing.")
@click.option(
    "--write",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the robot's whole file, to start one of your own from.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    robot: str, picture: Path | None, no_picture: bool, write: Path | None, as_json: bool
) -> None:
    """Check ROBOT: its names, limits, actuators, reach, and how it moves.

    ROBOT is a built-in name (so101, jaco), a YAML file, menagerie:NAME with a copy of MuJoCo
    Menagerie on this machine, or an MJCF or URDF file, for which everything else is guessed.

    Ends with status 0 when nothing is wrong, 1 when the robot has a problem, and 2 when it could
    not be read.

    \b
    Examples:
      trirl doctor robot so101
      trirl doctor robot my_arm.yaml --picture arm.png
      trirl doctor robot my_arm.urdf --write my_arm.yaml
      MENAGERIE_ROOT=~/mujoco_menagerie trirl doctor robot menagerie:franka_fr3
    """
    if write is not None and write.exists():
        raise ConfigError(f"{write} exists already; choose another file to write")
    config = load_robot(robot)
    trials = Trials(config)
    space = trials.workspace(POSES)
    found = list(
        track(
            _findings(trials, space),
            f"trying {config.name}",
            total=CONCERNS,
            transient=True,
            disable=as_json,
            console=Console(stderr=True),
        )
    )
    file = None
    if not no_picture:
        file = picture or Path(f"robot-{config.name}.png")
        found.append(_draw(robot, trials, space, file))
    if write is not None:
        write.write_text(to_yaml(config), encoding="utf-8")
    problem = any(finding.status == "problem" for finding in found)
    if as_json:
        rows = [asdict(finding) for finding in found]
        report = {"robot": config.name, "fine": not problem, "findings": rows}
        click.echo(json.dumps(report, indent=2))
    else:
        _print_table(config.name, found, derived=is_derived(robot))
    if problem:
        raise click.exceptions.Exit(1)


def _findings(trials: Trials, space: Workspace) -> Iterator[Finding]:
    yield from at_rest(trials)
    yield from workspace(space)
    yield from in_motion(trials)


def _draw(robot: str, trials: Trials, space: Workspace, file: Path) -> Finding:
    """Draw the robot; a machine without the packages or a renderer lacks no more than that."""
    try:
        from trirl_robot.evaluation.robot_picture import (  # noqa: PLC0415  # needs an extra
            RobotPicture,
            write_picture,
        )
    except ModuleNotFoundError as error:
        return Finding(
            name="Picture",
            status="warning",
            found=f"not drawn: the Python package '{error.name}' is not installed",
            mend="pip install -c constraints.txt -e '.[train]'",
        )
    config = trials.robot
    gripper = "" if config.gripper is None else " and a gripper"
    rendered = write_picture(
        RobotPicture(
            robot=robot,
            title=config.name,
            subtitle=f"{len(config.joints)} joints{gripper}, {config.control.kind} at "
            f"{config.control.rate_hz:g} Hz; {len(space.points)} poses within the limits",
            qpos=trials.home,
            points=space.points,
            blocked=space.touches_itself | space.touches_floor,
            home=trials.end_effector_at_home(),
        ),
        file,
    )
    return Finding(
        name="Picture",
        status="ok" if rendered else "warning",
        found=str(file) if rendered else f"{file}, without the arm itself: no renderer works",
        mend="" if rendered else "apt-get install libegl1 libgl1-mesa-dri libosmesa6",
    )


def _print_table(name: str, found: list[Finding], *, derived: bool) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "Status"):
        table.add_column(title, no_wrap=True)
    for title in ("Found", "What to do"):
        table.add_column(title, overflow="fold")
    for finding in found:
        status = f"[{_STYLES[finding.status]}]{finding.status}[/]"
        table.add_row(finding.name, status, escape(finding.found), escape(finding.mend))
    console = Console()
    console.print(table)
    worst = {finding.status for finding in found}
    if "problem" in worst:
        own = " Start a file of your own with --write FILE." if derived else ""
        console.print(f"[red]{escape(name)} has a problem.[/]{own}")
    elif "warning" in worst:
        console.print(f"[yellow]{escape(name)} works; see the warnings.[/]")
    else:
        console.print(f"[green]{escape(name)} is fine.[/]")
