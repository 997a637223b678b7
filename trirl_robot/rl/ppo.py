"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), within a trust region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from trirl_robot.config import require
from trirl_robot.rl.advantage import generalised_advantage
from trirl_robot.rl.critic import Critic
from trirl_robot.rl.descent import descend, minibatches
from trirl_robot.rl.policy import GaussianPolicy, gaussian_entropy, gaussian_kl, log_prob
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.rl.regression import Regression, RegressionConfig, RegressionResult
from trirl_robot.rl.regression_process import RegressionProcess
from trirl_robot.rl.rollout import Rollout
from trirl_robot.rl.trust_region import Batch, TrustRegion

RATE_STEP = 1.5
"""Factor by which the learning rate is adapted."""
RATE_RANGE = 30.0
"""Greatest factor between the adapted and the annealed learning rate, either way."""
FITS_BEFORE_PROCESS = 20
"""Fits of the critic before a process is started for it, which is not worth it for a short run."""


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
    kl_target: float | None = None
    """KL of an update, nats, that the policy's learning rate is adapted to, by a factor beside the
    annealing; None leaves it alone."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""

    def __post_init__(self) -> None:
        """Check ranges."""
        positive = ("clip", "policy_learning_rate", "critic_learning_rate", "max_gradient_norm")
        require(self, "more than 0", lambda v: v > 0, *positive)
        require(self, "0 or more", lambda v: v >= 0, "final_learning_rate")
        require(self, "more than 0, or null", lambda v: v is None or v > 0, "kl_target")
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
    """Mean negative clipped surrogate, normalised advantages."""
    critic_loss: float
    """Mean squared error in normalised returns."""
    explained_variance: float
    """Share of the returns' variance that the critic explains."""


