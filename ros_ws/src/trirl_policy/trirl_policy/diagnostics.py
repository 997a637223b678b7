"""Diagnostic messages."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def status_message(
    node: Node, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticArray:
    """Return one status under the node's name, with numbers shortened for reading."""
    status = DiagnosticStatus(
        level=level,
        name=node.get_fully_qualified_name().removeprefix("/"),
        message=message,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = node.get_clock().now().to_msg()
    return array


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
