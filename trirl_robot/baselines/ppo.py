"""PPO on the task's own reward: experts, and the upper bound of what imitation can reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.on_policy import OnPolicyConfig, OnPolicyLearner
from trirl_robot.rl.rollout import Rollout


@dataclass(frozen=True, kw_only=True)
class TaskRewardConfig(OnPolicyConfig):
    """Settings of PPO on the task's own reward."""

    algorithm: Literal["ppo"] = "ppo"
    """Kind of learner."""


class TaskRewardLearner(OnPolicyLearner):
    """Maximises what the task itself rewards; a termination ends the reward."""

    def learn(self, rollout: Rollout, clock: PhaseClock) -> dict[str, float]:
        """Improve the policy; return metrics."""
        update = self.ppo.update(
            rollout,
            rollout.task_reward,
            entropy_coef=self.config.entropy_coef,
            generator=self.generator,
        )
        self.average()
        clock.mark("policy")
        return self.update_metrics(update)
