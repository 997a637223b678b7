"""Starts the graph without `ros2 launch`: processes, lifecycle, reaches, and a clean end.

Prints one JSON object a line: `{"event": "stage", "text": …}` and `{"event": "reach", …}`.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions
from trirl_policy.settings import Settings

from trirl_bringup.domain import own_domain
from trirl_bringup.lifecycle import LifecycleClient
from trirl_bringup.processes import Processes, leave_on_terminate
from trirl_robot.errors import DeploymentError, TrirlError
from trirl_robot.files import write_text_atomically


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is started, and what it shall do."""

    policy: Path
    """The policy's ONNX file."""
    goals: Path
    """JSON file of the goals, see `reaches.Goals`."""
    robot: str
    """Robot that is simulated."""
    randomisation: str
    """Preset of the dynamics drawn for each reach."""
    seed: int
    """Fixes the dynamics."""
    output: Path
    """Folder for results and logs."""


def run(plan: Plan) -> None:
    """Start the graph, do the reaches, stop it; nothing is left running whatever happens.

    Raises:
        DeploymentError: a process ended, refused or did not answer; the message has its reason.
    """
    with own_domain() as domain, Processes(domain, plan.output / "logs") as processes:
        _say("starting the graph")
        _start_nodes(processes, plan)
        goals = processes.start(
            "goals",
            "trirl_bringup.goal_publisher",
            [str(plan.policy), f"--goals={plan.goals}", f"--output={plan.output}"],
            read_output=True,
        )
        os.environ.update(domain)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node("bringup")
        try:
            client = LifecycleClient(node, "trirl_policy", processes.check)
            client.change("configure", timeout_s=40.0)
            client.activate_when_ready(timeout_s=40.0)
            _say("the policy node is active")
            for line in _lines(goals, processes):
                sys.stdout.write(line)
                sys.stdout.flush()
            _require_success(processes, "goals")
            client.change("deactivate")
            client.change("cleanup")
        finally:
            node.destroy_node()
            rclpy.try_shutdown()
        _require_success(processes, "policy")
        _require_success(processes, "hardware")
        _say("the graph has shut down")


def _start_nodes(processes: Processes, plan: Plan) -> None:
    hardware = {
        "robot": plan.robot,
        "randomisation": plan.randomisation,
        "seed": plan.seed,
        "log_path": str(plan.output / "hardware.npz"),
    }
    # the simulated arm shares its cores with everything else: give it time that a robot's
    # driver would not need
    policy = {"model_path": str(plan.policy), "joint_state_timeout_s": 0.5}
    # every threshold, also those left at their defaults: results tell what they were got with
    used = {"policy": {**asdict(Settings()), **policy}, "hardware": hardware}
    write_text_atomically(plan.output / "node_parameters.json", json.dumps(used, indent=1) + "\n")
    processes.start("hardware", "trirl_sim_hardware.node", ros_arguments(hardware))
    processes.start("policy", "trirl_policy.node", ros_arguments(policy))


def ros_arguments(parameters: Mapping[str, object]) -> list[str]:
    """Return command-line arguments that set ROS parameters."""
    arguments = ["--ros-args"]
    for name, value in parameters.items():
        # JSON is YAML: quotes keep a text such as "123" a text
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    return arguments


def _lines(process: subprocess.Popen[str], processes: Processes) -> Iterator[str]:
    """Yield what a process prints, while checking that the others live."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            processes.check(ignore="goals")
            continue
        if line is None:
            return
        yield line


def _require_success(processes: Processes, name: str) -> None:
    """Stop a process and raise if it did not end as asked.

    Raises:
        DeploymentError: its exit status is not 0.
    """
    status = processes.stop(name)
    if status != 0:
        raise DeploymentError(
            f"the process '{name}' ended with status {status}: {processes.last_line(name)}"
        )


def _say(text: str) -> None:
    sys.stdout.write(json.dumps({"event": "stage", "text": text}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(prog="bringup", description=__doc__)
    parser.add_argument("policy", type=Path, help="the policy's ONNX file")
    parser.add_argument("--goals", type=Path, required=True, help="JSON file of the goals")
    parser.add_argument("--robot", default="so101", help="robot name or YAML file")
    parser.add_argument("--randomisation", default="shifted", help="preset of the dynamics")
    parser.add_argument("--seed", type=int, default=0, help="fixes the dynamics")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    leave_on_terminate()
    try:
        run(Plan(**vars(parser.parse_args())))
    except TrirlError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
