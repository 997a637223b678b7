"""Reach: bring the end effector to a target and hold it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import ObservationField
from trirl_robot.errors import ConfigError
from trirl_robot.sim.arm import ArmSimulation
from trirl_robot.sim.robots import RobotConfig

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

SAMPLING_ROUNDS = 100
"""Rounds in which twice as many poses are drawn as are wanted; one pose in 200 has to do."""


@dataclass(frozen=True, kw_only=True)
class ReachConfig:
    """Parameters of the reach task."""

    name: str
    """Name of the task."""
    robot: str
    """Robot, by built-in name or file."""
    duration_s: float
    """Length of an episode [s]."""
    success_radius_m: float
    """Greatest distance to the target that counts as there [m]."""
    success_hold_s: float
    """Time at the end of the episode over which the end effector must be there [s]."""
    sample_min: tuple[float, ...]
    """Least joint positions of start poses and targets [rad]."""
    sample_max: tuple[float, ...]
    """Greatest joint positions of start poses and targets [rad]."""
    minimum_height_m: float
    """Least height of start and target above the table [m]."""
    minimum_radius_m: float
    """Least distance of start and target from the base's axis [m]."""

    def __post_init__(self) -> None:
        """Check that ranges are not empty."""
        if any(low > high for low, high in zip(self.sample_min, self.sample_max, strict=False)):
            raise ConfigError("sample_min is above sample_max")
        if min(self.duration_s, self.success_radius_m) <= 0 or self.success_hold_s < 0:
            raise ConfigError("duration_s and success_radius_m must be more than 0")


def observation_fields(robot: RobotConfig) -> tuple[ObservationField, ...]:
    """Return what a real arm knows of itself and of its target."""
    count = len(robot.joints)
    return (
        ObservationField(name="joint_position", size=count, unit="rad", source="joint_position"),
        ObservationField(name="joint_velocity", size=count, unit="rad/s", source="joint_velocity"),
        ObservationField(name="joint_command", size=count, unit="rad", source="joint_command"),
        ObservationField(name="previous_action", size=count, unit="1", source="previous_action"),
        ObservationField(
            name="end_effector_position",
            size=3,
            unit="m",
            source="end_effector_position",
            frame="base",
        ),
        ObservationField(
            name="end_effector_to_target",
            size=3,
            unit="m",
            source="end_effector_to_target",
            frame="base",
        ),
    )


class ReachTask:
    """Start poses, targets, reward and success, for a batch of arms."""

    def __init__(
        self, config: ReachConfig, simulation: ArmSimulation, generator: np.random.Generator
    ) -> None:
        count = len(simulation.robot.joints)
        for name in ("sample_min", "sample_max"):
            if len(getattr(config, name)) != count:
                raise ConfigError(f"task '{config.name}': {name} needs {count} values, one a joint")
        self.config = config
        self._simulation = simulation
        self._generator = generator
        rate = simulation.robot.control.rate_hz
        self.max_episode_steps = round(config.duration_s * rate)
        # 0.5 s at 25 Hz are 12.5 periods: round up, never in the policy's favour
        self._hold_steps = max(1, int(np.ceil(config.success_hold_s * rate)))
        self.target_position = np.zeros((simulation.num_envs, 3))
        self._steps_at_target = np.zeros(simulation.num_envs, dtype=np.int64)

    def reset(self, ids: Ids) -> Array:
        """Draw targets for `ids`; return start poses, shape (n, joints), rad."""
        self.target_position[ids] = self._simulation.end_effector_at(self.sample_poses(len(ids)))
        self._steps_at_target[ids] = 0
        return self.sample_poses(len(ids))

    def sample_poses(self, count: int) -> Array:
        """Draw poses whose end effector is above the table and away from the base.

        Returns:
            Joint positions, shape (count, joints), rad.

        Raises:
            ConfigError: hardly any pose in the task's ranges is allowed.
        """
        config, chosen = self.config, np.empty((0, len(self.config.sample_min)))
        for _ in range(SAMPLING_ROUNDS):
            if len(chosen) >= count:
                return chosen[:count]
            poses = self._generator.uniform(
                config.sample_min,
                config.sample_max,
                (2 * count + 8, chosen.shape[1]),
            )
            position = self._simulation.end_effector_at(poses)
            allowed = (position[:, 2] >= config.minimum_height_m) & (
                np.hypot(position[:, 0], position[:, 1]) >= config.minimum_radius_m
            )
            chosen = np.concatenate([chosen, poses[allowed]])
        raise ConfigError(
            f"task '{config.name}': of the poses between sample_min and sample_max hardly any or "
            f"none has its end effector at least {config.minimum_height_m} m high "
            f"(minimum_height_m) and {config.minimum_radius_m} m from the base's axis "
            "(minimum_radius_m); lower these or widen the range"
        )

    def distance(self) -> Array:
        """Return the true distance from end effector to target, shape (N,), m."""
        offset = self.target_position - self._simulation.end_effector_position
        return np.asarray(np.linalg.norm(offset, axis=1))

    def after_step(self) -> Array:
        """Count the time spent at the target; return the task's reward (minus distance), (N,)."""
        distance = self.distance()
        there = distance < self.config.success_radius_m
        self._steps_at_target = np.where(there, self._steps_at_target + 1, 0)
        return -distance

    def succeeded(self) -> Mask:
        """Return which simulations have been at the target for the last `success_hold_s`, (N,)."""
        return self._steps_at_target >= self._hold_steps

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the task's state."""
        return {
            "target_position": self.target_position.copy(),
            "steps_at_target": self._steps_at_target.copy(),
        }

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore what `get_state` returned."""
        self.target_position[:] = state["target_position"]
        self._steps_at_target[:] = state["steps_at_target"]
