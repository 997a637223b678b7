"""Devices with which an operator demonstrates, by name."""

from __future__ import annotations

from collections.abc import Callable

from teleop.devices.base import Device, DeviceContext
from teleop.devices.scripted import scripted_operator
from trirl_robot.errors import ConfigError, unknown_name

DEVICES: dict[str, Callable[[DeviceContext], Device]] = {"scripted": scripted_operator}
"""How each device is opened."""


def require_device(name: str) -> None:
    """Refuse a name that no device has.

    Raises:
        ConfigError: unknown device; the nearest name is offered.
    """
    if name not in DEVICES:
        raise ConfigError(unknown_name("device", name, DEVICES))


def open_device(name: str, context: DeviceContext) -> Device:
    """Open a device by name; see `require_device` for errors."""
    require_device(name)
    return DEVICES[name](context)
