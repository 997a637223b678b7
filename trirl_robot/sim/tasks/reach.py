"""Reach: bring the end effector to a target and hold it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import ObservationField
from trirl_robot.errors import ConfigError
from trirl_robot.sim.compiled import compiled, distances
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.tasks.arm import ArmTask
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]
Steps = NDArray[np.int64]

CANDIDATES = 8
"""Poses drawn for each start and each target, of which the first allowed one is taken."""
SAMPLING_ROUNDS = 100
"""Rounds in which twice as many poses are drawn as are wanted; one pose in 200 has to do."""


@dataclass(frozen=True, kw_only=True)
class ReachConfig:
    """Parameters of the reach task."""

    task: Literal["reach"] = "reach"
    """Kind of task."""
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


class ReachTask(ArmTask):
    """Start poses, targets, reward and success, for a batch of arms."""

    def __init__(
        self,
        config: ReachConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        random: EpisodeRandom,
        nthread: int = 0,
    ) -> None:
        super().__init__(
            config, num_envs, randomisation=randomisation, random=random, nthread=nthread
        )
        count = len(self.arm.robot.joints)
        for name in ("sample_min", "sample_max"):
            if len(getattr(config, name)) != count:
                raise ConfigError(f"task '{config.name}': {name} needs {count} values, one a joint")
        self.config = config
        # 0.5 s at 25 Hz are 12.5 periods: round up, never in the policy's favour
        rate = self.arm.robot.control.rate_hz
        self._hold_steps = max(1, int(np.ceil(config.success_hold_s * rate)))
        self._steps_at_target = np.zeros(num_envs, dtype=np.int64)

    def observation_fields(self, robot: RobotConfig) -> tuple[ObservationField, ...]:
        """Return what a real arm knows of itself and of its target."""
        count = len(robot.joints)
        return (
            ObservationField(
                name="joint_position", size=count, unit="rad", source="joint_position"
            ),
            ObservationField(
                name="joint_velocity", size=count, unit="rad/s", source="joint_velocity"
            ),
            ObservationField(name="joint_command", size=count, unit="rad", source="joint_command"),
            ObservationField(
                name="previous_action", size=count, unit="1", source="previous_action"
            ),
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

    # physics

    def distance(self) -> Array:
        """Return the true distance from end effector to target, (N,), m."""
        return distances(self._target_position, self.arm.end_effector_position)

    # start

    def draw_start(self, ids: Ids) -> Array:
        """Draw targets for `ids`; return start poses, (n, joints), rad."""
        config, count = self.config, len(self.config.sample_min)
        uniform = self.random.uniform(ids, Stream.TASK, 2 * CANDIDATES * count)
        low, high = np.array(config.sample_min), np.array(config.sample_max)
        candidates = low + (high - low) * uniform.reshape(len(ids), 2, CANDIDATES, count)
        position = self.arm.end_effector_at(candidates)
        allowed = self._allowed(position)
        first = np.argmax(allowed, axis=-1)[..., None, None]
        pose = np.take_along_axis(candidates, first, axis=2)[:, :, 0]
        place = np.take_along_axis(position, first, axis=2)[:, :, 0]
        for row, which in np.argwhere(~allowed.any(axis=-1)):
            generator = self.random.generator(int(ids[row]), Stream.TASK, 1 + which)
            pose[row, which] = self.sample_poses(1, generator)[0]
            place[row, which] = self.arm.end_effector_at(pose[row, which])
        self._target_position[ids] = place[:, 1]
        self._steps_at_target[ids] = 0
        return pose[:, 0]

    def sample_poses(self, count: int, generator: np.random.Generator) -> Array:
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
            shape = (2 * count + 8, chosen.shape[1])
            poses = generator.uniform(config.sample_min, config.sample_max, shape)
            allowed = self._allowed(self.arm.end_effector_at(poses))
            chosen = np.concatenate([chosen, poses[allowed]])
        raise ConfigError(
            f"task '{config.name}': of the poses between sample_min and sample_max hardly any or "
            f"none has its end effector at least {config.minimum_height_m} m high "
            f"(minimum_height_m) and {config.minimum_radius_m} m from the base's axis "
            "(minimum_radius_m); lower these or widen the range"
        )

    def _allowed(self, position: Array) -> Mask:
        """Return which end-effector positions (..., 3) may be a start or a target, (...)."""
        return np.asarray(
            (position[..., 2] >= self.config.minimum_height_m)
            & (np.hypot(position[..., 0], position[..., 1]) >= self.config.minimum_radius_m)
        )

    # reward and success

    def after_step(self) -> Outcome:
        """Measure; the reward is minus the distance, success is to have stayed at the target."""
        self.measure()
        radius_m, hold_steps = self.config.success_radius_m, self._hold_steps
        reward, terminated, success = _outcome(
            self.distance(), radius_m, hold_steps, self._steps_at_target
        )
        return Outcome(reward=reward, terminated=terminated, success=success)

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {**super().get_state(), "steps_at_target": self._steps_at_target.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self._steps_at_target = state["steps_at_target"].copy()


@compiled
def _outcome(
    distance: Array, radius_m: float, hold_steps: int, steps_at_target: Steps
) -> tuple[Array, Mask, Mask]:
    """Return reward, termination and success, (N,); count the steps at the target, (N,)."""
    count = distance.shape[0]
    terminated, success = np.zeros(count, np.bool_), np.empty(count, np.bool_)
    for i in range(count):
        steps_at_target[i] = steps_at_target[i] + 1 if distance[i] < radius_m else 0
        success[i] = steps_at_target[i] >= hold_steps
    return -distance, terminated, success
