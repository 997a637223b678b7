"""What a robot's file says: model, joints in order, actuators, gripper, limits and control."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trirl_robot.config import require
from trirl_robot.contract import JointActionKind
from trirl_robot.errors import ConfigError
from trirl_robot.sim.robot_body import END_EFFECTOR_SITE, CollisionConfig, EndEffectorConfig

PerJoint = float | tuple[float, ...]
"""One value for every joint, or one each in the order of the joints."""


@dataclass(frozen=True, kw_only=True)
class ControlConfig:
    """How a policy commands a robot."""

    kind: JointActionKind
    """What an action means."""
    rate_hz: float
    """Control rate [Hz]."""
    scale: PerJoint
    """Size of the command for an action of 1: a step or a deviation from the home pose [rad or m],
    or a velocity [rad/s or m/s]; one for every arm joint, or one each."""


@dataclass(frozen=True, kw_only=True)
class ActuatorConfig:
    """How actuators act on joints; what is left out is chosen from the inertia that they move.

    See `trirl_robot.sim.actuation.gains` for the choice. With damping left out, a joint that is too
    light for its servo at the simulation's step gets the missing inertia as armature, as the rotor
    of a geared motor has.
    """

    kind: Literal["native", "position", "velocity"] = "native"
    """`native` keeps the model's own; the others replace them by servos of position or velocity."""
    stiffness: PerJoint | None = None
    """Force for an error of position [N m/rad or N/m]; of `position` servos."""
    damping: PerJoint | None = None
    """Force for an error of velocity [N m s/rad or N s/m]; of both servos."""
    force_limit: PerJoint | None = None
    """Greatest force [N m or N]; without one, that of the model's joint, if it has one."""
    bandwidth_hz: float = 5.0
    """How quickly joints follow where stiffness or damping are left out [Hz]."""

    def __post_init__(self) -> None:
        """Refuse values without effect or meaning."""
        for name in ("stiffness", "damping", "force_limit"):
            values = getattr(self, name)
            if values is None:
                continue
            if self.kind == "native":
                raise ConfigError(
                    f"{name} is given and kind is native: native actuators keep the model's values;"
                    " choose kind position or velocity"
                )
            if min(values if isinstance(values, tuple) else (values,), default=0.0) <= 0.0:
                raise ConfigError(f"{name} is {values}, expected more than 0")
        if self.kind == "velocity" and self.stiffness is not None:
            raise ConfigError("stiffness is given and kind is velocity; expected damping alone")
        require(self, "more than 0", lambda v: v > 0.0, "bandwidth_hz")


@dataclass(frozen=True, kw_only=True)
class FollowerConfig:
    """A joint of the gripper that moves as the gripper's joint does."""

    joint: str
    """Name of the joint."""
    ratio: float = 1.0
    """Its position divided by that of the gripper's joint."""
    driven: bool = False
    """Whether it has an actuator of its own, which gets the same command; otherwise it is tied to
    the gripper's joint, as by a gear."""


@dataclass(frozen=True, kw_only=True)
class GripperConfig:
    """A gripper: one joint that is commanded, and those that follow it."""

    joint: str
    """Name of the joint."""
    open_position: float
    """Position when open [rad or m]."""
    closed_position: float
    """Position when closed [rad or m]."""
    home: float
    """Position at the start, held while no policy commands the gripper [rad or m]."""
    one_sided: bool = False
    """Whether one finger moves and the end effector is on the inner face of the other; otherwise
    the end effector is between the fingers."""
    scale: float
    """Size of the command for an action of 1, as `control.scale`."""
    velocity_limit: float
    """Greatest speed of a command [rad/s or m/s]."""
    acceleration_limit: float
    """Greatest acceleration of a command [rad/s^2 or m/s^2]."""
    followers: tuple[FollowerConfig, ...] = ()
    """The other fingers."""
    actuators: ActuatorConfig | None = None
    """How its actuators act; None for the same kind as the arm's."""

    def __post_init__(self) -> None:
        """Refuse ranges and limits without meaning."""
        positive = ("scale", "velocity_limit", "acceleration_limit")
        require(self, "more than 0", lambda v: v > 0.0, *positive)
        if self.open_position == self.closed_position:
            raise ConfigError(f"open_position and closed_position are both {self.open_position}")
        names = [follower.joint for follower in self.followers]
        if len({self.joint, *names}) <= len(names):
            raise ConfigError(f"the gripper names a joint twice: {', '.join([self.joint, *names])}")


