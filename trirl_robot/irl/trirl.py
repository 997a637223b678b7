"""Trust Region Inverse Reinforcement Learning, one iteration at a time.

A. Diwan, D. Tateo, C. E. Mower, H. Bou-Ammar, J. Peters, O. Arenz, "Trust Region Inverse
Reinforcement Learning: Explicit Dual Ascent using Local Policy Updates", ICML 2026,
arXiv 2605.11020.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from trirl_robot.baselines.bc import CloningConfig, CloningResult, clone
from trirl_robot.config import require
from trirl_robot.contract import PolicyContract
from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.errors import NonFiniteError
from trirl_robot.irl.correction import corrected_step_size
from trirl_robot.irl.discriminator import (
    DiscriminatorConfig,
    DiscriminatorTrainer,
    FeatureSelection,
)
from trirl_robot.irl.reward import RewardChain, RewardConfig
from trirl_robot.irl.trust_region import AdaptiveKLPenalty, TrustRegionConfig
from trirl_robot.rl.critic import Critic
from trirl_robot.rl.policy import GaussianPolicy, gaussian_entropy
from trirl_robot.rl.ppo import PPO, PPOConfig
from trirl_robot.rl.rollout import Rollout, RolloutCollector
from trirl_robot.sim.interface import Environments


@dataclass(frozen=True, kw_only=True)
class TrirlConfig:
    """Settings of TRIRL."""

    discriminator: DiscriminatorConfig
    """The classifier of expert against policy."""
    total_steps: int = 1_000_000
    """Environment steps of the whole training."""
    num_envs: int = 128
    """Simulations stepped together."""
    rollout_steps: int = 32
    """Steps of each simulation in one iteration."""
    step_size: float = 0.2
    """Epsilon: the provisional step of the reward towards the newest discriminator."""
    entropy_coef: float = 0.02
    """Temperature in units of the reward; beta is 1 / entropy_coef."""
    start: Literal["clone", "scratch"] = "clone"
    """Whether the policy starts from behavioural cloning or from random weights."""
    initial_std: float = 0.2
    """Standard deviation of the policy's actions at the start."""
    policy_hidden: tuple[int, ...] = (128, 128)
    """Widths of the policy's hidden layers."""
    critic_hidden: tuple[int, ...] = (128, 128)
    """Widths of the critic's hidden layers."""
    average_decay: float = 0.95
    """Decay of the running average of the policy's weights, which is what is evaluated and
    exported: single iterations jitter about it."""
    warmup_iterations: int = 4
    """Iterations at the start in which only critic and discriminator learn."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """The policy update."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    """The chain of discriminators."""
    trust_region: TrustRegionConfig = field(default_factory=TrustRegionConfig)
    """The bound on each policy update."""
    cloning: CloningConfig = field(default_factory=CloningConfig)
    """Behavioural cloning, from which the policy may start."""

    def __post_init__(self) -> None:
        """Check ranges."""
        corrected_step_size(self.step_size, 0.0)
        require(self, "at least 1", lambda v: v >= 1, "total_steps", "num_envs", "rollout_steps")
        require(self, "more than 0", lambda v: v > 0, "entropy_coef", "initial_std")
        require(self, "0 or more", lambda v: v >= 0, "warmup_iterations")
        widths = ("policy_hidden", "critic_hidden")
        require(self, "widths of at least 1", lambda v: all(w >= 1 for w in v), *widths)

    @property
    def beta(self) -> float:
        """Weight of the divergence from the expert, nats."""
        return 1.0 / self.entropy_coef

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps in one iteration."""
        return self.num_envs * self.rollout_steps

    @property
    def iterations(self) -> int:
        """Iterations of the whole training."""
        return max(1, round(self.total_steps / self.steps_per_iteration))


def build_policy(
    config: TrirlConfig, contract: PolicyContract, generator: torch.Generator
) -> GaussianPolicy:
    """Return the policy of a configuration, untrained."""
    return GaussianPolicy(
        contract.observation_size,
        contract.action_size,
        hidden=config.policy_hidden,
        initial_std=config.initial_std,
        generator=generator,
    )


def build_reward(config: TrirlConfig, features: FeatureSelection) -> RewardChain:
    """Return the reward of a configuration, zero everywhere."""
    return RewardChain(config.reward, features, config.discriminator.hidden)


