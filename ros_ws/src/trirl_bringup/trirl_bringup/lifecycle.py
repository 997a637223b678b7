"""A client that brings a lifecycle node through its states and knows why it could not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from trirl_robot.errors import DeploymentError

TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}


class LifecycleClient:
    """Talks to one lifecycle node; every call waits for the answer."""

    def __init__(self, node: Node, target: str, while_waiting: Callable[[], None]) -> None:
        """Connect.

        Args:
            node: node of the caller, in no executor.
            target: name of the lifecycle node.
            while_waiting: called again and again while waiting; raises to give up.
        """
        self._node = node
        self._target = target
        self._while_waiting = while_waiting
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._change = node.create_client(ChangeState, f"/{target}/change_state")
        self._get = node.create_client(GetState, f"/{target}/get_state")
        self._reset = node.create_client(Trigger, f"/{target}/reset")
        self.status: DiagnosticStatus | None = None
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def state(self, timeout_s: float = 10.0) -> str:
        """Return the state's name."""
        response = self._call(self._get, GetState.Request(), timeout_s)
        return str(response.current_state.label)

    def change(self, transition: str, timeout_s: float = 15.0) -> None:
        """Bring the node through a transition.

        Args:
            transition: `configure`, `activate`, `deactivate` or `cleanup`.
            timeout_s: longest wait for the answer [s].

        Raises:
            DeploymentError: refused or failed; the message holds the node's own reason.
        """
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        self.status = None
        if not self._call(self._change, request, timeout_s).success:
            # an older report, from before the failure, may still be under way
            failed = self._wait(self._reports_error, 2.0)
            reason = self.status.message if failed and self.status else "it gave no reason"
            raise DeploymentError(f"'{self._target}' refused to {transition}: {reason}")

    def activate_when_ready(self, timeout_s: float = 10.0) -> None:
        """Activate, trying again while joint states have not arrived yet.

        Raises:
            DeploymentError: still refused after `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                self.change("activate")
                return
            except DeploymentError as error:
                if time.monotonic() > deadline_s or "joint state" not in str(error):
                    raise
            self._wait(lambda: False, 0.2)

    def recover(self) -> None:
        """Clear a latch and activate again."""
        self.change("deactivate")
        response = self._call(self._reset, Trigger.Request(), 5.0)
        if not response.success:
            raise DeploymentError(f"'{self._target}' refused to reset: {response.message}")
        self.activate_when_ready()

    def call(self, service: Any, request: Any, timeout_s: float = 5.0) -> Any:
        """Call any service of another node and return its response."""
        return self._call(service, request, timeout_s)

    def spin(self, duration_s: float) -> None:
        """Serve the node's subscriptions and timers for a while."""
        self._wait(lambda: False, duration_s)

    def _call(self, client: Any, request: Any, timeout_s: float) -> Any:
        if not self._wait(client.service_is_ready, timeout_s):
            raise DeploymentError(
                f"the service {client.srv_name} did not appear within {timeout_s:.0f} s"
            )
        future = client.call_async(request)
        if not self._wait(future.done, timeout_s):
            raise DeploymentError(f"{client.srv_name} did not answer within {timeout_s:.0f} s")
        return future.result()

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0.0 or not rclpy.ok():
                return False
            self._while_waiting()
            self._executor.spin_once(timeout_sec=min(0.05, left_s))
        return True

    def _reports_error(self) -> bool:
        return self.status is not None and self.status.level == DiagnosticStatus.ERROR

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._target:
                self.status = status
