"""Logistic classifier of expert against policy, the estimate of log(rho_E / rho_pi)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from trirl_robot.config import require
from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.rl.networks import InputScaler

ACTION = "action"
"""Name under which the action is an input beside the observation fields."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Settings of the discriminator."""

    inputs: tuple[str, ...]
    """Observation fields that it sees, and `action`."""
    hidden: int = 64
    """Width of its two hidden layers."""
    learning_rate: float = 5.0e-4
    """Adam's learning rate."""
    epochs: int = 4
    """Passes over the policy's samples in one iteration."""
    minibatch: int = 512
    """Samples of each side in one gradient step."""
    gradient_penalty: float = 0.05
    """Weight of the squared norm of the input gradient at random interpolates."""
    instance_noise: dict[str, float] = field(default_factory=dict)
    """Standard deviation of the noise that is added in training to an input, by name and in its own
    unit, to demonstrations and policy alike: without it a Gaussian policy is told from an operator
    by its noise, whatever it does."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "hidden", "epochs", "minibatch")
        require(self, "more than 0", lambda v: v > 0, "learning_rate")
        require(self, "0 or more", lambda v: v >= 0, "gradient_penalty")
        for name, deviation in self.instance_noise.items():
            if name not in self.inputs:
                raise ConfigError(unknown_name("input with instance noise", name, self.inputs))
            if deviation < 0:
                raise ConfigError(f"instance_noise of {name} is {deviation}, expected 0 or more")


class FeatureSelection(nn.Module):
    """Picks the discriminator's inputs from observation and action, and scales them.

    The scale is that of the demonstrations and stays fixed, so that every discriminator of a run
    reads the same inputs.
    """

    index: Tensor
    noise: Tensor

    def __init__(self, contract: PolicyContract, config: DiscriminatorConfig) -> None:
        super().__init__()
        size = contract.observation_size
        places = {**contract.observation_slices, ACTION: slice(size, size + contract.action_size)}
        positions: list[int] = []
        noise: list[float] = []
        for name in config.inputs:
            if name not in places:
                raise ConfigError(unknown_name("discriminator input", name, places))
            chosen = range(places[name].start, places[name].stop)
            positions += chosen
            noise += [config.instance_noise.get(name, 0.0)] * len(chosen)
        if not positions:
            raise ConfigError("the discriminator has no inputs; name observation fields or action")
        self.register_buffer("index", torch.tensor(positions))
        self.register_buffer("noise", torch.tensor(noise))
        self.scaler = InputScaler(len(positions))

    @property
    def size(self) -> int:
        """Number of inputs."""
        return self.index.shape[0]

    def select(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the unscaled inputs, (B, n) and (B, m) to (B, f)."""
        return torch.cat([observation, action], dim=-1)[..., self.index]

    def noisy(self, observation: Tensor, action: Tensor, generator: torch.Generator) -> Tensor:
        """Return the unscaled inputs with instance noise, (B, n) and (B, m) to (B, f)."""
        inputs = self.select(observation, action)
        return inputs + torch.randn(inputs.shape, generator=generator) * self.noise

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the scaled inputs, (B, n) and (B, m) to (B, f)."""
        scaled: Tensor = self.scaler(self.select(observation, action))
        return scaled


class Discriminator(nn.Module):
    """Two tanh layers; its output is the expert logit, high for the expert."""

    def __init__(self, size: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Linear(size, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 1)
        for layer, gain in ((self.first, 1.4), (self.second, 1.4), (self.last, 0.1)):
            nn.init.orthogonal_(layer.weight, gain, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the expert logit, (B, f) to (B,)."""
        hidden = torch.tanh(self.second(torch.tanh(self.first(features))))
        logit: Tensor = self.last(hidden)
        return logit.squeeze(-1)

    def logit_and_slope(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expert logit, (B,), and its gradient by the inputs, (B, f).

        The gradient is written out, which is several times cheaper than differentiating twice.
        """
        a = torch.tanh(self.first(features))
        b = torch.tanh(self.second(a))
        logit = self.last(b).squeeze(-1)
        slope = (self.last.weight * (1.0 - b**2)) @ self.second.weight
        slope = (slope * (1.0 - a**2)) @ self.first.weight
        return logit, slope


@dataclass(frozen=True, kw_only=True)
class DiscriminatorResult:
    """What one round of training saw."""

    loss: float
    """Mean logistic loss of both sides, nats."""
    accuracy: float
    """Share of samples on the right side, both sides weighted alike."""
    calibration: float
    """Expected gap between predicted probability and frequency, in [0, 1] (ten bins)."""
    gradient_norm: float
    """Mean norm of the input gradient at interpolates."""


class DiscriminatorTrainer:
    """Trains one discriminator against the policy as it changes."""

    def __init__(
        self,
        config: DiscriminatorConfig,
        features: FeatureSelection,
        expert_observation: Tensor,
        expert_action: Tensor,
        generator: torch.Generator,
    ) -> None:
        self.config = config
        self.features = features
        self._expert_observation = expert_observation
        self._expert_action = expert_action
        features.scaler.fit(features.noisy(expert_observation, expert_action, generator))
        self.discriminator = Discriminator(features.size, config.hidden, generator)
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), lr=config.learning_rate, eps=1e-5
        )

    def update(
        self, observation: Tensor, action: Tensor, generator: torch.Generator
    ) -> DiscriminatorResult:
        """Train on the policy's samples, (B, n) and (B, m), against the demonstrations."""
        policy = self.features.scaler(self.features.noisy(observation, action, generator))
        losses, norms = [], []
        for _ in range(self.config.epochs):
            order = torch.randperm(policy.shape[0], generator=generator)
            for chosen in torch.split(order, self.config.minibatch):
                expert = self.expert_features(chosen.shape[0], generator)
                loss, norm = self._step(expert, policy[chosen], generator)
                losses.append(loss)
                norms.append(norm)
        with torch.no_grad():
            expert = self.expert_features(min(4096, policy.shape[0]), generator)
            expert_logit, policy_logit = self.discriminator(expert), self.discriminator(policy)
        return DiscriminatorResult(
            loss=sum(losses) / len(losses),
            accuracy=float(
                0.5 * ((expert_logit > 0).float().mean() + (policy_logit <= 0).float().mean())
            ),
            calibration=calibration_gap(expert_logit, policy_logit),
            gradient_norm=sum(norms) / len(norms),
        )

    def expert_features(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw scaled inputs of the expert with their instance noise, shape (count, f)."""
        total = self._expert_observation.shape[0]
        chosen = torch.randint(total, (count,), generator=generator)
        observation, action = self._expert_observation[chosen], self._expert_action[chosen]
        scaled: Tensor = self.features.scaler(self.features.noisy(observation, action, generator))
        return scaled

    def _step(
        self, expert: Tensor, policy: Tensor, generator: torch.Generator
    ) -> tuple[float, float]:
        mix = torch.rand(policy.shape[0], 1, generator=generator)
        _, slope = self.discriminator.logit_and_slope(mix * expert + (1.0 - mix) * policy)
        squared = (slope**2).sum(-1)
        loss = 0.5 * (
            functional.softplus(-self.discriminator(expert)).mean()
            + functional.softplus(self.discriminator(policy)).mean()
        )
        self.optimiser.zero_grad(set_to_none=True)
        penalised = loss + self.config.gradient_penalty * squared.mean()
        penalised.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach()), float(squared.detach().sqrt().mean())


@torch.no_grad()
def calibration_gap(expert_logit: Tensor, policy_logit: Tensor, bins: int = 10) -> float:
    """Return the expected calibration error (Naeini et al. 2015) with both sides weighted alike."""
    probability = torch.sigmoid(torch.cat([expert_logit, policy_logit]))
    weight = torch.cat(
        [
            torch.full_like(expert_logit, 0.5 / expert_logit.numel()),
            torch.full_like(policy_logit, 0.5 / policy_logit.numel()),
        ]
    )
    label = torch.cat([torch.ones_like(expert_logit), torch.zeros_like(policy_logit)])
    which = (probability * bins).long().clamp_max(bins - 1)
    gap = torch.zeros(bins).index_add_(0, which, weight * (probability - label))
    return float(gap.abs().sum())
