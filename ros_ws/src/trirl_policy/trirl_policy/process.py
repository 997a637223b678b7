"""A node as a process: it spins until it is told to stop, and then leaves cleanly."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidTopicNameException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from trirl_robot.errors import TrirlError

AnyNode = TypeVar("AnyNode", bound=Node)


def run_until_signalled(
    name: str, make_node: Callable[[], AnyNode], close: Callable[[AnyNode], None]
) -> None:
    """Run a node until SIGINT or SIGTERM.

    Args:
        name: how messages on standard error name the process.
        make_node: builds the node; parameters that are not valid end the process with status 2.
        close: brings the node to a safe end while it can still publish.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        node = make_node()
    except (TrirlError, InvalidParameterTypeException, InvalidTopicNameException) as error:
        rclpy.shutdown()
        sys.stderr.write(f"{name}: {error}\n")
        sys.exit(2)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stopping.is_set():
            executor.spin_once(timeout_sec=0.2)
    except ExternalShutdownException:
        pass
    finally:
        close(node)
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
