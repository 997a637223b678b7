"""`trirl doctor`: is anything wrong with this machine, or with a robot's description?"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import asdict

import click

from trirl_robot.cli import doctor_machine
from trirl_robot.cli.doctor_machine import Check
from trirl_robot.errors import ConfigError, unknown_name

SUBJECTS = {
    "robot": ("trirl_robot.cli.doctor_robot", "Check a robot's file and model, and draw it."),
}
"""Sub-commands: the module whose `command` each is, and its line in the help."""

_STYLES = {"ok": "green", "differs": "yellow", "missing": "red"}


class Subjects(click.Group):
    """Sub-commands that are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the sub-commands."""
        return list(SUBJECTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command.

        Raises:
            ConfigError: there is no such sub-command.
        """
        if cmd_name not in SUBJECTS:
            raise ConfigError(unknown_name("subject of trirl doctor", cmd_name, SUBJECTS))
        command: click.Command = importlib.import_module(SUBJECTS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in SUBJECTS.items()])


@click.group(name="doctor", cls=Subjects, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Check this machine, and say how to get what is missing; or check a robot.

    Ends with status 0 when everything that `trirl demo` needs is there, and 1 otherwise.

    \b
    Examples:
      trirl doctor
      trirl doctor --json > machine.json
      trirl doctor robot so101             a built-in robot
      trirl doctor robot my_arm.yaml       a robot of your own
    """
    if context.invoked_subcommand is not None:
        if as_json:
            name = context.invoked_subcommand
            raise click.UsageError(f"write --json after '{name}': trirl doctor {name} … --json")
        return
    checks = list(_with_progress(as_json))
    ready = all(check.status != "missing" for check in checks if check.needed)
    if as_json:
        rows = [asdict(check) for check in checks]
        click.echo(json.dumps({"ready": ready, "checks": rows}, indent=2))
    else:
        _print_table(checks, ready)
    if not ready:
        raise click.exceptions.Exit(1)


def _with_progress(quiet: bool) -> Iterator[Check]:
    from rich.progress import track  # noqa: PLC0415  # keeps `trirl --help` quick

    checks = doctor_machine.CHECKS
    for check in track(checks, "looking at this machine", transient=True, disable=quiet):
        yield check()


def _print_table(checks: list[Check], ready: bool) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "Status"):
        table.add_column(title, no_wrap=True)
    for title in ("Found", "How to get it"):
        table.add_column(title, overflow="fold")
    for check in checks:
        optional = check.status == "missing" and not check.needed
        shown = "[yellow]none[/]" if optional else f"[{_STYLES[check.status]}]{check.status}[/]"
        table.add_row(check.name, shown, escape(check.found), escape(check.mend))
    console = Console()
    console.print(table)
    console.print(
        "[green]Everything that the demo needs is there.[/]"
        if ready
        else "[red]Something that the demo needs is missing.[/]"
    )
