"""AIRL: an adversarial discriminator of which one part is a reward, free of shaping.

J. Fu, K. Luo, S. Levine, "Learning Robust Rewards with Adversarial Inverse Reinforcement Learning",
ICLR 2018, arXiv 1710.11248.

The policy is rewarded with the expert logit f - log pi. That holds the entropy of the policy, with
weight 1 beside f in nats, and returns hold that of later steps: `entropy_coef` is what is added to
it, and 0 as in the paper. (TRIRL's rewards are in units of the temperature, hold no entropy, and
weigh it by `entropy_coef`.) Policies are compared on normalised advantages, so that the scale of
the reward changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from trirl_robot.baselines.adversarial import AdversarialLearner
from trirl_robot.baselines.shaping import (
    ShapedDiscriminator,
    ShapedFeatures,
    shaping_inputs,
    transition_rows,
)
from trirl_robot.errors import ConfigError
from trirl_robot.irl.discriminator import Discriminator, DiscriminatorTrainer
from trirl_robot.irl.features import ACTION, NEXT, FeatureSelection
from trirl_robot.irl.imitation import ImitationConfig
from trirl_robot.irl.samples import Samples


@dataclass(frozen=True, kw_only=True)
class AirlConfig(ImitationConfig):
    """Settings of AIRL; `discriminator.inputs` are those of the reward."""

    algorithm: Literal["airl"] = "airl"
    """Kind of learner."""
    entropy_coef: float = 0.0
    """Weight of the entropy beyond the 1 that f - log pi holds, nats."""
    shaping_inputs: tuple[str, ...] = ()
    """Observation fields that the shaping reads; none takes those that the reward reads."""

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        for name in self.shaping_inputs:
            if name.split(".")[0] == ACTION or name.startswith(NEXT):
                raise ConfigError(
                    f"shaping_inputs holds {name}: a potential is one of the state; expected "
                    "observation fields alone"
                )


class Airl(AdversarialLearner):
    """Learns a reward and its shaping by telling the expert from the policy."""

    config: AirlConfig
    reads_action = True

    def transition_inputs(
        self, observation: Tensor, action: Tensor, following: Tensor, terminated: Tensor
    ) -> Tensor:
        """Return what the discriminator reads of transitions, unscaled, one row each."""
        ended = terminated & self.config.absorbing_tail
        return transition_rows(observation, action, following, ended)

    def build_discriminator(self, expert: Samples) -> DiscriminatorTrainer[Any]:
        """Return the discriminator with what trains it."""
        settings, contract = self.config.discriminator, self.env.contract
        fields = self.config.shaping_inputs or shaping_inputs(settings.inputs)
        state = FeatureSelection(
            contract, fields, noise=settings.instance_noise, scaling=settings.scaling
        ).to(self.processes.device)
        self._shaping_features = state
        features = ShapedFeatures(self.features, state, self.policy, contract)
        network = ShapedDiscriminator(
            Discriminator(self.features.size, settings.hidden, self.generator),
            Discriminator(state.size, settings.hidden, self.generator),
            gamma=self.config.ppo.gamma,
        )
        return self.trainer_of(network, features, expert)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything with parameters or statistics, by name."""
        return {**super().modules, "shaping_features": self._shaping_features}

    def reward_of(self, expert_logit: Tensor) -> Tensor:
        """Return the reward, f - log pi, which is what the discriminator says."""
        return expert_logit
