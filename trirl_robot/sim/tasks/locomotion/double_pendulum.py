"""InvertedDoublePendulum: a cart that balances two poles, one on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.sim.tasks.locomotion.benchmark import (
    BenchmarkConfig,
    BenchmarkTask,
    Rows,
    normal,
    symmetric,
)
from trirl_robot.sim.tasks.locomotion.layout import Part
from trirl_robot.sim.tasks.task import Outcome

Array = NDArray[np.float64]

FALLEN_HEIGHT_M = 1.0
"""Height of the tip at and below which the poles have fallen."""
UPRIGHT_HEIGHT_M = 2.0
"""Height from which the tip's distance is punished."""
LIMIT = 10.0
"""Greatest velocity and force that the policy is shown [m/s, rad/s, N]."""


@dataclass(frozen=True, kw_only=True)
class DoublePendulumConfig(BenchmarkConfig):
    """Parameters of InvertedDoublePendulum."""

    task: Literal["inverted-double-pendulum"] = "inverted-double-pendulum"
    """Kind of task."""
    healthy_reward: float
    """Reward for each step after which the poles stand."""
    reset_noise_scale: float
    """Size of the noise in the initial positions [m, rad] and velocities [m/s, rad/s]."""

    def __post_init__(self) -> None:
        """Check the noise."""
        super().__post_init__()
        require(self, "at least 0", lambda v: v >= 0, "reset_noise_scale")


class DoublePendulumTask(BenchmarkTask):
    """InvertedDoublePendulum-v5."""

    config: DoublePendulumConfig
    model_file = "inverted_double_pendulum.xml"
    num_draws = 6

    def after_step(self) -> Outcome:
        """Measure; the reward is for standing, less the tip's distance and the poles' speed."""
        self._measure()
        x, height = self._tip[:, 0, 0], self._tip[:, 0, 2]
        fallen = height <= FALLEN_HEIGHT_M
        velocity = self.simulation.qvel
        self.reward_terms = {
            "reward_survive": np.where(fallen, 0.0, self.config.healthy_reward),
            "distance_penalty": -(0.01 * x**2 + (height - UPRIGHT_HEIGHT_M) ** 2),
            "velocity_penalty": -(1e-3 * velocity[:, 1] ** 2 + 5e-3 * velocity[:, 2] ** 2),
        }
        return Outcome(
            reward=np.sum(list(self.reward_terms.values()), axis=0),
            terminated=fallen,
            success=~fallen,
        )

    def _bind(self) -> None:
        self._tip: Array = self.simulation.batch.bind("site_xpos")
        self._constraint: Array = self.simulation.batch.bind("qfrc_constraint")

    def _parts(self, model: mujoco.MjModel) -> list[Part]:
        cart, *poles = (model.joint(i).name for i in range(model.njnt))
        return [
            Part(name="cart_position", unit="m", components=(cart,)),
            Part(name="pole_sine", unit="1", components=tuple(poles)),
            Part(name="pole_cosine", unit="1", components=tuple(poles)),
            Part(name="cart_velocity", unit="m/s", components=(cart,)),
            Part(name="pole_velocity", unit="rad/s", components=tuple(poles)),
            Part(name="constraint_force", unit="N", components=(cart,)),
        ]

    def _true(self, rows: Rows) -> Array:
        qpos = self.simulation.qpos[rows]
        return np.concatenate(
            (
                qpos[:, :1],
                np.sin(qpos[:, 1:]),
                np.cos(qpos[:, 1:]),
                np.clip(self.simulation.qvel[rows], -LIMIT, LIMIT),
                np.clip(self._constraint[rows, :1], -LIMIT, LIMIT),
            ),
            axis=1,
        )

    def _start_state(self, draws: Array) -> tuple[Array, Array]:
        scale = self.config.reset_noise_scale
        return symmetric(draws[:, :3], scale), normal(draws[:, 3:], scale)
