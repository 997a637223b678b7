"""The policy contract: what a policy reads, what it commands, and within which limits.

The recorder writes it into the demonstrations, the trainer checks it against its task, the exporter
writes it into the ONNX file and the node derives everything from it. There is no second place where
joint order, scale or rate is configured.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from trirl_robot.config import from_mapping, to_mapping
from trirl_robot.errors import ConfigError, ContractError

CONTRACT_VERSION = 1

ObservationSource = Literal[
    "joint_position",
    "joint_velocity",
    "joint_command",
    "previous_action",
    "end_effector_position",
    "target_position",
    "end_effector_to_target",
    "object_position",
    "object_orientation",
    "end_effector_to_object",
    "object_to_target",
    "simulation",
]
"""Where the numbers of an observation field come from.

`joint_command` is the last commanded position, `previous_action` the last action in [-1, 1];
`end_effector_position` is computed from the measured joint positions (see `kinematics`), and
`end_effector_to_target` is the target's position less the end effector's, and so for the other
pairs. The object is the one that the task is about, as a camera with a marker estimates it; its
orientation is a unit quaternion wxyz. What comes from the
`simulation` alone, no robot can measure: a policy that reads it stays there.
"""

JointActionKind = Literal["joint_position_delta", "joint_position", "joint_velocity"]
"""What an action of an arm means: a step from the last commanded position, a position, a velocity.

A velocity is commanded as such where the joint's actuator takes velocities, and as the position
that it leads to within a cycle where the actuator takes positions.
"""

ActionKind = Literal[JointActionKind, "actuator_control"]
"""What an action means.

`actuator_control` sets the controls of simulated actuators, in whatever unit these have: no robot
node commands it, and it alone needs no limits.
"""

PER_JOINT_SOURCES = ("joint_position", "joint_velocity", "joint_command", "previous_action")
OBJECT_SOURCES = (
    "object_position",
    "object_orientation",
    "end_effector_to_object",
    "object_to_target",
)
POSITION_SOURCES = (
    "end_effector_position",
    "target_position",
    "end_effector_to_target",
    "object_position",
    "end_effector_to_object",
    "object_to_target",
)


@dataclass(frozen=True, kw_only=True)
class ObservationField:
    """One named part of the observation vector, in the order in which fields are listed."""

    name: str
    """Name of the field, unique in the contract; the key under `obs/` in HDF5."""
    size: int
    """Number of values."""
    unit: str
    """SI unit, such as rad, rad/s, m, or 1."""
    source: ObservationSource
    """Where the values come from."""
    frame: str | None = None
    """Coordinate frame of a position, such as `base`."""
    scale: float = 1.0
    """Factor by which the measured value is multiplied."""


@dataclass(frozen=True, kw_only=True)
class ActionField:
    """One named part of the action vector."""

    name: str
    """Name of the field."""
    size: int
    """Number of values."""
    kind: ActionKind
    """What the values command."""
    unit: str
    """SI unit of the command."""
    scale: tuple[float, ...]
    """Command units for an action of 1, one value a joint."""
    offset: tuple[float, ...]
    """Command for an action of 0, one value a joint."""


@dataclass(frozen=True, kw_only=True)
class JointLimits:
    """Limits of one joint that no command may pass."""

    joint: str
    """Name of the joint."""
    position_min: float
    """Least position [rad or m]."""
    position_max: float
    """Greatest position [rad or m]."""
    velocity: float
    """Greatest speed of the command [rad/s or m/s]."""
    acceleration: float
    """Greatest acceleration of the command [rad/s^2 or m/s^2]."""


@dataclass(frozen=True, kw_only=True)
class JointScrew:
    """Axis of one joint in the base frame, with every joint at zero."""

    joint: str
    """Name of the joint."""
    kind: Literal["hinge", "slide"]
    """Rotation about the axis, or translation along it."""
    axis: tuple[float, float, float]
    """Unit vector of the axis, base frame."""
    anchor_m: tuple[float, float, float]
    """A point on the axis [m], base frame."""


@dataclass(frozen=True, kw_only=True)
class Kinematics:
    """Serial chain to the end effector as a product of exponentials, base to tip."""

    screws: tuple[JointScrew, ...]
    """Joints from the base to the tip."""
    end_effector_m: tuple[float, float, float]
    """Position of the end effector [m] in the base frame, with every joint at zero."""


@dataclass(frozen=True, kw_only=True)
class GripperConvention:
    """How a gripper's opening is expressed."""

    joint: str
    """Name of the gripper's joint."""
    open_position: float
    """Joint position when open [rad or m]."""
    closed_position: float
    """Joint position when closed [rad or m]."""


