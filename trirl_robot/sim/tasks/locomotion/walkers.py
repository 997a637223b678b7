"""Running without falling: Hopper and Walker2d, and what Ant and Humanoid share with them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.sim.tasks.locomotion.benchmark import Rows
from trirl_robot.sim.tasks.locomotion.runners import RunnerConfig, RunnerTask
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Range = tuple[float | None, float | None]
"""Least and greatest value; None for no bound."""

VELOCITY_LIMIT = 10.0
"""Greatest velocity that a planar walker is shown [m/s, rad/s]."""


@dataclass(frozen=True, kw_only=True)
class WalkerConfig(RunnerConfig):
    """Parameters of every task in which one can fall."""

    healthy_reward: float
    """Reward for each step in which the robot is healthy."""
    terminate_when_unhealthy: bool
    """Whether the episode ends when the robot is not healthy."""
    healthy_z_range_m: Range
    """Heights at which the robot is healthy [m]."""

    def __post_init__(self) -> None:
        """Check that ranges are not empty."""
        super().__post_init__()
        ranges = [name for name in vars(self) if "_range" in name]
        require(self, "a range that is not empty", _not_empty, *ranges)


@dataclass(frozen=True, kw_only=True)
class Walker2dConfig(WalkerConfig):
    """Parameters of Walker2d."""

    task: Literal["walker2d"] = "walker2d"
    """Kind of task."""
    healthy_angle_range_rad: Range
    """Angles of the torso at which the robot is healthy [rad]."""


@dataclass(frozen=True, kw_only=True)
class HopperConfig(WalkerConfig):
    """Parameters of Hopper."""

    task: Literal["hopper"] = "hopper"
    """Kind of task."""
    healthy_angle_range_rad: Range
    """Angles of the torso at which the robot is healthy [rad]."""
    healthy_state_range: Range
    """Angles and velocities at which the robot is healthy [rad, m/s, rad/s]."""


class WalkerTask(RunnerTask):
    """Adds a reward for being healthy, and an end for not being so."""

    config: WalkerConfig

    def after_step(self) -> Outcome:
        """Measure; return the reward for speed and health, less the costs."""
        self._measure()
        terms = self._run()
        healthy = self._healthy()
        terms["reward_survive"] = np.where(healthy, self.config.healthy_reward, 0.0)
        reward = terms["reward_forward"] + terms["reward_survive"] + terms["reward_ctrl"]
        contact = self._contact_cost()
        if contact is not None:
            reward -= contact
            terms["reward_contact"] = -contact
        fallen = ~healthy
        return Outcome(
            reward=reward,
            terminated=fallen if self.config.terminate_when_unhealthy else np.zeros_like(fallen),
            success=self._fast() & healthy,
        )

    @abstractmethod
    def _healthy(self) -> Mask:
        """Return which robots are healthy, (N,)."""

    def _contact_cost(self) -> Array | None:
        """Return the cost of contact forces, (N,); None where there is none."""
        return None


class PlanarWalkerTask(WalkerTask):
    """A walker in the x-z plane, which is shown velocities of limited size."""

    def _true(self, rows: Rows) -> Array:
        observation = super()._true(rows)
        velocity = observation[:, -self.simulation.model.nv :]
        np.clip(velocity, -VELOCITY_LIMIT, VELOCITY_LIMIT, out=velocity)
        return observation


class Walker2dTask(PlanarWalkerTask):
    """Walker2d-v5."""

    model_file = "walker2d_v5.xml"
    config: Walker2dConfig

    def _healthy(self) -> Mask:
        qpos = self.simulation.qpos
        config = self.config
        return inside(qpos[:, 1], config.healthy_z_range_m) & inside(
            qpos[:, 2], config.healthy_angle_range_rad
        )


class HopperTask(PlanarWalkerTask):
    """Hopper-v5."""

    model_file = "hopper.xml"
    config: HopperConfig

    def _healthy(self) -> Mask:
        config, qpos, qvel = self.config, self.simulation.qpos, self.simulation.qvel
        upright = inside(qpos[:, 1], config.healthy_z_range_m)
        upright &= inside(qpos[:, 2], config.healthy_angle_range_rad)
        upright &= inside(qpos[:, 2:], config.healthy_state_range).all(axis=1)
        upright &= inside(qvel, config.healthy_state_range).all(axis=1)
        return upright


def bounds(values: Range) -> tuple[float, float]:
    """Return a range with infinities for None."""
    low, high = values
    return (-np.inf if low is None else low, np.inf if high is None else high)


def inside(value: Array, values: Range) -> Mask:
    """Return whether values lie strictly inside a range, of the same shape."""
    low, high = bounds(values)
    return np.asarray((value > low) & (value < high))


def _not_empty(values: Range) -> bool:
    low, high = bounds(values)
    return low < high
