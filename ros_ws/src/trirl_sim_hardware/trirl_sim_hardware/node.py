"""ROS node around the simulated arm, with the topics of a ros2_control position controller."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trirl_policy import diagnostics, parameters
from trirl_policy.mailbox import Mailbox
from trirl_policy.pacing import PacedThread
from trirl_policy.process import run_until_signalled

from trirl_robot.errors import ConfigError
from trirl_sim_hardware.hardware import SimulatedHardware

LOG_PERIOD_S = 0.04


@dataclass(frozen=True, kw_only=True)
class HardwareParameters:
    """Parameters of the node."""

    robot: str = "so101"
    """Robot name or YAML file."""
    randomisation: str = "none"
    """Preset of the dynamics that are drawn."""
    seed: int = 0
    """Fixes every draw."""
    controller: str = parameters.DEFAULT_CONTROLLER
    """Name under which commands are received, `/<controller>/commands`."""
    publish_rate_hz: float = 200.0
    """Rate of the joint states [Hz]."""
    command_timeout_s: float = 0.25
    """Silence after which the arm holds its last command [s]."""
    log_path: str = ""
    """.npz file for states and commands, written when the node stops; empty for none."""


class SimulatedHardwareNode(Node):
    """Publishes `/joint_states` and the true end effector; obeys the command topic."""

    def __init__(self) -> None:
        super().__init__("sim_hardware")
        parameters.declare(self, HardwareParameters)
        settings = parameters.read(self, HardwareParameters)
        if not 10.0 <= settings.publish_rate_hz <= 1000.0:
            raise ConfigError(
                f"publish_rate_hz is {settings.publish_rate_hz}, expected between 10 and 1000"
            )
        self._settings = settings
        self.hardware = SimulatedHardware(
            settings.robot,
            settings.randomisation,
            seed=settings.seed,
            command_timeout_s=settings.command_timeout_s,
            reading_period_s=1.0 / settings.publish_rate_hz,
            keep_log=bool(settings.log_path),
        )
        self._lock = threading.Lock()
        self._failure = ""
        self._next_record_s = 0.0
        self._was_holding = False
        self._commands = Mailbox(
            self, Float64MultiArray, f"/{settings.controller}/commands", depth=10
        )
        self._joint_states = self.create_publisher(JointState, "/joint_states", 10)
        self._end_effector = self.create_publisher(PointStamped, "~/end_effector", 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_service(Trigger, "~/draw_dynamics", self._on_draw)
        self.create_timer(0.5, self._report)
        self._thread = PacedThread(
            1.0 / settings.publish_rate_hz, self._cycle, self._on_error, "hardware"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the arm and write the log."""
        self._thread.stop()
        log = self.hardware.log
        if log is not None and log.state:
            log.save(Path(self._settings.log_path), self.hardware.arm.model_xml)

    def _cycle(self, late_s: float, missed_deadline: bool) -> None:
        if self._failure:
            return
        now = self.get_clock().now()
        now_s, stamp_s = time.monotonic(), now.nanoseconds * 1e-9
        with self._lock:
            for message in self._commands.take():
                self.hardware.command(np.array(message.data), now_s, stamp_s)
            self.hardware.advance_to(now_s)
            position, velocity = self.hardware.measure()
            end_effector = self.hardware.end_effector()
            if now_s >= self._next_record_s:
                self._next_record_s = max(self._next_record_s + LOG_PERIOD_S, now_s)
                self.hardware.record(stamp_s)
        state = JointState(
            name=self.hardware.joint_names, position=position.tolist(), velocity=velocity.tolist()
        )
        point = PointStamped()
        point.point.x, point.point.y, point.point.z = end_effector.tolist()
        point.header.frame_id = "base"
        state.header.stamp = point.header.stamp = now.to_msg()
        self._joint_states.publish(state)
        self._end_effector.publish(point)
        if self.hardware.holding != self._was_holding:
            self._was_holding = self.hardware.holding
            self._report()

    def _on_error(self, error: Exception) -> None:
        """Fall silent: readers of the joint states must notice that the arm is gone."""
        self._failure = f"{type(error).__name__}: {error}"
        if rclpy.ok():
            self.get_logger().error(self._failure)

    def _on_draw(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Draw new dynamics; the message is a JSON object of the values drawn."""
        with self._lock:
            response.message = json.dumps(self.hardware.draw_dynamics())
        response.success = True
        return response

    def _report(self) -> None:
        level, message = diagnostics.OK, "obeying"
        if self._failure:
            level, message = diagnostics.ERROR, self._failure
        elif self.hardware.holding:
            level = diagnostics.WARN
            message = f"holding: no command for {self._settings.command_timeout_s} s"
        values = {
            "watchdog_trips": self.hardware.watchdog_trips,
            "refused_commands": self.hardware.refused_commands,
            "commands": self.hardware.commands,
        }
        self._diagnostics.publish(diagnostics.status_message(self, level, message, values))


def main() -> None:
    """Run the node until SIGINT or SIGTERM, then write its log."""
    run_until_signalled("sim_hardware", SimulatedHardwareNode, SimulatedHardwareNode.close)


if __name__ == "__main__":
    main()
