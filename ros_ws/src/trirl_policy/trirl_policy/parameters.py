"""ROS parameters from a dataclass, validated as strictly as the YAML files."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from trirl_robot.config import from_mapping

T = TypeVar("T")

DEFAULT_CONTROLLER = "arm_controller"
"""Controller that nodes command, and the simulated hardware is, unless told otherwise."""
READ_ONLY = "read_only"
"""Key in a field's metadata: the parameter is set when the node starts, or never."""


def declare(node: Node, cls: type[Any]) -> None:
    """Declare one parameter for each field of a dataclass that has a default."""
    for field in dataclasses.fields(cls):
        fixed = ParameterDescriptor(read_only=bool(field.metadata.get(READ_ONLY)))
        node.declare_parameter(field.name, field.default, fixed)


def read(node: Node, cls: type[T]) -> T:
    """Return the dataclass with the parameters' present values.

    Raises:
        ConfigError: a value is not valid; the message names the parameter.
    """
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {name: node.get_parameter(name).value for name in names}
    return from_mapping(cls, values, f"parameters of {node.get_fully_qualified_name()}")
