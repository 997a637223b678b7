"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where networks learn; simulations run on the processor.",
)


def randomisation_option(
    description: str, name: str = "randomisation", **settings: Any
) -> Callable[[Command], Command]:
    """Return the option for the dynamics that are drawn.

    Args:
        description: what they are drawn for.
        name: the command's argument.
        settings: what `click.option` takes beside it, such as `default`.
    """
    settings = {"show_default": "default" in settings, **settings}
    return click.option(
        "--randomisation",
        "--randomise",
        name,
        metavar="NAME|FILE",
        help=f"{description}; preset name or YAML file.",
        **settings,
    )