@dataclass(frozen=True, kw_only=True)
class PolicyContract:
    """Everything that a recorder, a trainer and a robot must agree on."""

    contract_version: int
    """Version of this structure."""
    robot: str
    """Name of the robot."""
    joint_names: tuple[str, ...]
    """Commanded joints, in the order of every per-joint vector."""
    observation: tuple[ObservationField, ...]
    """Fields of the observation, in order."""
    action: tuple[ActionField, ...]
    """Fields of the action, in order."""
    control_rate_hz: float
    """Rate at which the policy is evaluated [Hz]."""
    limits: tuple[JointLimits, ...]
    """Limits, one entry a joint, in the order of `joint_names`; none for `actuator_control`."""
    default_joint_positions: tuple[float, ...]
    """Home pose [rad or m], in the order of `joint_names`."""
    kinematics: Kinematics | None
    """Chain from which the end effector's position is computed; None when no field needs it."""
    gripper: GripperConvention | None
    """The gripper's convention; None when the policy does not command one."""
    history_length: int = 1
    """How many consecutive observations the policy reads."""

    def __post_init__(self) -> None:
        """Check that sizes, names and limits fit together."""
        problem = _problem(self)
        if problem:
            raise ConfigError(problem)

    @property
    def observation_size(self) -> int:
        """Length of the observation vector."""
        return sum(f.size for f in self.observation)

    @property
    def action_size(self) -> int:
        """Length of the action vector."""
        return sum(f.size for f in self.action)

    @property
    def control_period_s(self) -> float:
        """Time between two evaluations of the policy [s]."""
        return 1.0 / self.control_rate_hz

    @property
    def observation_slices(self) -> dict[str, slice]:
        """Place of each observation field in the vector, by name."""
        slices, start = {}, 0
        for field in self.observation:
            slices[field.name] = slice(start, start + field.size)
            start += field.size
        return slices

    def to_json(self) -> str:
        """Return JSON with sorted keys and numbers at full precision."""
        # through the types of the fields, so that 25 and 25.0 give the same text and hash
        plain = to_mapping(from_mapping(PolicyContract, to_mapping(self), "contract"))
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of `to_json`, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def contract_from_json(text: str, where: str) -> PolicyContract:
    """Read a contract.

    Args:
        text: JSON as written by `PolicyContract.to_json`.
        where: how messages name the file.

    Raises:
        ContractError: not JSON, an unknown or missing field, a wrong type, or another version.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ContractError(f"{where}: the contract is not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise ContractError(f"{where}: the contract is not a JSON object")
    version = data.get("contract_version")
    if version != CONTRACT_VERSION:
        raise ContractError(
            f"{where}: contract version is {version!r}, this software reads {CONTRACT_VERSION}; "
            "record or export again with this version"
        )
    try:
        return from_mapping(PolicyContract, data, f"{where}: contract")
    except ConfigError as error:
        raise ContractError(str(error)) from None


def differences(first: PolicyContract, second: PolicyContract) -> list[str]:
    """Return `path: first value != second value` for everything in which two contracts differ."""
    found: list[str] = []
    _compare(to_mapping(first), to_mapping(second), "", found)
    return found


def require_same(
    first: PolicyContract, second: PolicyContract, first_name: str, second_name: str
) -> None:
    """Refuse two contracts that differ, showing both sides.

    Raises:
        ContractError: the contracts differ; the message lists the first few differences.
    """
    # another robot explains most of what else differs
    found = sorted(differences(first, second), key=lambda line: not line.startswith("robot:"))
    if found:
        shown = "; ".join(found[:4]) + (f"; and {len(found) - 4} more" if len(found) > 4 else "")
        raise ContractError(
            f"the contract of {first_name} differs from the contract of {second_name}: {shown}"
        )


def _compare(first: Any, second: Any, path: str, found: list[str]) -> None:
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted({*first, *second}):
            _compare(first.get(key), second.get(key), f"{path}.{key}" if path else key, found)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for index, (a, b) in enumerate(zip(first, second, strict=True)):
            label = a.get("name", a.get("joint", index)) if isinstance(a, dict) else index
            _compare(a, b, f"{path}[{label}]", found)
    elif first != second:
        found.append(f"{path}: {_short(first)} != {_short(second)}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _problem(c: PolicyContract) -> str | None:
    """Return what is wrong with a contract, or None."""
    joints = len(c.joint_names)
    names = [f.name for f in c.observation]
    unlimited = not c.limits and all(f.kind == "actuator_control" for f in c.action)
    per_joint = {
        "limits": joints if unlimited else len(c.limits),
        "default_joint_positions": len(c.default_joint_positions),
        **{f"action '{f.name}' scale": len(f.scale) for f in c.action},
        **{f"action '{f.name}' offset": len(f.offset) for f in c.action},
        **{f"action '{f.name}' size": f.size for f in c.action},
        **{
            f"observation '{f.name}'": f.size
            for f in c.observation
            if f.source in PER_JOINT_SOURCES
        },
    }
    checks = [
        (joints > 0, "the contract names no joint"),
        (len(set(c.joint_names)) == joints, f"joint names repeat: {', '.join(c.joint_names)}"),
        (len(set(names)) == len(names), f"observation names repeat: {', '.join(names)}"),
        (len(names) > 0, "the contract names no observation field"),
        (len(c.action) == 1, f"expected one action field, got {len(c.action)}"),
        (c.control_rate_hz > 0, f"control_rate_hz is {c.control_rate_hz}, expected more than 0"),
        (c.history_length == 1, f"history_length is {c.history_length}; only 1 is supported"),
        (
            unlimited or tuple(limit.joint for limit in c.limits) == c.joint_names,
            "limits are not in the order of joint_names",
        ),
        (
            c.kinematics is not None
            or not any(f.source.startswith("end_effector") for f in c.observation),
            "an end-effector field needs kinematics",
        ),
    ]
    checks += [
        (n == joints, f"{w} has {n} values for {joints} joints") for w, n in per_joint.items()
    ]
    checks += [
        (
            limit.position_min < limit.position_max and min(limit.velocity, limit.acceleration) > 0,
            f"limits of '{limit.joint}' are empty or not positive",
        )
        for limit in c.limits
    ]
    checks += [
        (f.size == 3, f"observation '{f.name}' is a position and has {f.size} values, expected 3")
        for f in c.observation
        if f.source in POSITION_SOURCES
    ]
    checks += [(0.0 not in f.scale, f"action '{f.name}' has a scale of 0") for f in c.action]
    if c.kinematics is not None:
        checks += [
            (
                abs(math.hypot(*screw.axis) - 1.0) < 1e-6,
                f"kinematics: the axis of '{screw.joint}' is not a unit vector",
            )
            for screw in c.kinematics.screws
        ]
    return next((message for holds, message in checks if not holds), None)
