"""Gaussian policy with a squashed mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trirl_robot.config import require
from trirl_robot.contract import PolicyContract
from trirl_robot.rl.networks import InputScaler, Scaling, mlp, tanh

STD_RANGE = (0.02, 1.5)
"""Bounds of the standard deviation: below, exploration ends; above, actions saturate."""


def require_std(config: object, *names: str) -> None:
    """Refuse a standard deviation that the policy could not keep.

    Raises:
        ConfigError: a field of that name is out of `STD_RANGE`.
    """
    low, high = STD_RANGE
    require(config, f"a value in [{low:g}, {high:g}]", lambda v: low <= v <= high, *names)


class GaussianPolicy(nn.Module):
    """N(tanh(network(scaled observation)), diag(std^2)), with std independent of the state.

    Calling the module returns the mean, which is what is exported and deployed.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden: Sequence[int],
        initial_std: float,
        generator: torch.Generator,
        scaling: Scaling = "compressed",
    ) -> None:
        super().__init__()
        self.scaler = InputScaler(observation_size, scaling)
        self.network = mlp([observation_size, *hidden, action_size], generator, output_gain=0.01)
        self.log_std = nn.Parameter(torch.full((action_size,), math.log(initial_std)))

    def forward(self, observation: Tensor) -> Tensor:
        """Return the mean action in [-1, 1]; (B, n) to (B, m)."""
        return self.mean_of(self.scaler(observation))

    def mean_of(self, inputs: Tensor) -> Tensor:
        """Return the mean action for observations that are scaled already; (B, n) to (B, m)."""
        return tanh(self.network(inputs))

    @torch.no_grad()
    def bound_std(self) -> None:
        """Bring the standard deviation back within its bounds after a gradient step."""
        self.log_std.clamp_(*map(math.log, STD_RANGE))

    def sample(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Draw actions.

        Args:
            observation: what is acted on, (B, n).
            noise: standard normal draws, (B, m).

        Returns:
            Actions before clipping, (B, m), and the means they were drawn around, (B, m).
        """
        mean = self(observation)
        return mean + noise * self.log_std.exp(), mean

    def entropy(self) -> Tensor:
        """Return the differential entropy, a scalar, nats."""
        return gaussian_entropy(self.log_std)


class PolicySettings(Protocol):
    """Settings that decide a policy's form."""

    @property
    def policy_hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""

    @property
    def initial_std(self) -> float:
        """Standard deviation of the actions at the start."""

    @property
    def observation_scaling(self) -> Scaling:
        """How it scales what it reads; see `InputScaler`."""


def build_policy(
    settings: PolicySettings, contract: PolicyContract, generator: torch.Generator
) -> GaussianPolicy:
    """Return the policy of a configuration, untrained."""
    return GaussianPolicy(
        contract.observation_size,
        contract.action_size,
        hidden=settings.policy_hidden,
        initial_std=settings.initial_std,
        scaling=settings.observation_scaling,
        generator=generator,
    )


class MeanAction:
    """A policy's mean action as a function of arrays, the form in which policies are evaluated."""

    def __init__(self, policy: GaussianPolicy) -> None:
        self._policy = policy

    @torch.no_grad()
    def __call__(self, observation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return actions in [-1, 1], (N, n) to (N, m)."""
        read = torch.from_numpy(observation).float().to(self._policy.log_std.device)
        action: Tensor = self._policy(read)
        return action.cpu().numpy().astype(np.float64)


def log_prob(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the log density of a diagonal Gaussian, shape (B,), nats."""
    z = (action - mean) * torch.exp(-log_std)
    return -0.5 * (z**2).sum(-1) - log_std.sum() - 0.5 * math.log(2 * math.pi) * mean.shape[-1]


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Return the differential entropy of a diagonal Gaussian, a scalar, nats."""
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()


def gaussian_kl(mean: Tensor, log_std: Tensor, other_mean: Tensor, other_log_std: Tensor) -> Tensor:
    """Return KL(first || other) of diagonal Gaussians for each row, shape (B,), nats."""
    stretch = log_std - other_log_std
    shift = (mean - other_mean) * torch.exp(-other_log_std)
    # for nearby policies, ratio of variances - 1 in single precision would lose the small KL
    return (0.5 * (torch.expm1(2.0 * stretch) + shift**2) - stretch).sum(-1)
