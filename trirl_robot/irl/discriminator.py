"""Logistic classifier of expert against policy, the estimate of log(rho_E / rho_pi)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trirl_robot.config import require
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.irl.replay import Replay
from trirl_robot.irl.samples import Samples, absorbing_log_ratio
from trirl_robot.rl.networks import Scaling, TanhLayers
from trirl_robot.rl.processes import ALONE, Processes

EVERY_ROW = slice(None)
ABSORBED_DECAY = 0.99
"""How fast it is forgotten, in an iteration, that the policy got to absorbing states: forgotten at
once, nothing would keep it from there."""
ABSORBING_WEIGHT = 0.1
"""Weight of the squared error of an absorbing state's logit."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Settings of the discriminator."""

    inputs: tuple[str, ...] = ("observation", "action")
    """What it sees: observation fields, `observation` for all of them, `action`; with `next_` in
    front as they are after the step, with `.0` behind the first value of one alone, with `.norm`
    the length of the vector, which says nothing of directions."""
    scaling: Scaling = "compressed"
    """How it scales what it sees; see `InputScaler`."""
    hidden: int = 64
    """Width of its two hidden layers."""
    learning_rate: float = 5.0e-4
    """Adam's learning rate."""
    epochs: int = 4
    """Passes over the policy's samples in one iteration."""
    minibatch: int = 512
    """Samples of each side in one gradient step."""
    gradient_penalty: float = 0.05
    """Weight of the penalty on the input gradient at random interpolates; absorbing states are no
    part of it."""
    gradient_norm: float = 0.0
    """Norm of the input gradient that the penalty draws to, from both sides."""
    instance_noise: dict[str, float] = field(default_factory=dict)
    """Standard deviation of the noise that is added in training to an input, by name and in its own
    unit, to demonstrations and policy alike: without it a Gaussian policy is told from an operator
    by its noise, whatever it does."""
    replay_share: float = 0.0
    """Share of the policy's samples that are taken from earlier policies' instead: what they did is
    then not forgotten."""
    replay_size: int = 300_000
    """Samples of earlier policies that are kept."""

    def __post_init__(self) -> None:
        """Check ranges."""
        counts = ("hidden", "epochs", "minibatch", "replay_size")
        require(self, "at least 1", lambda v: v >= 1, *counts)
        require(self, "more than 0", lambda v: v > 0, "learning_rate")
        require(self, "0 or more", lambda v: v >= 0, "gradient_penalty", "gradient_norm")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "replay_share")
        for name, deviation in self.instance_noise.items():
            if name not in self.inputs:
                raise ConfigError(unknown_name("input with instance noise", name, self.inputs))
            if deviation < 0:
                raise ConfigError(f"instance_noise of {name} is {deviation}, expected 0 or more")


