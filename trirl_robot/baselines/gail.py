"""GAIL: the newest discriminator is the reward, and no reward is kept.

J. Ho and S. Ermon, "Generative Adversarial Imitation Learning", NeurIPS 2016, arXiv 1606.03476.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from trirl_robot.baselines.adversarial import AdversarialLearner
from trirl_robot.irl.imitation import ImitationConfig


@dataclass(frozen=True, kw_only=True)
class GailConfig(ImitationConfig):
    """Settings of GAIL."""

    algorithm: Literal["gail"] = "gail"
    """Kind of learner."""
    reward_form: Literal["softplus", "logit"] = "softplus"
    """-log(1 - D), which is positive everywhere, or log D - log(1 - D), which is the logit."""


class Gail(AdversarialLearner):
    """Rewards what the discriminator takes for the expert's."""

    config: GailConfig

    def reward_of(self, expert_logit: Tensor) -> Tensor:
        """Return the reward for what the discriminator says, same shape."""
        if self.config.reward_form == "softplus":
            return functional.softplus(expert_logit)
        return expert_logit
