"""What adversarial learners share: the newest discriminator rewards the policy."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from trirl_robot.irl.imitation import ImitationLearner
from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.rollout import Rollout


class AdversarialLearner(ImitationLearner):
    """Policy and discriminator, each improved against the other in turn."""

    @abstractmethod
    def reward_of(self, expert_logit: Tensor) -> Tensor:
        """Return the reward for what the discriminator says, same shape."""

    def learn(self, rollout: Rollout, clock: PhaseClock) -> dict[str, float]:
        """Improve discriminator and policy; return metrics."""
        inputs = self.inputs_of(rollout)
        discriminator = self.train_discriminator(rollout, inputs)
        clock.mark("discriminator")
        reward = self._reward(inputs)
        clock.mark("reward")
        update = self.ppo.update(
            rollout,
            reward[:-1].view(rollout.terminated.shape),
            entropy_coef=self.config.entropy_coef,
            generator=self.generator,
            absorbing_value=self.absorbing_value(float(reward[-1])),
            critic_only=self.is_warming_up,
        )
        if not self.is_warming_up:
            self.average()
            self.archive(1.0)
        clock.mark("policy")
        return {
            "reward/policy_mean": float(reward[:-1].mean()),
            "reward/absorbing": float(reward[-1]),
            **self.discriminator_metrics(discriminator),
            **self.update_metrics(update),
        }

    @torch.no_grad()
    def _reward(self, inputs: Tensor) -> Tensor:
        """Return the reward for unscaled inputs and, last, of an absorbing state, (B + 1,)."""
        read = self.discriminator.features
        features = torch.cat([read.scale(inputs), read.absorbing[None]])
        return self.reward_of(self.processes.mapped(self.discriminator.discriminator, features))
