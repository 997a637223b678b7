"""Drives the arm to a start pose between two reaches, as whoever resets an experiment does."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trirl_policy.mailbox import Mailbox

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import DeploymentError

Array = NDArray[np.float64]

MEAN_SPEED = 1.0
"""Speed of the joint that moves most [rad/s or m/s]; at its fastest a movement has 15/8 of it."""
PERIOD_S = 0.02
SETTLE_S = 0.2


class StartPose:
    """Commands the arm while the policy node is inactive and commands nothing."""

    def __init__(self, node: Node, contract: PolicyContract, controller: str) -> None:
        self._names = contract.joint_names
        self._joint_states = Mailbox(node, JointState, "/joint_states", depth=1)
        self._commands = node.create_publisher(Float64MultiArray, f"/{controller}/commands", 10)

    def drive_to(self, pose: Array) -> None:
        """Move to `pose`, shape (joints,), rad or m, with the speed profile of minimum jerk.

        Raises:
            DeploymentError: no joint state arrives.
        """
        start = self._measured()
        duration_s = max(PERIOD_S, float(np.abs(pose - start).max()) / MEAN_SPEED)
        began_s = time.monotonic()
        while True:
            share = min(1.0, (time.monotonic() - began_s) / duration_s)
            blend = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
            message = Float64MultiArray()
            message.data = (start + blend * (pose - start)).tolist()
            self._commands.publish(message)
            if share >= 1.0:
                break
            time.sleep(PERIOD_S)
        time.sleep(SETTLE_S)

    def _measured(self) -> Array:
        """Return the measured positions, by name, from a message that is new."""
        for _ in self._joint_states.take():
            pass
        deadline_s = time.monotonic() + 5.0
        while time.monotonic() < deadline_s:
            for message in self._joint_states.take():
                positions = dict(zip(message.name, message.position, strict=True))
                if all(name in positions for name in self._names):
                    return np.array([positions[name] for name in self._names])
            time.sleep(0.01)
        raise DeploymentError(
            f"no joint state with {', '.join(self._names)} arrived within 5 s, so the arm cannot "
            "be driven to its start pose"
        )
