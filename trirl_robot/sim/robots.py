"""Robots as configuration: a model, its joints in order, limits and control."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import mujoco

from trirl_robot.config import find_config, load
from trirl_robot.contract import ActionKind, GripperConvention
from trirl_robot.errors import ConfigError, unknown_name


@dataclass(frozen=True, kw_only=True)
class ControlConfig:
    """How a policy commands a robot."""

    kind: ActionKind
    """What an action means."""
    rate_hz: float
    """Control rate [Hz]."""
    scale: float
    """Command for an action of 1 [rad or m]."""


@dataclass(frozen=True, kw_only=True)
class RobotConfig:
    """A robot arm."""

    name: str
    """Name of the robot, as written in contracts."""
    model: str
    """MJCF or URDF file: a path, or `package:NAME/PATH` inside an installed Python package."""
    joints: tuple[str, ...]
    """Arm joints in the order of every per-joint vector."""
    home_position: tuple[float, ...]
    """Home pose [rad or m]."""
    velocity_limit: tuple[float, ...]
    """Greatest speed of a command [rad/s or m/s]."""
    acceleration_limit: tuple[float, ...]
    """Greatest acceleration of a command [rad/s^2 or m/s^2]."""
    gripper: GripperConvention | None
    """The gripper's joint and range."""
    gripper_home: float
    """Gripper position that is held while no policy commands it [rad or m]."""
    end_effector_site: str
    """Site of the model that is the end effector."""
    gravity_compensation: bool
    """Whether the arm carries its own weight, as servos with integral action do."""
    control: ControlConfig
    """How the robot is commanded."""
    physics_timestep_s: float
    """Integration step of the simulation [s]."""

    def __post_init__(self) -> None:
        """Check that per-joint values fit the joints and the time steps fit each other."""
        for name in ("home_position", "velocity_limit", "acceleration_limit"):
            count = len(getattr(self, name))
            if count != len(self.joints):
                raise ConfigError(f"{name} has {count} values for {len(self.joints)} joints")
        if self.physics_timestep_s <= 0 or self.control.rate_hz <= 0 or self.control.scale <= 0:
            raise ConfigError("physics_timestep_s, rate_hz and scale must be more than 0")
        steps = 1.0 / (self.control.rate_hz * self.physics_timestep_s)
        if abs(steps - round(steps)) > 1e-6:
            raise ConfigError(
                f"the control period holds {steps:.3f} physics steps; choose physics_timestep_s "
                "so that it is a whole number"
            )

    @property
    def substeps(self) -> int:
        """Physics steps in one control period."""
        return round(1.0 / (self.control.rate_hz * self.physics_timestep_s))


def load_robot(name: str) -> RobotConfig:
    """Read a robot by built-in name or from a YAML file.

    Raises:
        ConfigError: unknown name, or a file that is not a valid robot.
    """
    return load(RobotConfig, find_config("robots", name))


def model_path(robot: RobotConfig) -> Path:
    """Return the file of the robot's model.

    Raises:
        ConfigError: the file or the package that holds it is missing.
    """
    if not robot.model.startswith("package:"):
        path = Path(robot.model)
        if not path.is_file():
            raise ConfigError(f"robot '{robot.name}': model file {path} does not exist")
        return path
    package, _, inside = robot.model.removeprefix("package:").partition("/")
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"robot '{robot.name}': its model comes with the Python package '{package}', which is "
            "not installed; install the extra 'sim'"
        )
    path = Path(found.origin).parent / inside
    if not path.is_file():
        raise ConfigError(f"robot '{robot.name}': package '{package}' has no file {inside}")
    return path


def check_names(robot: RobotConfig, model: mujoco.MjModel, prefix: str) -> None:
    """Refuse a robot whose joints, actuators or site are not in the compiled model."""
    joints = [model.joint(i).name.removeprefix(prefix) for i in range(model.njnt)]
    actuators = [model.actuator(i).name.removeprefix(prefix) for i in range(model.nu)]
    sites = [model.site(i).name.removeprefix(prefix) for i in range(model.nsite)]
    wanted = list(robot.joints) + ([robot.gripper.joint] if robot.gripper else [])
    for joint in wanted:
        if joint not in joints:
            raise ConfigError(f"robot '{robot.name}': {unknown_name('joint', joint, joints)}")
        if joint not in actuators:
            raise ConfigError(
                f"robot '{robot.name}': {unknown_name('actuator', joint, actuators)}; "
                "each joint needs a position actuator of its own name"
            )
    if robot.end_effector_site not in sites:
        raise ConfigError(
            f"robot '{robot.name}': {unknown_name('site', robot.end_effector_site, sites)}"
        )
