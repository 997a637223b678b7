"""A fresh policy on a frozen reward: does the reward hold what the demonstrations showed?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trirl_robot.errors import ModelFileError
from trirl_robot.model_file import ModelFile, load_reward
from trirl_robot.model_metadata import ACTION, NEXT_OBSERVATION, OBSERVATION
from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.on_policy import OnPolicyConfig, OnPolicyLearner
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.rl.rollout import Rollout
from trirl_robot.sim.interface import Environments

ROWS = 64
"""Transitions that are rewarded together, so that hundreds of discriminators fit in the cache."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig(OnPolicyConfig):
    """Settings of PPO on a frozen reward."""

    algorithm: Literal["transfer"] = "transfer"
    """Kind of learner."""


class FrozenReward:
    """The reward of a file that `trirl export` wrote, which learns no more."""

    def __init__(self, path: Path) -> None:
        """Read and verify the file.

        Args:
            path: the ONNX file.

        Raises:
            ModelFileError: it is no valid reward, or does not state what an absorbing state earns
                and how much the entropy weighs.
        """
        self.model: ModelFile = load_reward(path)
        try:
            statement = self.model.provenance["reward"]
            self.absorbing = float(statement["absorbing_reward"])
            self.entropy_coef = float(statement["entropy_coef"])
        except (KeyError, TypeError, ValueError):
            raise ModelFileError(
                f"{path}: does not state the reward of an absorbing state and the weight of the "
                "entropy beside it, which belong to it; export it again with 'trirl export'"
            ) from None
        if not (math.isfinite(self.absorbing) and 0.0 <= self.entropy_coef < math.inf):
            raise ModelFileError(
                f"{path}: states {self.absorbing} as the reward of an absorbing state and "
                f"{self.entropy_coef} as the weight of the entropy, expected finite numbers, the "
                "weight 0 or more; export it again with 'trirl export'"
            )

    def __call__(self, rollout: Rollout, processes: Processes = ALONE) -> Tensor:
        """Return the reward of each step, (T, N), of which each process computes a part."""
        read = {
            OBSERVATION: rollout.observation,
            ACTION: rollout.applied_action,
            NEXT_OBSERVATION: rollout.final_observation,
        }
        inputs = [read[name].flatten(0, 1) for name in self.model.golden.inputs]
        return processes.mapped(self._of, *inputs).view(rollout.terminated.shape)

    def _of(self, *inputs: Tensor) -> Tensor:
        """Return the reward for the model's inputs, one row a transition."""
        arrays = [values.cpu().numpy() for values in inputs]
        rewards: list[NDArray[np.float32]] = []
        for start in range(0, len(arrays[0]), ROWS):
            rows = [array[start : start + ROWS] for array in arrays]
            rewards.append(self.model.run(**dict(zip(self.model.golden.inputs, rows, strict=True))))
        return torch.from_numpy(np.concatenate(rewards)).to(inputs[0].device)


class TransferLearner(OnPolicyLearner):
    """Maximises a frozen reward from scratch; the task's own is for evaluation only."""

    def __init__(
        self,
        config: TransferConfig,
        reward: FrozenReward,
        env: Environments,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks; see `OnPolicyLearner`. The reward's contract must be the task's."""
        super().__init__(config, env, seed, processes=processes)
        self.reward = reward

    def learn(self, rollout: Rollout, clock: PhaseClock) -> dict[str, float]:
        """Improve the policy; return metrics."""
        reward = self.reward(rollout, self.processes)
        clock.mark("reward")
        update = self.ppo.update(
            rollout,
            reward,
            entropy_coef=self.config.entropy_coef,
            generator=self.generator,
            absorbing_value=self.absorbing_value(self.reward.absorbing),
        )
        self.average()
        clock.mark("policy")
        return {
            "reward/policy_mean": float(reward.mean()),
            "reward/correlation_with_task": _correlation(reward, rollout.task_reward),
            **self.update_metrics(update),
        }


def _correlation(first: Tensor, second: Tensor) -> float:
    """Return Pearson's correlation; 0 where one of the two is constant."""
    centred = [values.flatten() - values.mean() for values in (first, second)]
    norm = float(centred[0].norm() * centred[1].norm())
    return float(centred[0] @ centred[1]) / norm if norm > 0.0 else 0.0