class Classifier(nn.Module):
    """A network that tells the expert from the policy by their features."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Return the expert logit, (B, f) to (B,)."""

    @abstractmethod
    def logit_and_slope(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expert logit, (B,), and its gradient by the features, (B, f)."""

    def head(self) -> Tensor:
        """Return the parameters that it does not share with the other ones of a run, (p,)."""
        return nn.utils.parameters_to_vector(self.parameters()).detach()


ClassifierT = TypeVar("ClassifierT", bound=Classifier)


class Features(Protocol):
    """What a classifier reads of transitions, as `FeatureSelection` makes it."""

    absorbing: Tensor
    """Features of an absorbing state, (f,); those that are 1, and no other, say that it is one."""

    def fit(self, inputs: Tensor, generator: torch.Generator) -> None:
        """Take the scales from the demonstrations' unscaled inputs, one row a transition."""

    def scale(self, inputs: Tensor) -> Tensor:
        """Return the features of unscaled inputs, (B, f)."""

    def disturbed(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return unscaled inputs with instance noise, same shape."""


class Discriminator(Classifier):
    """Two tanh layers; its output is the expert logit, high for the expert."""

    def __init__(self, size: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        """Number of its inputs f."""
        self.layers = TanhLayers(size, hidden, generator)
        self.last = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.last.weight, 0.1, generator=generator)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the expert logit, (B, f) to (B,)."""
        logit: Tensor = self.last(self.layers(features))
        return logit.squeeze(-1)

    def logit_and_slope(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expert logit, (B,), and its gradient by the inputs, (B, f)."""
        values, slope = self.layers.values_and_slope(features, self.last.weight.squeeze(0))
        return self.last(values).squeeze(-1), slope


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


class DiscriminatorTrainer(Generic[ClassifierT]):
    """Trains one discriminator against the policy as it changes."""

    def __init__(
        self,
        config: DiscriminatorConfig,
        discriminator: ClassifierT,
        features: Features,
        expert: Samples,
        generator: torch.Generator,
        processes: Processes = ALONE,
    ) -> None:
        """Take the scales of the features from the expert.

        Args:
            config: settings.
            discriminator: what is trained.
            features: what it reads of transitions.
            expert: what the expert has done.
            generator: instance noise of the scales.
            processes: which train it together.
        """
        self._processes = processes
        self.config = config
        self.discriminator = discriminator
        self.features = features
        self.expert = expert
        features.fit(expert.inputs, generator)
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), lr=config.learning_rate, eps=1e-5, fused=True
        )
        # what is 1 in an absorbing state says that it is one
        self._is_mark = (features.absorbing == 1.0).float()
        self.absorbed = 0.0
        """Share of its time that the policy has lately spent in absorbing states at most."""
        size = config.replay_size if config.replay_share else 0
        self.replay = Replay(size, expert.inputs.shape[1], expert.inputs.device)

    def update(self, policy: Samples, generator: torch.Generator) -> DiscriminatorResult:
        """Train on the policy's samples against the demonstrations."""
        count, losses, norms, weights = policy.inputs.shape[0], [], [], []
        self.absorbed = max(policy.absorbing_share, ABSORBED_DECAY * self.absorbed)
        absorbing_logit = absorbing_log_ratio(self.expert.absorbing_share, self.absorbed)
        for _ in range(self.config.epochs):
            order = torch.randperm(count, generator=generator).to(policy.inputs.device)
            for chosen in torch.split(order, self.config.minibatch):
                part = self._processes.part(len(chosen))
                inputs = self._with_replay(policy.inputs[chosen], generator)
                features = self._drawn(inputs, policy.absorbing_share, generator, part.rows)
                expert = self.expert_features(len(chosen), generator, part.rows)
                mix = torch.rand(len(chosen), 1, generator=generator)[part.rows].to(expert.device)
                loss, norm = self._step(expert, features, absorbing_logit, mix, part.weight)
                losses.append(loss)
                norms.append(norm)
                weights.append(part.weight)
        self.replay.add(policy.inputs, generator)
        expert = self.expert_features(min(4096, count), generator)
        features = self._drawn(policy.inputs, policy.absorbing_share, generator)
        expert_logit, policy_logit = (
            self._processes.mapped(self.discriminator, side) for side in (expert, features)
        )
        right = (expert_logit > 0).float().mean() + (policy_logit <= 0).float().mean()
        return DiscriminatorResult(
            loss=self._processes.mean(losses, weights),
            accuracy=float(0.5 * right),
            calibration=calibration_gap(expert_logit, policy_logit),
            gradient_norm=self._processes.mean(norms, weights),
        )

    def expert_features(
        self, count: int, generator: torch.Generator, rows: slice = EVERY_ROW
    ) -> Tensor:
        """Draw features of the expert with their instance noise, (count, f), or some rows of it."""
        expert = self.expert
        chosen = torch.randint(expert.inputs.shape[0], (count,), generator=generator)
        inputs = expert.inputs[chosen.to(expert.inputs.device)]
        return self._drawn(inputs, expert.absorbing_share, generator, rows)

    def _drawn(
        self,
        inputs: Tensor,
        absorbing_share: float,
        generator: torch.Generator,
        rows: slice = EVERY_ROW,
    ) -> Tensor:
        """Return features of which as many as that share are those of an absorbing state.

        Random numbers are drawn for all inputs, whichever rows are wanted.
        """
        disturbed = self.features.disturbed(inputs, generator)
        features = self.features.scale(disturbed[rows])
        if absorbing_share > 0.0:
            absorbed = torch.rand(len(inputs), generator=generator)[rows] < absorbing_share
            features[absorbed.to(features.device)] = self.features.absorbing
        return features

    def _with_replay(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        count = round(self.config.replay_share * len(inputs))
        if not count or not self.replay.count:
            return inputs
        return torch.cat([self.replay.draw(count, generator), inputs[count:]])

    def _step(
        self, expert: Tensor, policy: Tensor, absorbing_logit: float, mix: Tensor, weight: float
    ) -> tuple[Tensor, Tensor]:
        """Take a gradient step; return this process's loss and norm of the input gradient."""
        between = mix * expert + (1.0 - mix) * policy
        _, slope = self.discriminator.logit_and_slope(between)
        norm = (slope * (1.0 - self._is_mark)).square().sum(-1).clamp_min(1e-12).sqrt()
        # no way leads into an absorbing state: how much less it is worth is not to be smooth
        is_way = (between * self._is_mark == 0.0).all(-1)
        logits = self.discriminator(torch.cat([expert, policy, self.features.absorbing[None]]))
        logit, absorbing = logits[:-1], logits[-1]
        sign = torch.ones_like(logit)
        sign[: len(expert)] = -1.0
        loss = functional.softplus(sign * logit).mean()
        # a mean over all pairs, so that processes with a part of them each agree with one
        penalty = (is_way * (norm - self.config.gradient_norm).square()).mean()
        # nothing near an absorbing state holds its logit, which drifts off when nobody gets there
        error = (absorbing - absorbing_logit).square()
        self.optimiser.zero_grad(set_to_none=True)
        penalised = loss + self.config.gradient_penalty * penalty + ABSORBING_WEIGHT * error
        penalised.backward()
        self._processes.sum_gradients(self.discriminator.parameters(), weight)
        self.optimiser.step()
        return loss.detach(), norm.detach().mean()


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
    gap = weight.new_zeros(bins).index_add_(0, which, weight * (probability - label))
    return float(gap.abs().sum())
