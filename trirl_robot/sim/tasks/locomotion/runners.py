"""Running along the x axis: HalfCheetah and Swimmer, and what the walkers share with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.tasks.locomotion import layout
from trirl_robot.sim.tasks.locomotion.benchmark import (
    BenchmarkConfig,
    BenchmarkTask,
    Rows,
    normal,
    symmetric,
)
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RunnerConfig(BenchmarkConfig):
    """Parameters of every task that is about running."""

    forward_reward_weight: float
    """Reward for a speed of 1 m/s along x."""
    ctrl_cost_weight: float
    """Cost of the sum of the squared controls."""
    reset_noise_scale: float
    """Size of the noise in the initial positions [m, rad] and velocities [m/s, rad/s]."""
    success_speed_m_s: float
    """Mean speed along x from the start on that counts as success [m/s]; not Gymnasium's."""

    def __post_init__(self) -> None:
        """Check the noise."""
        super().__post_init__()
        require(self, "at least 0", lambda v: v >= 0, "reset_noise_scale")


@dataclass(frozen=True, kw_only=True)
class HalfCheetahConfig(RunnerConfig):
    """Parameters of HalfCheetah."""

    task: Literal["half-cheetah"] = "half-cheetah"
    """Kind of task."""


@dataclass(frozen=True, kw_only=True)
class SwimmerConfig(RunnerConfig):
    """Parameters of Swimmer."""

    task: Literal["swimmer"] = "swimmer"
    """Kind of task."""


class RunnerTask(BenchmarkTask):
    """Positions, without the first ones, and velocities; reward for speed, less control effort."""

    config: RunnerConfig
    hidden: ClassVar[int] = 1
    """How many leading positions the policy does not see."""
    velocity_noise: ClassVar[Literal["uniform", "normal"]] = "uniform"
    """Distribution of the initial velocities."""

    def _bind(self) -> None:
        model = self.simulation.model
        self.num_draws = model.nq + model.nv
        self._x = np.zeros(self.simulation.num_envs)

    def after_step(self) -> Outcome:
        """Measure; the reward is the speed along x less the cost of control."""
        self._measure()
        terms = self._run()
        return Outcome(
            reward=terms["reward_forward"] + terms["reward_ctrl"],
            terminated=np.zeros(self.simulation.num_envs, dtype=np.bool_),
            success=self._fast(),
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {**super().get_state(), "x": self._x.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().set_state(state)
        self._x = state["x"].copy()

    def _parts(self, model: mujoco.MjModel) -> list[layout.Part]:
        return [*layout.positions(model, self.hidden), *layout.velocities(model)]

    def _start_state(self, draws: Array) -> tuple[Array, Array]:
        model, scale = self.simulation.model, self.config.reset_noise_scale
        qpos = model.qpos0 + symmetric(draws[:, : model.nq], scale)
        noise = normal if self.velocity_noise == "normal" else symmetric
        return qpos, noise(draws[:, model.nq :], scale)

    def _true(self, rows: Rows) -> Array:
        return np.array(self.simulation.motion[rows, self.hidden :])

    def _remember(self, ids: Ids) -> None:
        self._x[ids] = self._forward_position()[ids]

    def _forward_position(self) -> Array:
        """Return the position along x by which the speed is measured, (N,), m."""
        return self.simulation.qpos[:, 0]

    def _run(self) -> dict[str, Array]:
        """Note the terms of the reward for speed and control; return all terms."""
        config = self.config
        forward, cost = np.empty((2, self.simulation.num_envs))
        weights = (config.forward_reward_weight, -config.ctrl_cost_weight)
        _run(
            self._forward_position(),
            self._x,
            self._period_s,
            self._control,
            *weights,
            forward,
            cost,
        )
        self.reward_terms = {"reward_forward": forward, "reward_ctrl": cost}
        return self.reward_terms

    def _fast(self) -> Mask:
        """Return which simulations have been fast enough since the start, (N,)."""
        simulation = self.simulation
        return _ahead(simulation.qpos, simulation.time, self.config.success_speed_m_s)


class HalfCheetahTask(RunnerTask):
    """HalfCheetah-v5."""

    model_file = "half_cheetah.xml"
    velocity_noise = "normal"


class SwimmerTask(RunnerTask):
    """Swimmer-v5."""

    model_file = "swimmer.xml"
    hidden = 2


@compiled
def _run(
    x: Array,
    last_x: Array,
    period_s: float,
    control: Array,
    speed_weight: float,
    effort_weight: float,
    forward: Array,
    cost: Array,
) -> None:
    """Write weighted speeds since `last_x` and sums of squared controls, (N,); keep x there."""
    for i in range(x.shape[0]):
        forward[i] = speed_weight * ((x[i] - last_x[i]) / period_s)
        last_x[i] = x[i]
        effort = 0.0
        for j in range(control.shape[1]):
            effort += control[i, j] ** 2
        cost[i] = effort_weight * effort


@compiled
def _ahead(qpos: Array, time: Array, speed_m_s: float) -> Mask:
    """Return which are as far along x as at `speed_m_s` from the start on, (N,)."""
    ahead = np.empty(time.shape[0], np.bool_)
    for i in range(time.shape[0]):
        ahead[i] = qpos[i, 0] >= speed_m_s * time[i]
    return ahead
