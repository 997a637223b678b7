"""Subscriptions whose messages a control thread takes itself, past the executor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class TakenByHand(CallbackGroup):
    """Keeps an executor away from the subscriptions in this group."""

    def can_execute(self, entity: Any) -> bool:
        """Return False: the executor must not take these messages."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return False, as `can_execute`."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: execution never begins."""


class Mailbox:
    """One topic; `take` yields what has arrived since the last call."""

    def __init__(self, node: Node, message_type: type, topic: str, *, depth: int) -> None:
        """Subscribe, reliable and keep-last, without deadline or liveliness.

        Args:
            node: node that owns the subscription.
            message_type: ROS message class.
            topic: topic name, relative names are the node's.
            depth: messages that are kept between two calls of `take`.
        """
        self._node = node
        self._subscription = node.create_subscription(
            message_type,
            topic,
            lambda _: None,
            QoSProfile(depth=depth),
            callback_group=TakenByHand(),
        )

    def take(self) -> Iterator[Any]:
        """Yield all messages that have arrived, oldest first."""
        subscription = self._subscription
        while True:
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, False)
            if taken is None:
                return
            yield taken[0]

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