@dataclass(frozen=True, kw_only=True)
class RobotConfig:
    """A robot arm."""

    name: str
    """Name of the robot, as written in contracts."""
    model: str
    """MJCF or URDF file: a path, which counts from the folder of the robot's file;
    `package:NAME/PATH` inside an installed Python package; `dm_control:jaco`; or `menagerie:NAME`
    in a local copy of MuJoCo Menagerie."""
    joints: tuple[str, ...]
    """Arm joints in the order of every per-joint vector."""
    home_position: tuple[float, ...]
    """Home pose [rad or m]."""
    velocity_limit: tuple[float, ...]
    """Greatest speed of a command [rad/s or m/s]."""
    acceleration_limit: tuple[float, ...]
    """Greatest acceleration of a command [rad/s^2 or m/s^2]."""
    position_limit: tuple[tuple[float, float], ...] | None = None
    """Least and greatest position of each joint [rad or m], in place of the model's ranges; needed
    where a joint of the model turns without end."""
    end_effector: EndEffectorConfig
    """What a task moves."""
    gripper: GripperConfig | None = None
    """The gripper, if there is one."""
    actuators: ActuatorConfig = field(default_factory=ActuatorConfig)
    """How the arm's actuators act."""
    gravity_compensation: bool = True
    """Whether the arm carries its own weight, as drives with integral action do."""
    collision: CollisionConfig = field(default_factory=CollisionConfig)
    """What can touch what."""
    control: ControlConfig
    """How the robot is commanded."""
    physics_timestep_s: float
    """Integration step of the simulation [s]."""

    def __post_init__(self) -> None:
        """Check that per-joint values fit the joints and the time steps fit each other."""
        if not self.joints:
            raise ConfigError("joints is empty, expected the names of the arm's joints in order")
        self._check_counts()
        require(self, "more than 0", lambda v: min(v) > 0.0, "velocity_limit", "acceleration_limit")
        for joint, (low, high) in zip(self.joints, self.position_limit or (), strict=False):
            if low >= high:
                raise ConfigError(f"position_limit of '{joint}' is {low} to {high}, which is empty")
        fingers = () if self.gripper is None else self.gripper_joints
        twice = sorted({j for j in self.joints if [*self.joints, *fingers].count(j) > 1})
        if twice:
            raise ConfigError(f"joint '{twice[0]}' is named twice")
        if self.actuators.kind == "velocity" and self.control.kind != "joint_velocity":
            raise ConfigError(
                f"control kind {self.control.kind} needs actuators that take positions, and "
                "actuators.kind is velocity; choose joint_velocity, or kind position"
            )
        self._check_times()

    @property
    def substeps(self) -> int:
        """Physics steps in one control period."""
        return round(1.0 / (self.control.rate_hz * self.physics_timestep_s))

    @property
    def end_effector_site(self) -> str:
        """Name of the end effector's site in the compiled model."""
        return self.end_effector.site or END_EFFECTOR_SITE

    @property
    def action_scale(self) -> tuple[float, ...]:
        """Size of the command for an action of 1, one value an arm joint."""
        return per_joint(self.control.scale, len(self.joints))

    @property
    def gripper_joints(self) -> tuple[str, ...]:
        """The gripper's joint and those that follow it."""
        if self.gripper is None:
            return ()
        return (self.gripper.joint, *(follower.joint for follower in self.gripper.followers))

    @property
    def driven_gripper_joints(self) -> tuple[str, ...]:
        """The gripper's joint and those followers that have actuators."""
        if self.gripper is None:
            return ()
        return (self.gripper.joint, *(f.joint for f in self.gripper.followers if f.driven))

    def _check_counts(self) -> None:
        values = {
            "home_position": self.home_position,
            "velocity_limit": self.velocity_limit,
            "acceleration_limit": self.acceleration_limit,
            "position_limit": self.position_limit,
            "control.scale": self.control.scale,
            "actuators.stiffness": self.actuators.stiffness,
            "actuators.damping": self.actuators.damping,
            "actuators.force_limit": self.actuators.force_limit,
        }
        for name, given in values.items():
            if isinstance(given, tuple) and len(given) != len(self.joints):
                raise ConfigError(f"{name} has {len(given)} values for {len(self.joints)} joints")
        of_gripper = self.gripper and self.gripper.actuators
        for name in ("stiffness", "damping", "force_limit") if of_gripper else ():
            if isinstance(getattr(of_gripper, name), tuple):
                raise ConfigError(f"gripper.actuators.{name} is a list, expected one number")

    def _check_times(self) -> None:
        if min(self.physics_timestep_s, self.control.rate_hz, *self.action_scale) <= 0:
            raise ConfigError("physics_timestep_s, rate_hz and scale must be more than 0")
        steps = 1.0 / (self.control.rate_hz * self.physics_timestep_s)
        if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
            raise ConfigError(
                f"the control period holds {steps:.3f} physics steps; choose physics_timestep_s "
                "so that it is a whole number"
            )


def per_joint(values: PerJoint, count: int) -> tuple[float, ...]:
    """Return one value a joint."""
    return values if isinstance(values, tuple) else (values,) * count
