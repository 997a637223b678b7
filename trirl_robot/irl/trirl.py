"""Trust Region Inverse Reinforcement Learning, one iteration at a time.

A. Diwan, D. Tateo, C. E. Mower, H. Bou-Ammar, J. Peters, O. Arenz, "Trust Region Inverse
Reinforcement Learning: Explicit Dual Ascent using Local Policy Updates", ICML 2026,
arXiv 2605.11020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from trirl_robot.config import require
from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.irl.correction import corrected_step_size
from trirl_robot.irl.discriminator import DiscriminatorTrainer
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.imitation import ImitationConfig, ImitationLearner
from trirl_robot.irl.reward.base import Evaluated, Reward, Seen
from trirl_robot.irl.reward.chain import ChainConfig
from trirl_robot.irl.reward.forms import RewardConfig, reward_of_form
from trirl_robot.irl.samples import Samples
from trirl_robot.irl.trust_region.forms import TrustRegionConfig, build_trust_region
from trirl_robot.irl.trust_region.penalty import AdaptedPenaltyConfig
from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.policy import gaussian_entropy
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.rl.rollout import Rollout
from trirl_robot.sim.interface import Environments

DUAL_SAMPLES = 10_000
"""Greatest number of demonstrated steps, evenly spread, on which reward and dual are followed."""


@dataclass(frozen=True, kw_only=True)
class TrirlConfig(ImitationConfig):
    """Settings of TRIRL."""

    algorithm: Literal["trirl"] = "trirl"
    """Kind of learner."""
    step_size: float = 0.2
    """Epsilon: the provisional step of the reward towards the newest discriminator."""
    correct: bool = True
    """Whether the step of the reward is corrected; without it the theorem does not hold."""
    reward: RewardConfig = field(default_factory=ChainConfig)
    """The form in which the reward is kept."""
    trust_region: TrustRegionConfig = field(default_factory=AdaptedPenaltyConfig)
    """The bound on each policy update."""

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        corrected_step_size(self.step_size, 0.0)
        require(self, "more than 0", lambda v: v > 0, "entropy_coef")

    @property
    def beta(self) -> float:
        """Weight of the divergence from the expert, nats."""
        return 1.0 / self.entropy_coef


def build_reward(
    config: TrirlConfig, features: FeatureSelection, generator: torch.Generator | None = None
) -> Reward:
    """Return the reward of a configuration, zero everywhere.

    Args:
        config: settings.
        features: what discriminators read.
        generator: source of initial weights; None for a reward that will be loaded.
    """
    hidden = config.discriminator.hidden
    return reward_of_form(config.reward, features, hidden, generator or torch.Generator())


class Trirl(ImitationLearner):
    """Dual ascent on the reward, one trust-region update of the policy at a time."""

    config: TrirlConfig

    def __init__(
        self,
        config: TrirlConfig,
        demonstrations: Demonstrations,
        env: Environments,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks; see `ImitationLearner`."""
        super().__init__(config, demonstrations, env, seed, processes)
        count = len(self.expert_inputs)
        spread = torch.linspace(0, count - 1, min(count, DUAL_SAMPLES)).long()
        self._expert_features = self.features.scale(self.expert_inputs[spread])
        self.expert_reward = self._expert_features.new_zeros(len(spread))
        """The reward on these demonstrations, (E,)."""
        self.trust_region = build_trust_region(config.trust_region, config.entropy_coef)

    def build_discriminator(self, expert: Samples) -> DiscriminatorTrainer[Any]:
        """Return the discriminator that the form of the reward takes, with what trains it."""
        self.reward = build_reward(self.config, self.features, self.generator)
        network = self.reward.new_discriminator(self.config.discriminator.hidden, self.generator)
        return self.trainer_of(network, self.features, expert)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything with parameters or statistics, by name."""
        return {**super().modules, "reward": self.reward}

    @property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers, by name."""
        own = self.reward.optimiser
        return {**super().optimisers, **({} if own is None else {"reward_optimiser": own})}

    def learn(self, rollout: Rollout, clock: PhaseClock) -> dict[str, float]:
        """Make one step of dual ascent; return its metrics."""
        config, warmup = self.config, self.is_warming_up
        inputs = self.inputs_of(rollout)
        discriminator = self.train_discriminator(rollout, inputs)
        clock.mark("discriminator")
        batch = self._evaluated(inputs)
        provisional = batch.corrected(config.step_size)
        clock.mark("reward")
        update = self.ppo.update(
            rollout,
            provisional[:-1].view(rollout.terminated.shape),
            entropy_coef=config.entropy_coef,
            generator=self.generator,
            trust_region=self.trust_region,
            absorbing_value=self.absorbing_value(float(provisional[-1])),
            critic_only=warmup,
        )
        eta = self.trust_region.eta
        if not warmup:
            eta = self.trust_region.finish(update.kl_mean, self.progress)
            self.average()
        clock.mark("policy")
        step, drift = 0.0, 0.0
        if not warmup:
            # while the policy stands still, no step of the dual is made
            step = corrected_step_size(config.step_size, eta if config.correct else 0.0)
            drift = self._correct(batch, step)
            self.archive(step, eta)
        metrics = {
            "trust_region/eta": eta,
            "trust_region/kl_bound": self.trust_region.kl_bound,
            "trust_region/bound_met": float(self.trust_region.is_met(update)),
            **self.trust_region.metrics,
            "reward/drift_on_demonstrations": drift,
            "dual/value": self._dual_value(rollout, batch.corrected(step)),
            "dual/corrected_step_size": step,
            **self.reward.metrics(),
            "reward/policy_mean": float(batch.corrected(step)[:-1].mean()),
            "reward/absorbing": float(batch.corrected(step)[-1]),
            **self.discriminator_metrics(discriminator),
            **self.update_metrics(update),
        }
        clock.mark("reward")
        return metrics

    @torch.no_grad()
    def _evaluated(self, inputs: Tensor) -> Evaluated:
        """Return reward and logit for unscaled inputs and, last, an absorbing state."""
        features = torch.cat([self.features.scale(inputs), self.features.absorbing[None]])
        return Evaluated(
            features=features,
            reward=self.processes.mapped(self.reward.from_features, features),
            logit=self.processes.mapped(self.discriminator.discriminator, features),
        )

    def _correct(self, batch: Evaluated, step: float) -> float:
        """Correct the reward; return its mean absolute change on the demonstrations."""
        network = self.discriminator.discriminator
        logit = self.processes.mapped(network, self._expert_features)
        before = self.expert_reward
        demonstrations = Evaluated(features=self._expert_features, reward=before, logit=logit)
        seen = Seen(batch=batch, demonstrations=demonstrations, generator=self.generator)
        self.expert_reward = self.reward.correct(network, step, seen)
        return float((self.expert_reward - before).abs().mean())

    @torch.no_grad()
    def _dual_value(self, rollout: Rollout, reward: Tensor) -> float:
        """Estimate the dual, nats, at a reward of the rollout's steps and, last, in absorption.

        G(r) = (1 - gamma) E[V_soft(s_0)] + beta log E_rho_E[exp(-r / beta)]. The first term, the
        soft value of the optimal policy, is approximated by that of the policy that collected the
        rollout: the mean of r + H over its time, undiscounted but for the time in absorbing states.
        """
        share = self.absorbing_share(rollout.terminated)
        expert_share = self.discriminator.expert.absorbing_share
        absorbed = float(reward[-1])
        earned = (1.0 - share) * float(reward[:-1].mean()) + share * absorbed
        uniform = self.env.contract.action_size * math.log(2.0)
        entropy = (1.0 - share) * float(gaussian_entropy(rollout.log_std)) + share * uniform
        paid = float(torch.logsumexp(-self.expert_reward, 0)) - math.log(len(self.expert_reward))
        if expert_share > 0.0:
            paid += math.log1p(-expert_share)
            paid = float(np.logaddexp(paid, math.log(expert_share) - absorbed))
        return self.config.beta * (earned + paid) + entropy

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs to go on bit for bit (on a CPU)."""
        return {
            **super().state_dict(),
            "trust_region": self.trust_region.get_state(),
            "expert_reward": self.expert_reward,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.trust_region.set_state(state["trust_region"])
        self.expert_reward = state["expert_reward"].to(self.processes.device)
