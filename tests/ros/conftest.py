"""Policies for the ROS tests, and a harness that plays the arm over DDS."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from trirl_robot.contract import PolicyContract
from trirl_robot.export.onnx import export_policy

rclpy = pytest.importorskip("rclpy")


class ReachingPolicy(torch.nn.Module):
    """Moves the commanded pose towards the target by damped least squares.

    A target whose y is 0.9 m or more, out of the arm's reach, gives NaN.
    """

    def __init__(self, contract: PolicyContract, gain: float = 0.3) -> None:
        super().__init__()
        self._slices = contract.observation_slices
        self._scale = contract.action[0].scale[0]
        self._chain = [
            (contract.joint_names.index(screw.joint), screw.axis, screw.anchor_m)
            for screw in contract.kinematics.screws
        ]
        self._tip = contract.kinematics.end_effector_m
        self.gain = torch.nn.Parameter(torch.tensor(gain))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        part = {name: observation[:, place] for name, place in self._slices.items()}
        target = part["end_effector_position"] + part["end_effector_to_target"]
        tip, jacobian = self._kinematics(part["joint_command"])
        square = jacobian @ jacobian.transpose(1, 2) + 1e-3 * torch.eye(3)
        wrench = _solve(square, target - tip)
        step = (jacobian.transpose(1, 2) @ wrench.unsqueeze(2)).squeeze(2)
        action = (self.gain * step / self._scale).clamp(-1.0, 1.0)
        return action + 1e-9 * torch.log(1.0 - target[:, 1:2] / 0.9)

    def _kinematics(self, joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rotation = torch.eye(3).expand(joints.shape[0], 3, 3)
        shift = torch.zeros(3).expand(joints.shape[0], 3)
        axes, anchors = [None] * joints.shape[1], [None] * joints.shape[1]
        for index, axis_of, anchor_of in self._chain:
            axis, anchor = torch.tensor(axis_of), torch.tensor(anchor_of)
            axes[index] = rotation @ axis
            anchors[index] = rotation @ anchor + shift
            turn = _rotation(axis, joints[:, index])
            shift = (rotation @ (anchor - turn @ anchor).unsqueeze(2)).squeeze(2) + shift
            rotation = rotation @ turn
        tip = rotation @ torch.tensor(self._tip) + shift
        columns = [torch.linalg.cross(a, tip - c) for a, c in zip(axes, anchors, strict=True)]
        return tip, torch.stack(columns, dim=2)


def _rotation(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    x, y, z = axis
    zero = torch.tensor(0.0)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    sin, cos = torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
    return torch.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def _solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve a batch of 3x3 systems by cofactors."""
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    columns = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    determinant = (a * columns[0]).sum(1, keepdim=True)
    return (torch.stack(columns, dim=2) @ right.unsqueeze(2)).squeeze(2) / determinant


class ObedientPolicy(torch.nn.Module):
    """Does what the target says: its y and z are the action, and an x above 9 gives NaN."""

    def __init__(self, contract: PolicyContract) -> None:
        super().__init__()
        self._target = contract.observation_slices["target_position"]
        self.scale = torch.nn.Parameter(torch.ones(2))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        target = observation[:, self._target]
        return target[:, 1:3] * self.scale + 1e-9 * torch.log(1.0 - target[:, :1] / 9.0)


_exported: dict[str, bytes] = {}


def _file(path, module, contract):
    """Export once, as tracing takes seconds; every test gets a copy of its own."""
    if path.name not in _exported:
        generator = np.random.default_rng(0)
        observations = generator.uniform(-0.4, 0.4, (32, contract.observation_size))
        export_policy(module, contract, observations, {"kind": "test"}, path)
        _exported[path.name] = path.read_bytes()
    path.write_bytes(_exported[path.name])
    return path


@pytest.fixture
def obedient_file(make_contract, tmp_path):
    """A policy of the two-joint contract that follows its target's y and z."""
    contract = make_contract()
    return _file(tmp_path / "obedient.onnx", ObedientPolicy(contract), contract)


@pytest.fixture
def reaching_file(tmp_path):
    """A policy that reaches targets with the SO-101."""
    from trirl_robot.sim.env import make_env

    contract = make_env("so101-reach", num_envs=1, randomisation="none", nthread=1).contract
    return _file(tmp_path / "reaching.onnx", ReachingPolicy(contract), contract)