class Trirl:
    """The learner: everything that an iteration reads and changes."""

    def __init__(
        self, config: TrirlConfig, demonstrations: Demonstrations, env: Environments, seed: int
    ) -> None:
        """Build the networks; the policy is cloned when the configuration says so.

        Args:
            config: settings.
            demonstrations: what to imitate; its contract must be the environment's.
            env: the environments to learn in.
            seed: fixes weights, samples and actions.
        """
        self.config = config
        self.env = env
        self.generator = torch.Generator().manual_seed(seed)
        self.expert_observation = torch.from_numpy(demonstrations.observation).float()
        self.expert_action = torch.from_numpy(demonstrations.action).float()
        self.policy = build_policy(config, env.contract, self.generator)
        self.critic = Critic(
            env.contract.observation_size, hidden=config.critic_hidden, generator=self.generator
        )
        for scaler in (self.policy.scaler, self.critic.scaler):
            scaler.fit(self.expert_observation)
        self.averaged = copy.deepcopy(self.policy)
        self.features = FeatureSelection(env.contract, config.discriminator)
        self.discriminator = DiscriminatorTrainer(
            config.discriminator,
            self.features,
            self.expert_observation,
            self.expert_action,
            self.generator,
        )
        self.reward = build_reward(config, self.features)
        self.penalty = AdaptiveKLPenalty(config.trust_region, config.entropy_coef)
        self.ppo = PPO(config.ppo, self.policy, self.critic)
        self.collector = RolloutCollector(env, config.rollout_steps)
        self.iteration = 0

    def clone(self) -> CloningResult:
        """Fit the policy to the demonstrations by behavioural cloning."""
        result = clone(
            self.policy,
            self.expert_observation,
            self.expert_action,
            self.config.cloning,
            self.generator,
        )
        self.averaged.load_state_dict(self.policy.state_dict())
        return result

    def step(self) -> dict[str, float]:
        """Run one iteration of dual ascent; return its metrics.

        Raises:
            NonFiniteError: training has diverged; the state is not to be saved.
        """
        config, clock = self.config, _PhaseClock()
        self.ppo.set_progress(min(1.0, self.iteration / config.iterations))
        rollout = self.collector.collect(self.policy, self.generator)
        observation = rollout.observation.flatten(0, 1)
        action = rollout.applied_action.flatten(0, 1)
        clock.mark("rollout")
        discriminator = self.discriminator.update(observation, action, self.generator)
        clock.mark("discriminator")
        with torch.no_grad():
            features = self.features(observation, action)
            old_reward = self.reward.from_features(features)
            logit = self.discriminator.discriminator(features)
        provisional = (1.0 - config.step_size) * old_reward + config.step_size * logit
        clock.mark("reward")
        penalty, warmup = self.penalty.penalty, self.iteration < config.warmup_iterations
        update = self.ppo.update(
            rollout,
            provisional.view(rollout.terminated.shape),
            kl_penalty=penalty,
            entropy_coef=config.entropy_coef,
            generator=self.generator,
            critic_only=warmup,
        )
        eta = self.penalty.eta(penalty, update.advantage_scale)
        corrected = corrected_step_size(config.step_size, eta)
        if not warmup:
            # while the policy stands still, no step of the dual has been made
            self.reward.correct(self.discriminator.discriminator, corrected)
            self.penalty.adapt(update.kl_mean, update.advantage_scale)
            self._average()
        clock.mark("policy")
        corrected_reward = (1.0 - corrected) * old_reward + corrected * logit
        self._check_finite()
        self.iteration += 1
        return {
            "iteration": self.iteration,
            "env_steps": self.iteration * config.steps_per_iteration,
            "dual/value": self._dual_value(corrected_reward, rollout),
            "dual/corrected_step_size": corrected,
            "trust_region/eta": eta,
            "trust_region/penalty": penalty,
            "trust_region/kl_mean": update.kl_mean,
            "trust_region/kl_max": update.kl_max,
            "trust_region/kl_bound": config.trust_region.kl_bound,
            "discriminator/loss": discriminator.loss,
            "discriminator/accuracy": discriminator.accuracy,
            "discriminator/calibration": discriminator.calibration,
            "discriminator/gradient_norm": discriminator.gradient_norm,
            "reward/chain_length": float(self.reward.length),
            "reward/total_weight": float(self.reward.weights.sum()),
            "reward/dropped_mass": self.reward.dropped_mass,
            "reward/policy_mean": float(corrected_reward.mean()),
            "policy/entropy": float(self.policy.entropy().detach()),
            "policy/std": float(self.policy.log_std.detach().exp().mean()),
            "policy/saturated_share": float((rollout.action.abs() > 1.0).float().mean()),
            "policy/learning_rate": float(self.ppo.policy_optimiser.param_groups[0]["lr"]),
            "critic/explained_variance": update.explained_variance,
            "critic/loss": update.critic_loss,
            "advantage/scale": update.advantage_scale,
            "rollout/success_rate": _share(rollout),
            "rollout/task_reward": float(rollout.task_reward.mean()),
            "env/diverged": float(self.env.num_diverged),
            **clock.shares(),
        }

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged policy towards the current one (Polyak and Juditsky 1992)."""
        for mean, now in zip(self.averaged.parameters(), self.policy.parameters(), strict=True):
            mean.lerp_(now, 1.0 - self.config.average_decay)

    def _check_finite(self) -> None:
        """Refuse to go on, and to save, once a parameter is not finite.

        Raises:
            NonFiniteError: training has diverged.
        """
        for module in (self.policy, self.critic, self.discriminator.discriminator):
            if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
                raise NonFiniteError(
                    f"the {type(module).__name__} has parameters that are not finite: training has "
                    "diverged; start a new run with lower learning rates, such as "
                    "--set ppo.policy_learning_rate=1e-4"
                )

    @torch.no_grad()
    def _dual_value(self, policy_reward: Tensor, rollout: Rollout) -> float:
        """Estimate the dual at the corrected reward, nats.

        G(r) = (1 - gamma) E[V_soft(s_0)] + beta log E_rho_E[exp(-r / beta)]. The first term, the
        soft value of the optimal policy, is approximated by that of the policy that collected the
        rollout: the mean of r + H over its steps, undiscounted.
        """
        expert = self.features(self.expert_observation, self.expert_action)
        expert_reward = self.reward.from_features(expert)
        log_mean = torch.logsumexp(-expert_reward, 0) - torch.log(
            torch.tensor(float(expert_reward.numel()))
        )
        entropy = float(gaussian_entropy(rollout.log_std))
        return self.config.beta * (float(policy_reward.mean()) + float(log_mean)) + entropy

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs to go on bit for bit (on a CPU)."""
        return {
            "iteration": self.iteration,
            "policy": self.policy.state_dict(),
            "averaged": self.averaged.state_dict(),
            "critic": self.critic.state_dict(),
            "discriminator": self.discriminator.discriminator.state_dict(),
            "reward": self.reward.state_dict(),
            "policy_optimiser": self.ppo.policy_optimiser.state_dict(),
            "critic_optimiser": self.ppo.critic_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator.optimiser.state_dict(),
            "penalty": self.penalty.penalty,
            "generator": self.generator.get_state(),
            "env": self.env.get_state(),
            "observation": self.collector.observation,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.iteration = int(state["iteration"])
        self.policy.load_state_dict(state["policy"])
        self.averaged.load_state_dict(state["averaged"])
        self.critic.load_state_dict(state["critic"])
        self.discriminator.discriminator.load_state_dict(state["discriminator"])
        self.reward.load_state_dict(state["reward"])
        self.ppo.policy_optimiser.load_state_dict(state["policy_optimiser"])
        self.ppo.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.discriminator.optimiser.load_state_dict(state["discriminator_optimiser"])
        self.penalty.penalty = float(state["penalty"])
        self.generator.set_state(state["generator"])
        self.env.set_state(state["env"])
        self.collector.observation = state["observation"]


class _PhaseClock:
    """Measures how long the phases of an iteration take."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def mark(self, phase: str) -> None:
        now = time.perf_counter()
        self._seconds[phase] = now - self._last
        self._last = now

    def shares(self) -> dict[str, float]:
        total = sum(self._seconds.values())
        shares = {f"time/{phase}_share": s / total for phase, s in self._seconds.items()}
        return {"time/iteration_s": total, **shares}


def _share(rollout: Rollout) -> float:
    return rollout.successes / rollout.episodes if rollout.episodes else float("nan")
