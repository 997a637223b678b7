"""GAIL: the newest discriminator is the reward, and no reward is kept.

J. Ho and S. Ermon, "Generative Adversarial Imitation Learning", NeurIPS 2016, arXiv 1606.03476.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trirl_robot.irl.imitation import ImitationConfig, ImitationLearner
from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.rollout import Rollout


@dataclass(frozen=True, kw_only=True)
class GailConfig(ImitationConfig):
    """Settings of GAIL."""

    algorithm: Literal["gail"] = "gail"
    """Kind of learner."""
    reward_form: Literal["softplus", "logit"] = "softplus"
    """-log(1 - D), which is positive everywhere, or log D - log(1 - D), which is the logit."""


class Gail(ImitationLearner):
    """Policy and discriminator, each improved against the other in turn."""

    config: GailConfig

    def learn(self, rollout: Rollout, clock: PhaseClock) -> dict[str, float]:
        """Improve discriminator and policy; return metrics."""
        inputs = self.inputs_of(rollout)
        discriminator = self.train_discriminator(rollout, inputs)
        clock.mark("discriminator")
        features = torch.cat([self.features.scale(inputs), self.features.absorbing[None]])
        reward = self.reward(features)
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
        clock.mark("policy")
        return {
            "reward/policy_mean": float(reward[:-1].mean()),
            "reward/absorbing": float(reward[-1]),
            **self.discriminator_metrics(discriminator),
            **self.update_metrics(update),
        }

    @torch.no_grad()
    def reward(self, features: Tensor) -> Tensor:
        """Return the present reward for scaled features, (B, f) to (B,)."""
        logit: Tensor = self.discriminator.discriminator(features)
        return functional.softplus(logit) if self.config.reward_form == "softplus" else logit
