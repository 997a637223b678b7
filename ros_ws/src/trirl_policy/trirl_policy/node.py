"""The lifecycle node: messages in, commands out, around the control core.

A dedicated thread takes the messages, runs the core and publishes; the executor serves only
lifecycle requests, parameters, the reset service and the periodic diagnostics.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from std_srvs.srv import Trigger

from trirl_policy import diagnostics, parameters, trace
from trirl_policy.core import ControlCore
from trirl_policy.cycle import Cycle, Phase
from trirl_policy.mailbox import Mailbox
from trirl_policy.pacing import PacedThread
from trirl_policy.process import run_until_signalled
from trirl_policy.safe_lifecycle import SafeLifecycleNode
from trirl_policy.safety import SafetyState
from trirl_policy.settings import Settings
from trirl_robot.errors import ConfigError, DeploymentError, TrirlError
from trirl_robot.model_file import ModelFile, load_policy

DIAGNOSTICS_PERIOD_S = 0.5
STOP_DEPTH = 1000
"""Messages of the emergency stop that are kept between two looks at them: none may be lost, also of
a fast publisher, and also while a policy is loaded."""


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """Which model and topics; each field is a parameter of the node."""

    model_path: str = ""
    """The policy's ONNX file."""
    controller: str = parameters.DEFAULT_CONTROLLER
    """Name of the forward_command_controller; commands go to `/<controller>/commands`."""
    joint_states_topic: str = "/joint_states"
    """Topic of the measured joints."""
    emergency_stop_topic: str = field(
        default="~/emergency_stop", metadata={parameters.READ_ONLY: True}
    )
    """Topic of the emergency stop (std_msgs/Bool, true stops); heard from the node's start on."""


