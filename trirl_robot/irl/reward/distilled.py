"""The reward as one network, fitted anew to what each correction asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from trirl_robot.config import require
from trirl_robot.irl.discriminator import Classifier
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.replay import Replay
from trirl_robot.irl.reward.base import Reward, Seen
from trirl_robot.irl.reward.chain import RewardChain
from trirl_robot.rl.networks import mlp


@dataclass(frozen=True, kw_only=True)
class DistilledConfig:
    """Settings of the reward as one network."""

    form: Literal["distilled"] = "distilled"
    """Kind of reward."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of its hidden layers."""
    learning_rate: float = 2.0e-3
    """Adam's learning rate."""
    epochs: int = 1
    """Passes over the points in one correction."""
    minibatch: int = 512
    """Points in one gradient step."""
    replay_size: int = 20_000
    """Points that earlier policies have visited, at which the reward is followed and fitted too."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "widths of at least 1", lambda v: all(w >= 1 for w in v), "hidden")
        require(self, "more than 0", lambda v: v > 0, "learning_rate")
        require(self, "at least 1", lambda v: v >= 1, "epochs", "minibatch")
        require(self, "0 or more", lambda v: v >= 0, "replay_size")


class DistilledReward(Reward):
    """A network g that is regressed on R <- (1 - eps_tr) R + eps_tr D after each correction.

    It is fitted at the policy's batch, at as many demonstrations and at as many points of earlier
    policies. At the latter two, R follows the recursion from number to number, so that what the
    network has missed once is asked for again; only at the batch, where R is not known, the network
    itself says what it was. The reward of an absorbing state, on which whole returns hang, is kept
    exactly beside the network.
    """

    scale: Tensor
    absorbing_reward: Tensor

    def __init__(
        self,
        config: DistilledConfig,
        features: FeatureSelection,
        hidden: int,
        generator: torch.Generator,
    ) -> None:
        """Start with a reward of 0.

        Args:
            config: settings.
            features: what discriminators and network read.
            hidden: width of the discriminators' two layers.
            generator: source of the initial weights.
        """
        super().__init__(features)
        self.config = config
        self._hidden = hidden
        self.network = mlp([features.size, *config.hidden, 1], generator, output_gain=0.0)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("absorbing_reward", torch.zeros(()))
        device = features.absorbing.device
        self._followed = Replay(config.replay_size, features.size + 1, device)
        self._demonstrated = torch.zeros(0, device=device)
        self._fit_error = 0.0
        self.to(device)
        self._optimiser = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, eps=1e-5, fused=True
        )

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """Optimiser of the network."""
        return self._optimiser

    def from_features(self, features: Tensor) -> Tensor:
        """Return the reward for scaled inputs, (B, f) to (B,)."""
        reward: Tensor = self.scale * self.network(features).squeeze(-1)
        return torch.where(features[..., -1] > 0.5, self.absorbing_reward, reward)

    def correct(self, discriminator: Classifier, step_size: float, seen: Seen) -> Tensor:
        """Fit the network to (1 - eps_tr) R + eps_tr D; return it on the demonstrations, (E,)."""
        with torch.no_grad():
            points, target = self._targets(discriminator, step_size, seen)
            absorbing = self.features.absorbing[None]
            self.absorbing_reward.lerp_(discriminator(absorbing)[0], step_size)
            self._rescale(float(target.std().clamp_min(1e-6)))
        for _ in range(self.config.epochs):
            order = torch.randperm(len(points), generator=seen.generator).to(points.device)
            for chosen in torch.split(order, self.config.minibatch):
                fitted: Tensor = self.network(points[chosen]).squeeze(-1)
                loss = (fitted - target[chosen] / self.scale).square().mean()
                self._optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                self._optimiser.step()
        with torch.no_grad():
            missed = self.from_features(points) - target
            self._fit_error = float(missed.square().mean().sqrt() / self.scale)
            return self.from_features(seen.demonstrations.features)

    def _targets(
        self, discriminator: Classifier, step_size: float, seen: Seen
    ) -> tuple[Tensor, Tensor]:
        """Return the points of the fit, (P, f), and what the reward is to be there, (P,)."""
        demonstrations, generator = seen.demonstrations, seen.generator
        count = len(demonstrations.features)
        if not len(self._demonstrated):
            self._demonstrated = torch.zeros_like(demonstrations.logit)
        self._demonstrated = self._demonstrated.lerp(demonstrations.logit, step_size)
        followed = self._followed.rows
        followed[:, -1] = followed[:, -1].lerp(discriminator(followed[:, :-1]), step_size)
        alive = seen.batch.features[:, -1] < 0.5
        new = torch.cat([seen.batch.features, seen.batch.corrected(step_size)[:, None]], 1)[alive]
        chosen = torch.randint(count, (len(new),), generator=generator).to(new.device)
        parts = [
            new,
            torch.cat([demonstrations.features, self._demonstrated[:, None]], 1)[chosen],
        ]
        if self._followed.count:
            parts.append(self._followed.draw(len(new), generator))
        self._followed.add(new, generator)
        points = torch.cat(parts)
        return points[:, :-1], points[:, -1]

    def _rescale(self, scale: float) -> None:
        """Let the network's output be of order one, and the reward as it was."""
        last = self.network[-1]
        factor = float(self.scale) / scale
        for parameter in last.parameters():
            parameter.mul_(factor)
        self.scale.fill_(scale)

    def metrics(self) -> dict[str, float]:
        """Return the error of the last fit in standard deviations of what was fitted."""
        return {"reward/fit_error": self._fit_error}

    def averaged(self, heads: Tensor) -> RewardChain:
        """Return the uniform average of discriminators, (K, p)."""
        weights = heads.new_full((len(heads),), 1.0 / len(heads))
        return RewardChain.of(self.features, self._hidden, weights, heads)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is saved beside the tensors."""
        return {
            "followed": self._followed.state_dict(),
            "demonstrated": self._demonstrated,
            "fit_error": self._fit_error,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what is saved beside the tensors."""
        self._followed.load_state_dict(state["followed"])
        self._demonstrated = state["demonstrated"].to(self._demonstrated.device)
        self._fit_error = float(state["fit_error"])
