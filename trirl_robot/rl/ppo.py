"""Proximal policy optimisation with an explicit KL penalty towards the policy before the update."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trirl_robot.config import require
from trirl_robot.rl.advantage import generalised_advantage
from trirl_robot.rl.critic import Critic
from trirl_robot.rl.policy import GaussianPolicy, gaussian_kl, log_prob
from trirl_robot.rl.rollout import Rollout


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Settings of one policy update."""

    gamma: float = 0.97
    """Discount."""
    gae_lambda: float = 0.95
    """Weight of longer returns in the advantage."""
    clip: float = 0.2
    """Range of the probability ratio that is rewarded."""
    epochs: int = 5
    """Passes over the rollout."""
    minibatch: int = 512
    """Samples in one gradient step."""
    policy_learning_rate: float = 8.0e-4
    """Adam's learning rate for the policy at the start."""
    final_learning_rate: float = 1.0e-4
    """Adam's learning rate for the policy at the end; linear in between."""
    critic_learning_rate: float = 1.0e-3
    """Adam's learning rate for the critic."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""

    def __post_init__(self) -> None:
        """Check ranges."""
        positive = ("clip", "policy_learning_rate", "critic_learning_rate", "max_gradient_norm")
        require(self, "more than 0", lambda v: v > 0, *positive)
        require(self, "0 or more", lambda v: v >= 0, "final_learning_rate")
        require(self, "at least 1", lambda v: v >= 1, "epochs", "minibatch")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "gamma")
        require(self, "a value in [0, 1]", lambda v: 0 <= v <= 1, "gae_lambda")


@dataclass(frozen=True, kw_only=True)
class PPOResult:
    """What one update did."""

    kl_mean: float
    """Mean over states of KL(new || old), nats."""
    kl_max: float
    """Greatest KL(new || old) of any state, nats."""
    advantage_scale: float
    """Standard deviation by which advantages were divided, reward units."""
    policy_loss: float
    """Mean clipped surrogate, normalised advantages."""
    critic_loss: float
    """Mean squared error in normalised returns."""
    explained_variance: float
    """Share of the returns' variance that the critic explains."""


class PPO:
    """Updates policy and critic from rollouts and any reward."""

    def __init__(self, config: PPOConfig, policy: GaussianPolicy, critic: Critic) -> None:
        self.config = config
        self.policy = policy
        self.critic = critic
        self.policy_optimiser = torch.optim.Adam(
            [*policy.network.parameters(), policy.log_std],
            lr=config.policy_learning_rate,
            eps=1e-5,
        )
        self.critic_optimiser = torch.optim.Adam(
            critic.network.parameters(), lr=config.critic_learning_rate, eps=1e-5
        )

    def set_progress(self, fraction: float) -> None:
        """Anneal the policy's learning rate; fraction of the training done, in [0, 1]."""
        start, end = self.config.policy_learning_rate, self.config.final_learning_rate
        for group in self.policy_optimiser.param_groups:
            group["lr"] = start + (end - start) * fraction

    def update(
        self,
        rollout: Rollout,
        reward: Tensor,
        *,
        kl_penalty: float,
        entropy_coef: float,
        generator: torch.Generator,
        critic_only: bool = False,
    ) -> PPOResult:
        """Improve the policy on `reward`.

        Maximises, per sample, clipped ratio * A / s + (entropy_coef / s) * H - kl_penalty * KL,
        where s is the advantages' standard deviation.

        Args:
            rollout: experience of the policy as it is now.
            reward: reward of each step, shape (T, N).
            kl_penalty: coefficient of KL(new || old) beside normalised advantages.
            entropy_coef: temperature in units of the reward.
            generator: order of the samples.
            critic_only: leave the policy as it is.
        """
        advantage, returns = self._targets(rollout, reward)
        scale = float(advantage.std().clamp_min(1e-6))
        batch = _Batch(
            observation=rollout.observation.flatten(0, 1),
            action=rollout.action.flatten(0, 1),
            mean=rollout.mean.flatten(0, 1),
            log_std=rollout.log_std,
            advantage=((advantage - advantage.mean()) / scale).flatten(),
            returns=self.critic.normalise(returns).flatten(),
        )
        count, policy_losses, critic_losses = rollout.steps, [], []
        for _ in range(self.config.epochs):
            order = torch.randperm(count, generator=generator)
            for chosen in torch.split(order, self.config.minibatch):
                critic_losses.append(self._critic_step(batch, chosen))
                if not critic_only:
                    policy_losses.append(
                        self._policy_step(batch, chosen, kl_penalty, entropy_coef / scale)
                    )
        with torch.no_grad():
            mean = self.policy(batch.observation)
            kl = gaussian_kl(mean, self.policy.log_std, batch.mean, batch.log_std)
            residual = batch.returns - self.critic.normalised(batch.observation)
        return PPOResult(
            kl_mean=float(kl.mean()),
            kl_max=float(kl.max()),
            advantage_scale=scale,
            policy_loss=_mean(policy_losses),
            critic_loss=_mean(critic_losses),
            explained_variance=float(1.0 - residual.var() / batch.returns.var().clamp_min(1e-8)),
        )

    @torch.no_grad()
    def _targets(self, rollout: Rollout, reward: Tensor) -> tuple[Tensor, Tensor]:
        value = self.critic(rollout.observation)
        advantage = generalised_advantage(
            reward=reward,
            value=value,
            next_value=self.critic(rollout.final_observation),
            terminated=rollout.terminated,
            truncated=rollout.truncated,
            gamma=self.config.gamma,
            gae_lambda=self.config.gae_lambda,
        )
        returns = advantage + value
        self.critic.track(returns)
        return advantage, returns

    def _policy_step(
        self, batch: _Batch, chosen: Tensor, kl_penalty: float, entropy_weight: float
    ) -> float:
        log_std = self.policy.log_std
        mean = self.policy(batch.observation[chosen])
        old_mean, action = batch.mean[chosen], batch.action[chosen]
        ratio = torch.exp(
            log_prob(action, mean, log_std) - log_prob(action, old_mean, batch.log_std)
        )
        clipped = ratio.clamp(1.0 - self.config.clip, 1.0 + self.config.clip)
        advantage = batch.advantage[chosen]
        surrogate = torch.minimum(ratio * advantage, clipped * advantage).mean()
        kl = gaussian_kl(mean, log_std, old_mean, batch.log_std).mean()
        loss = -surrogate - entropy_weight * self.policy.entropy() + kl_penalty * kl
        self._descend(loss, self.policy_optimiser, self.policy)
        self.policy.bound_std()
        return -float(surrogate.detach())

    def _critic_step(self, batch: _Batch, chosen: Tensor) -> float:
        error = self.critic.normalised(batch.observation[chosen]) - batch.returns[chosen]
        loss = (error**2).mean()
        self._descend(loss, self.critic_optimiser, self.critic)
        return float(loss.detach())

    def _descend(self, loss: Tensor, optimiser: torch.optim.Optimizer, module: nn.Module) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), self.config.max_gradient_norm)
        optimiser.step()


@dataclass(frozen=True, kw_only=True)
class _Batch:
    observation: Tensor
    action: Tensor
    mean: Tensor
    log_std: Tensor
    advantage: Tensor
    returns: Tensor


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