class PolicyNode(SafeLifecycleNode):
    """Runs a policy on an arm; see the package's README for topics and parameters."""

    def __init__(self) -> None:
        super().__init__("trirl_policy")
        parameters.declare(self, Wiring)
        parameters.declare(self, Settings)
        self._lock = threading.Lock()
        # both outlive the policy: loading another one must not clear a latch
        self._safety = SafetyState()
        stop_topic = self.get_parameter("emergency_stop_topic").value
        self._emergency_stop = Mailbox(self, Bool, stop_topic, depth=STOP_DEPTH)
        self._core: ControlCore | None = None
        self._model: ModelFile | None = None
        self._thread: PacedThread | None = None
        self._mailboxes: dict[str, Mailbox] = {}
        self._publishers_by_use: dict[str, Any] = {}
        self._reported: tuple[Phase, str] | None = None
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._look_and_report)

    def configure(self) -> None:
        """Load and verify the model, connect the topics and start taking messages."""
        wiring, settings = parameters.read(self, Wiring), parameters.read(self, Settings)
        if not wiring.model_path:
            raise ConfigError("parameter model_path is empty; expected the path of an ONNX file")
        self._model = load_policy(Path(wiring.model_path))
        core = ControlCore(self._model, settings, self._safety)
        core.warm_up()
        self._connect(core, wiring)
        self._core = core
        self._thread = PacedThread(
            core.contract.control_period_s, self._control, self._on_control_error, "control"
        )
        self._thread.start()

    def activate(self) -> None:
        """Take the measured pose as the start, and command from the next cycle on."""
        core = self._require_core()
        with self._lock:
            self._take_emergency_stop()
            core.activate(time.monotonic())

    def deactivate(self) -> None:
        """Stop commanding; the hardware holds its last command."""
        with self._lock:
            if self._core is not None:
                self._core.deactivate()

    def cleanup(self) -> None:
        """Stop the control thread and disconnect; latch and emergency stop stay."""
        if self._thread is not None:
            self._thread.stop()
        for mailbox in self._mailboxes.values():
            mailbox.close()
        for publisher in self._publishers_by_use.values():
            self.destroy_publisher(publisher)
        self._mailboxes, self._publishers_by_use = {}, {}
        self._thread, self._core, self._model = None, None, None

    def report(self) -> None:
        """Publish the diagnostics."""
        core, model = self._core, self._model
        state = self._state_machine.current_state[1]
        with self._lock:
            latch = self._safety.fault
            values: dict[str, object] = {
                "lifecycle": state,
                "latch": latch.kind if latch else "",
                "latch_reason": latch.message if latch else "",
                "emergency_stop": "pressed" if self._safety.pressed else "released",
            }
            phase = None if core is None else core.phase
            if core is not None and model is not None:
                values |= self._values(core, model)
        level, message = diagnostics.OK, state
        if core is not None:
            message = f"{core.settings.mode}: {phase}"
        if phase is Phase.HOLDING:
            level, message = diagnostics.WARN, "holding: no fresh target"
        if latch is not None:
            level, message = diagnostics.ERROR, f"latched by {latch}"
        if self.last_error:
            level, message = diagnostics.ERROR, self.last_error
        self._diagnostics.publish(diagnostics.status_message(self, level, message, values))

    def _values(self, core: ControlCore, model: ModelFile) -> dict[str, object]:
        return {
            "mode": core.settings.mode,
            "phase": core.phase,
            **asdict(core.counts),
            "last_refusal": core.last_refusal,
            "refused_joint_states": core.joints.refused,
            "joint_state_age_s": core.joints.age_s(time.monotonic()),
            "model": model.path.name,
            "model_sha256": model.sha256,
            "contract_sha256": core.contract.sha256,
            "golden_difference": model.golden_difference,
        }

    def _look_and_report(self) -> None:
        """Hear the emergency stop also while no policy is loaded, and report."""
        with self._lock:
            self._take_emergency_stop()
        self.report()

    def _take_emergency_stop(self) -> None:
        """Take every message: a `true` counts however soon a `false` follows; needs the lock."""
        for message in self._emergency_stop.take():
            now_s = time.monotonic()
            if self._core is not None:
                self._core.on_emergency_stop(message.data, now_s)
            elif (fault := self._safety.on_emergency_stop(message.data, now_s)) is not None:
                self._safety.latch(fault)

    def _connect(self, core: ControlCore, wiring: Wiring) -> None:
        self._mailboxes = {
            "joint_states": Mailbox(self, JointState, wiring.joint_states_topic, depth=100),
            "target": Mailbox(self, PointStamped, "~/target", depth=1),
        }
        topic = "~/shadow_commands" if core.shadow else f"/{wiring.controller}/commands"
        self._publishers_by_use = {
            "commands": self.create_publisher(Float64MultiArray, topic, QoSProfile(depth=1)),
            "trace": self.create_publisher(Float64MultiArray, "~/trace", QoSProfile(depth=100)),
        }
        self._trace_layout = MultiArrayLayout(
            dim=[
                MultiArrayDimension(label=label, size=size, stride=size)
                for label, size in trace.layout(core.contract)
            ]
        )

    def _control(self, late_s: float, missed_deadline: bool) -> None:
        """Take what has arrived, run one cycle, publish."""
        core = self._core
        if core is None:
            return
        stamp_s = self.get_clock().now().nanoseconds * 1e-9
        with self._lock:
            self._take(core)
            outcome = core.cycle(time.monotonic(), missed_deadline=missed_deadline)
            latch = core.latch
        if outcome.phase is not Phase.INACTIVE:
            self._publish(outcome, core.counts.cycles, stamp_s, late_s)
        state = (outcome.phase, str(latch or ""))
        if state != self._reported:
            self._reported = state
            if latch is not None:
                self.get_logger().error(f"holding, latched by {latch}")
            self.report()

    def _take(self, core: ControlCore) -> None:
        boxes = self._mailboxes
        for message in boxes["joint_states"].take():
            stamp = message.header.stamp
            core.on_joint_state(
                message.name,
                message.position,
                message.velocity,
                stamp.sec * 1_000_000_000 + stamp.nanosec,
                time.monotonic(),
            )
        for message in boxes["target"].take():
            point = message.point
            core.on_target((point.x, point.y, point.z), time.monotonic(), message.header.frame_id)
        self._take_emergency_stop()

    def _publish(self, outcome: Cycle, cycle: int, stamp_s: float, late_s: float) -> None:
        publishers = self._publishers_by_use
        publishers["commands"].publish(Float64MultiArray(data=outcome.command.tolist()))
        row = trace.encode(outcome, stamp_s=stamp_s, cycle=cycle, late_s=late_s)
        publishers["trace"].publish(Float64MultiArray(layout=self._trace_layout, data=row))

    def _on_control_error(self, error: Exception) -> None:
        """Stop the arm: the program around the core has failed."""
        with self._lock:
            if self._core is not None:
                self._core.stop_for(f"{type(error).__name__}: {error}")
        if rclpy.ok():
            self.get_logger().error(f"control cycle failed: {type(error).__name__}: {error}")

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            with self._lock:
                self._take_emergency_stop()
                (self._core or self._safety).reset()
        except TrirlError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "the latch is cleared; activate to move again"
        self.report()
        return response

    def _require_core(self) -> ControlCore:
        if self._core is None:
            raise DeploymentError("no policy is loaded; configure the node first")
        return self._core


def main() -> None:
    """Run the node until SIGINT or SIGTERM, then stop the arm and leave cleanly."""
    run_until_signalled("trirl_policy", PolicyNode, _stop)


def _stop(node: PolicyNode) -> None:
    node.deactivate()
    node.cleanup()


if __name__ == "__main__":
    main()