class PPO:
    """Updates policy and critic from rollouts and any reward."""

    def __init__(
        self,
        config: PPOConfig,
        policy: GaussianPolicy,
        critic: Critic,
        processes: Processes = ALONE,
    ) -> None:
        self.config = config
        self._processes = processes
        self.policy = policy
        self.critic = critic
        self.policy_optimiser = torch.optim.Adam(
            [*policy.network.parameters(), policy.log_std],
            lr=config.policy_learning_rate,
            eps=1e-5,
            fused=True,
        )
        self.regression = Regression(
            critic.network,
            RegressionConfig(
                learning_rate=config.critic_learning_rate,
                minibatch=config.minibatch,
                max_gradient_norm=config.max_gradient_norm,
            ),
            processes,
        )
        self.rate_factor = 1.0
        """What the annealed learning rate is multiplied by to meet `kl_target`."""
        self.side_by_side = False
        """Whether the critic learns in a process of its own, once the training has gone on for a
        while; the result is the same bit for bit. Only for one process, on the processor."""
        self._fits = 0
        self._beside: RegressionProcess | None = None

    @property
    def is_side_by_side(self) -> bool:
        """Whether the critic's process has started by now."""
        return self._beside is not None and self._beside.is_ready()

    @property
    def learning_rate(self) -> float:
        """Present learning rate of the policy."""
        return float(self.policy_optimiser.param_groups[0]["lr"])

    def set_progress(self, fraction: float) -> None:
        """Anneal the policy's learning rate; fraction of the training done, in [0, 1]."""
        start, end = self.config.policy_learning_rate, self.config.final_learning_rate
        for group in self.policy_optimiser.param_groups:
            group["lr"] = self.rate_factor * (start + (end - start) * fraction)

    def _adapt_learning_rate(self, kl: float) -> None:
        target = self.config.kl_target
        if target is None:
            return
        if kl > 2.0 * target:
            self.rate_factor = max(self.rate_factor / RATE_STEP, 1.0 / RATE_RANGE)
        elif kl < 0.5 * target:
            self.rate_factor = min(self.rate_factor * RATE_STEP, RATE_RANGE)

    def update(
        self,
        rollout: Rollout,
        reward: Tensor,
        *,
        entropy_coef: float,
        generator: torch.Generator,
        trust_region: TrustRegion | None = None,
        absorbing_value: float = 0.0,
        critic_only: bool = False,
    ) -> PPOResult:
        """Improve the policy on `reward`.

        Maximises, per sample, clipped ratio * A / s + (entropy_coef / s) * H, less what the trust
        region adds, where s is the advantages' standard deviation.

        Args:
            rollout: experience of the policy as it is now.
            reward: reward of each step, shape (T, N).
            entropy_coef: temperature in units of the reward.
            generator: order of the samples.
            trust_region: what keeps the policy near; None for the clipping alone.
            absorbing_value: value of the state after a termination, see `generalised_advantage`.
            critic_only: leave the policy as it is.
        """
        advantage, returns = self._targets(rollout, reward, absorbing_value)
        scale = float(advantage.std().clamp_min(1e-6))
        batch = Batch(
            observation=rollout.observation.flatten(0, 1),
            action=rollout.action.flatten(0, 1),
            mean=rollout.mean.flatten(0, 1),
            log_std=rollout.log_std,
            advantage=((advantage - advantage.mean()) / scale).flatten(),
            returns=self.critic.normalise(returns).flatten(),
        )
        if trust_region is not None:
            trust_region.begin(self.policy, scale)
        orders = [
            torch.randperm(rollout.steps, generator=generator) for _ in range(self.config.epochs)
        ]
        fitted = self._begin_fit(batch, orders)
        policy_loss = 0.0
        if not critic_only:
            policy_loss = self._train_policy(batch, orders, trust_region, entropy_coef / scale)
        with torch.no_grad():
            mean = self._processes.mapped(self.policy, batch.observation)
            kl = gaussian_kl(mean, self.policy.log_std, batch.mean, batch.log_std)
        if not critic_only:
            self._adapt_learning_rate(float(kl.mean()))
        fit = fitted()
        return PPOResult(
            kl_mean=float(kl.mean()),
            kl_max=float(kl.max()),
            advantage_scale=scale,
            policy_loss=policy_loss,
            critic_loss=fit.loss,
            explained_variance=fit.explained_variance,
        )

    @torch.no_grad()
    def _targets(
        self, rollout: Rollout, reward: Tensor, absorbing_value: float
    ) -> tuple[Tensor, Tensor]:
        value = self._processes.mapped(self.critic, rollout.observation)
        advantage = generalised_advantage(
            reward=reward,
            value=value,
            next_value=self._processes.mapped(self.critic, rollout.final_observation),
            terminated=rollout.terminated,
            truncated=rollout.truncated,
            gamma=self.config.gamma,
            gae_lambda=self.config.gae_lambda,
            absorbing_value=absorbing_value,
        )
        returns = advantage + value
        self.critic.track(returns)
        return advantage, returns

    def _begin_fit(self, batch: Batch, orders: Sequence[Tensor]) -> Callable[[], RegressionResult]:
        """Start to fit the returns where a process does it; return what ends the fit."""
        with torch.no_grad():
            # scales stay as they are within an update
            inputs = self.critic.scaler(batch.observation)
        fit = partial(self.regression.fit, inputs, batch.returns, orders)
        self._fits += 1
        if self.side_by_side and self._fits == FITS_BEFORE_PROCESS:
            self._beside = RegressionProcess(self.regression)
        beside = self._beside
        if beside is None or not beside.is_ready():
            return fit
        beside.begin(inputs, batch.returns, orders)
        # where the process is lost, nothing of the fit has been taken from it
        return lambda: beside.finish() or fit()

    def _train_policy(
        self,
        batch: Batch,
        orders: Sequence[Tensor],
        trust_region: TrustRegion | None,
        entropy_weight: float,
    ) -> float:
        """Improve the policy within its trust region; give back the mean loss."""
        with torch.no_grad():
            samples = _PolicySamples(
                inputs=self.policy.scaler(batch.observation),
                action=batch.action,
                mean=batch.mean,
                log_prob=log_prob(batch.action, batch.mean, batch.log_std),
                advantage=batch.advantage,
            )
        losses, weights, size = [], [], self.config.minibatch
        for weight, values in minibatches(samples, orders, size, self._processes):
            part = _PolicySamples(*values)
            losses.append(
                self._policy_step(part, weight, batch.log_std, trust_region, entropy_weight)
            )
            weights.append(weight)
        if trust_region is not None:
            trust_region.settle(self.policy, batch)
        return self._processes.mean(losses, weights)

    def _policy_step(
        self,
        part: _PolicySamples,
        weight: float,
        old_log_std: Tensor,
        trust_region: TrustRegion | None,
        entropy_weight: float,
    ) -> Tensor:
        mean = self.policy.mean_of(part.inputs)
        log_std: Tensor = self.policy.log_std
        addition = None
        if trust_region is not None:
            mean, log_std, addition = trust_region.constrain(mean, log_std, part.mean, old_log_std)
        ratio = torch.exp(log_prob(part.action, mean, log_std) - part.log_prob)
        clipped = ratio.clamp(1.0 - self.config.clip, 1.0 + self.config.clip)
        surrogate = torch.minimum(ratio * part.advantage, clipped * part.advantage).mean()
        loss = -surrogate - entropy_weight * gaussian_entropy(log_std)
        if addition is not None:
            loss = loss + addition
        norm = self.config.max_gradient_norm
        descend(loss, self.policy_optimiser, norm, self._processes, weight)
        self.policy.bound_std()
        return -surrogate.detach()


class _PolicySamples(NamedTuple):
    """What a gradient step of the policy reads, B samples."""

    inputs: Tensor
    """Scaled observation, (B, n)."""
    action: Tensor
    """As drawn, (B, m)."""
    mean: Tensor
    """Mean that it was drawn around, (B, m)."""
    log_prob: Tensor
    """Log density with which it was drawn, (B,)."""
    advantage: Tensor
    """Normalised advantage, (B,)."""