class Arm:
    """Plays a two-joint arm that does at once what it is told, and records what the node says."""

    def __init__(self, contract: PolicyContract) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import PointStamped
        from sensor_msgs.msg import JointState
        from std_msgs.msg import Bool, Float64MultiArray
        from trirl_bringup.lifecycle import LifecycleClient
        from trirl_policy.trace import decode

        self.node = rclpy.create_node("arm")
        self.client = LifecycleClient(self.node, "trirl_policy", lambda: None)
        self.position = np.array(contract.default_joint_positions)
        self.commands: list[np.ndarray] = []
        self.shadow: list[np.ndarray] = []
        self.trace = []
        self.values: dict[str, str] = {}
        self.joint_state: Callable[[JointState], JointState | None] = lambda message: message
        self.target: tuple[float, float, float] | None = (0.0, 0.0, 0.0)
        self.frame = ""
        self._names = contract.joint_names
        self._types = JointState, PointStamped, Bool
        node = self.node
        self._joints = node.create_publisher(JointState, "/joint_states", 10)
        self._targets = node.create_publisher(PointStamped, "/trirl_policy/target", 1)
        self._stop = node.create_publisher(Bool, "/trirl_policy/emergency_stop", 1000)
        self._keep = [
            node.create_subscription(
                Float64MultiArray, "/arm_controller/commands", self._on_command, 50
            ),
            node.create_subscription(
                Float64MultiArray,
                "/trirl_policy/shadow_commands",
                lambda m: self.shadow.append(np.array(m.data)),
                50,
            ),
            node.create_subscription(
                Float64MultiArray,
                "/trirl_policy/trace",
                lambda m: self.trace.append(decode(m.data, contract)),
                50,
            ),
            node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10),
            node.create_timer(0.02, self._publish),
        ]

    def live(self, duration_s: float) -> None:
        """Publish and listen for a while."""
        self.client.spin(duration_s)

    def live_until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
        """Publish and listen until a condition holds; tell whether it did."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            self.client.spin(0.02)
        return True

    def stop_is_connected(self) -> bool:
        """Tell whether the node listens to the emergency stop."""
        return self._stop.get_subscription_count() > 0

    def press(self, pressed: bool) -> None:
        """Send the emergency stop."""
        self._stop.publish(self._types[2](data=pressed))

    def bring_up(self) -> None:
        """Configure and activate the node, and wait for it to run."""
        self.client.change("configure", timeout_s=20.0)
        self.client.activate_when_ready()
        assert self.live_until(lambda: any(row.phase == "running" for row in self.trace))

    def latched(self, kind: str, timeout_s: float = 5.0) -> bool:
        """Wait for a latch of this kind."""
        return self.live_until(lambda: self.values.get("latch") == kind, timeout_s)

    def _publish(self) -> None:
        joint_state, point_stamped, _ = self._types
        message = joint_state(
            name=list(reversed(self._names)),
            position=self.position[::-1].tolist(),
            velocity=[0.0] * len(self._names),
        )
        message.header.stamp = self.node.get_clock().now().to_msg()
        changed = self.joint_state(message)
        if changed is not None:
            self._joints.publish(changed)
        if self.target is not None:
            target = point_stamped()
            target.header.frame_id = self.frame
            target.point.x, target.point.y, target.point.z = self.target
            self._targets.publish(target)

    def _on_command(self, message) -> None:
        self.commands.append(np.array(message.data))
        self.position = self.commands[-1]

    def _on_diagnostics(self, message) -> None:
        for status in message.status:
            if status.name == "trirl_policy":
                self.values = {entry.key: entry.value for entry in status.values}


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain of the test's own, in this process and those that it starts."""
    from trirl_bringup.domain import own_domain

    with own_domain() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        rclpy.init()
        try:
            yield variables
        finally:
            rclpy.shutdown()


@pytest.fixture
def arm(domain, make_contract):
    """The harness."""
    harness = Arm(make_contract())
    yield harness
    harness.node.destroy_node()


@pytest.fixture
def processes(domain, tmp_path):
    """Starts processes in the test's domain, and stops them."""
    from trirl_bringup.processes import Processes

    with Processes(domain, tmp_path / "logs") as running:
        yield running


@pytest.fixture
def policy_node(processes, obedient_file):
    """A policy node in a process of its own; call with parameters to start it."""
    from trirl_bringup.bringup import ros_arguments

    def start(**parameters):
        # a loaded machine must not look like a fault
        patient = {"joint_state_timeout_s": 0.6, "deadline_misses": 50}
        arguments = ros_arguments({"model_path": str(obedient_file), **patient, **parameters})
        return processes.start("policy", "trirl_policy.node", arguments)

    return start
