"""GAIL: the newest discriminator is the reward.

J. Ho and S. Ermon, "Generative Adversarial Imitation Learning", NeurIPS 2016, arXiv 1606.03476.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from trirl_robot.baselines.adversarial import AdversarialLearner
from trirl_robot.irl.imitation import ImitationConfig
from trirl_robot.irl.reward.base import FeatureReward

RewardForm = Literal["softplus", "logit"]


@dataclass(frozen=True, kw_only=True)
class GailConfig(ImitationConfig):
    """Settings of GAIL."""

    algorithm: Literal["gail"] = "gail"
    """Kind of learner."""
    reward_form: RewardForm = "softplus"
    """-log(1 - D), which is positive everywhere, or log D - log(1 - D), which is the logit."""


class Gail(AdversarialLearner):
    """Rewards what the discriminator takes for the expert's."""

    config: GailConfig

    def reward_of(self, expert_logit: Tensor) -> Tensor:
        """Return the reward for what the discriminator says, same shape."""
        return in_form(self.config.reward_form, expert_logit)


def in_form(form: RewardForm, expert_logit: Tensor) -> Tensor:
    """Return GAIL's reward in one of its forms, same shape."""
    return functional.softplus(expert_logit) if form == "softplus" else expert_logit


class GailReward(FeatureReward):
    """The reward of GAIL, of a discriminator that does not learn any more."""

    def __init__(self, expert_logit: FeatureReward, form: RewardForm) -> None:
        """Take the discriminator's logit as a reward, and put it in form."""
        super().__init__(expert_logit.features)
        self._logit, self._form = expert_logit, form

    def from_features(self, features: Tensor) -> Tensor:
        """Return the reward for scaled inputs, (B, f) to (B,)."""
        return in_form(self._form, self._logit.from_features(features))
