"""Behavioural cloning as a learner of its own: one iteration, and no environment step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from trirl_robot.baselines.bc import CloningConfig, clone
from trirl_robot.config import require
from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.errors import ConfigError
from trirl_robot.rl.networks import Scaling
from trirl_robot.rl.policy import build_policy, require_std
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.sim.interface import Environments


@dataclass(frozen=True, kw_only=True)
class BehaviouralCloningConfig:
    """Settings of behavioural cloning."""

    algorithm: Literal["bc"] = "bc"
    """Kind of learner."""
    num_envs: int = 1
    """Simulations that are built, to know the task's contract."""
    policy_hidden: tuple[int, ...] = (128, 128)
    """Widths of the policy's hidden layers."""
    initial_std: float = 0.2
    """Standard deviation that the policy is given; nothing is drawn with it."""
    observation_scaling: Scaling = "compressed"
    """How the policy scales what it reads; see `InputScaler`."""
    cloning: CloningConfig = field(default_factory=CloningConfig)
    """The regression."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "num_envs")
        require_std(self, "initial_std")
        require(self, "widths of at least 1", lambda v: all(w >= 1 for w in v), "policy_hidden")

    @property
    def iterations(self) -> int:
        """Iterations of the whole training."""
        return 1


class BehaviouralCloning:
    """Fits the policy to the demonstrations, once."""

    def __init__(
        self,
        config: BehaviouralCloningConfig,
        demonstrations: Demonstrations,
        env: Environments,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        """Build the policy; see `ImitationLearner`.

        Raises:
            ConfigError: there are several processes, and nothing to share out.
            DatasetError: a demonstration has no actions.
        """
        if processes.size > 1:
            raise ConfigError(
                f"algorithm bc steps no environments, so that {processes.size} processes have "
                "nothing to share; run it without torchrun"
            )
        self.config = config
        self.env = env
        self.processes = processes
        device = processes.device
        self.generator = torch.Generator().manual_seed(seed)
        self.expert_observation = torch.from_numpy(demonstrations.observation).float().to(device)
        demonstrations.require_actions("algorithm bc")
        self.expert_action = torch.from_numpy(demonstrations.action).float().to(device)
        self.averaged = build_policy(config, env.contract, self.generator).to(device)
        self.averaged.scaler.fit(self.expert_observation)
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """Fit the policy; return the errors."""
        result = clone(
            self.averaged,
            self.expert_observation,
            self.expert_action,
            self.config.cloning,
            self.generator,
        )
        self.iteration += 1
        return {
            "iteration": self.iteration,
            "env_steps": 0,
            "cloning/training_error": result.training_error,
            "cloning/validation_error": result.validation_error,
            "cloning/epoch": float(result.epoch),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs."""
        return {
            "iteration": self.iteration,
            "averaged": self.averaged.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.iteration = int(state["iteration"])
        self.averaged.load_state_dict(state["averaged"])
        self.generator.set_state(state["generator"])
