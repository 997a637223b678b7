"""Publishes targets, one reach after another, and scores each by where the arm really was.

Prints one JSON object a line: `{"event": "reach", …}` after each reach. At the end it writes
`reaches.json` and `trace.npz`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import PointStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trirl_policy.cycle import Phase
from trirl_policy.mailbox import Mailbox
from trirl_policy.parameters import DEFAULT_CONTROLLER
from trirl_policy.trace import TraceRow, decode

from trirl_bringup.lifecycle import LifecycleClient
from trirl_bringup.processes import leave_on_terminate
from trirl_bringup.reaches import Goals, Reach, read_goals, score
from trirl_bringup.start_pose import StartPose
from trirl_robot.contract import PolicyContract
from trirl_robot.errors import DeploymentError, TrirlError
from trirl_robot.files import replaced_atomically, write_text_atomically
from trirl_robot.model_file import load_policy

Array = NDArray[np.float64]

POLICY, HARDWARE = "trirl_policy", "sim_hardware"
TARGET_PERIOD_S = 0.1


class GoalPublisher:
    """Runs reaches against a policy node and simulated hardware that are already up."""

    def __init__(self, node: Node, contract: PolicyContract, goals: Goals) -> None:
        """Connect to both nodes.

        Args:
            node: node of this process, in no executor.
            contract: the policy's contract, to read the trace by.
            goals: targets and measure of success.
        """
        self._contract = contract
        self._goals = goals
        self._node = node
        self._client = LifecycleClient(node, POLICY, lambda: None)
        self._targets = node.create_publisher(PointStamped, f"/{POLICY}/target", 1)
        self._start_pose = StartPose(node, contract, DEFAULT_CONTROLLER)
        self._draw = node.create_client(Trigger, f"/{HARDWARE}/draw_dynamics")
        # nothing is taken while the arm moves: the queues hold a whole reach
        self._truth = Mailbox(node, PointStamped, f"/{HARDWARE}/end_effector", depth=20_000)
        self._trace_box = Mailbox(node, Float64MultiArray, f"/{POLICY}/trace", depth=4_000)
        self.trace: list[TraceRow] = []

    def wait_until_active(self, timeout_s: float) -> None:
        """Wait for the policy node's first cycle, and until all topics are connected.

        Raises:
            DeploymentError: a topic was still silent after `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        cycles = positions = False
        while not (cycles and positions and self._targets.get_subscription_count()):
            cycles |= bool(self._take_trace())
            positions |= any(True for _ in self._truth.take())
            if time.monotonic() > deadline_s:
                silent = POLICY if not cycles else HARDWARE if not positions else "target"
                raise DeploymentError(f"'{silent}' was not heard within {timeout_s:.0f} s")
            self._client.spin(0.05)

    def reach(self, index: int) -> Reach:
        """Go to the start, draw new dynamics, publish a new target, wait, score."""
        if self._goals.starts:
            self._client.change("deactivate")
            self._start_pose.drive_to(np.array(self._goals.starts[index]))
            self._client.activate_when_ready()
        drawn = self._client.call(self._draw, Trigger.Request())
        target = np.array(self._goals.targets_m[index])
        for _ in self._truth.take():
            pass
        start_s = self._now_s()
        end_s = start_s + self._goals.duration_s
        while (left_s := end_s - self._now_s()) > 0.0:
            self._publish(target)
            time.sleep(min(TARGET_PERIOD_S, left_s))
        # positions of the last moment are still under way
        time.sleep(0.02)
        stamps, positions = self._take_truth()
        success, final, largest = score(self._goals, target, stamps, positions, end_s)
        latched = self._recover_if_latched(self._take_trace())
        return Reach(
            index=index,
            target_m=tuple(target.tolist()),
            start_stamp_s=start_s,
            end_stamp_s=end_s,
            success=success and not latched,
            final_error_m=final,
            largest_hold_error_m=largest,
            dynamics=json.loads(drawn.message),
            latched=latched,
        )

    def save(self, folder: Path, reaches: list[Reach]) -> None:
        """Write `reaches.json` and `trace.npz`, each atomically."""
        self._take_trace()
        rows = self.trace
        with replaced_atomically(folder / "trace.npz") as temporary, temporary.open("wb") as handle:
            np.savez_compressed(
                handle,
                stamp_s=np.array([row.stamp_s for row in rows]),
                cycle=np.array([row.cycle for row in rows]),
                phase=np.array([str(row.phase) for row in rows]),
                late_s=np.array([row.late_s for row in rows]),
                inference_s=np.array([row.inference_s for row in rows]),
                observation=np.array([row.observation for row in rows]),
                action=np.array([row.action for row in rows]),
                command=np.array([row.command for row in rows]),
            )
        text = json.dumps([asdict(reach) for reach in reaches], indent=1)
        write_text_atomically(folder / "reaches.json", text + "\n")

    def _recover_if_latched(self, rows: list[TraceRow]) -> str:
        """Do what an operator would after a protective stop; return its reason."""
        if not rows or rows[-1].phase is not Phase.LATCHED:
            return ""
        self._client.spin(1.0)
        status = self._client.status
        reason = status.message if status is not None else "latched for an unknown reason"
        self._client.recover()
        return reason

    def _publish(self, target: Array) -> None:
        message = PointStamped()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.header.frame_id = "base"
        message.point.x, message.point.y, message.point.z = target.tolist()
        self._targets.publish(message)

    def _take_trace(self) -> list[TraceRow]:
        rows = [decode(message.data, self._contract) for message in self._trace_box.take()]
        self.trace += rows
        return rows

    def _take_truth(self) -> tuple[Array, Array]:
        messages = list(self._truth.take())
        stamps = [m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in messages]
        return np.array(stamps), np.array([(m.point.x, m.point.y, m.point.z) for m in messages])

    def _now_s(self) -> float:
        return float(self._node.get_clock().now().nanoseconds * 1e-9)


def run(policy: Path, goals: Goals, output: Path) -> None:
    """Run all reaches, printing one line of JSON for each.

    Raises:
        DeploymentError: a node did not answer.
    """
    contract = load_policy(policy).contract
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("goal_publisher")
    try:
        publisher = GoalPublisher(node, contract, goals)
        done: list[Reach] = []
        try:
            publisher.wait_until_active(60.0)
            for index in range(len(goals.targets_m)):
                done.append(publisher.reach(index))
                _say(done[-1])
        finally:
            publisher.save(output, done)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _say(reach: Reach) -> None:
    shown = {key: value for key, value in asdict(reach).items() if key != "dynamics"}
    sys.stdout.write(json.dumps({"event": "reach", **shown}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Command line of the process."""
    leave_on_terminate()
    parser = argparse.ArgumentParser(prog="goal_publisher", description=__doc__)
    parser.add_argument("policy", type=Path, help="the policy's ONNX file")
    parser.add_argument("--goals", type=Path, required=True, help="JSON file of the goals")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    arguments = parser.parse_args()
    try:
        run(arguments.policy, read_goals(arguments.goals), arguments.output)
    except TrirlError as error:
        sys.stderr.write(f"goal_publisher: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
