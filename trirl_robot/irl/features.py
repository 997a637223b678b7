"""What a discriminator sees of a transition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.rl.networks import InputScaler, Scaling

ACTION, OBSERVATION, NEXT = "action", "observation", "next_"
"""Names of inputs beside the observation's fields: the action, the whole observation, and the
prefix of what is read after the step."""
NORM = ".norm"
"""Ending of an input that is the length of a vector instead of the vector."""


class FeatureSelection(nn.Module):
    """Picks inputs from transitions, scales them, and marks absorbing states.

    The scale is that of the demonstrations and stays fixed, so that every discriminator of a run
    reads the same inputs. The last feature is 1 in an absorbing state, in which all others are 0
    (Kostrikov et al. 2019, arXiv 1809.02925), and 0 elsewhere.
    """

    index: Tensor
    noise: Tensor
    absorbing: Tensor

    def __init__(
        self,
        contract: PolicyContract,
        inputs: Sequence[str],
        *,
        noise: dict[str, float] | None = None,
        scaling: Scaling = "compressed",
    ) -> None:
        """Look the inputs up.

        Args:
            contract: what observation and action are.
            inputs: observation fields, `observation` for all of them, `action`; with `next_` in
                front as they are after the step, with `.0` behind the first value alone, and so on,
                with `.norm` the Euclidean length.
            noise: standard deviation of the noise in training, by input, in its own unit.
            scaling: how inputs are scaled.

        Raises:
            ConfigError: an unknown input, or none.
        """
        super().__init__()
        places = _places(contract)
        self._width = 2 * contract.observation_size + contract.action_size
        self._vectors: list[list[int]] = []
        positions: list[int] = []
        deviations: list[float] = []
        for name in inputs:
            vector = name.removesuffix(NORM)
            if vector not in places:
                whole = [known for known in places if "." not in known]
                raise ConfigError(unknown_name("discriminator input", name, whole))
            chosen = places[vector]
            if vector != name:
                # lengths stand behind all that they are taken of
                self._vectors.append(chosen)
                chosen = [self._width + len(self._vectors) - 1]
            positions += chosen
            deviations += [(noise or {}).get(name, 0.0)] * len(chosen)
        if not positions:
            raise ConfigError("the discriminator has no inputs; name observation fields or action")
        self.register_buffer("index", torch.tensor(positions))
        self.register_buffer("noise", torch.tensor(deviations))
        self.register_buffer("absorbing", torch.zeros(len(positions) + 1))
        self.absorbing[-1] = 1.0
        for i, values in enumerate(self._vectors):
            # on the device, as every index: a list would be copied there at each call
            self.register_buffer(f"vector_{i}", torch.tensor(values), persistent=False)
        read = [i for i in positions if i < self._width] + [i for v in self._vectors for i in v]
        self.reads_next = max(read) >= contract.observation_size + contract.action_size
        """Whether it needs the observation after the step."""
        action = range(contract.observation_size, contract.observation_size + contract.action_size)
        self.reads_action = any(i in action for i in read)
        """Whether it needs the action."""
        self.is_noisy = any(deviations)
        """Whether inputs differ from one training step to the next."""
        self.scaler = InputScaler(len(positions), scaling)

    def noise_of(self, count: int) -> Tensor:
        """Return the noise of observation, action and next, side by side, as deviations, (count,).

        Raises:
            ConfigError: a length has noise, which its vector does not.
        """
        of_lengths = self.noise[self.index >= self._width]
        if of_lengths.any():
            raise ConfigError(
                "instance_noise is given for a length (.norm), and this algorithm adds noise to "
                "what it is taken of; give it for the vector's values"
            )
        deviations = self.noise.new_zeros(count)
        given = self.index < self._width
        deviations[self.index[given]] = self.noise[given]
        return deviations

    @property
    def size(self) -> int:
        """Number of features."""
        return self.absorbing.shape[0]

    def fit(self, inputs: Tensor, generator: torch.Generator) -> None:
        """Take the scales from unscaled inputs, (B, f - 1), with the noise of training."""
        self.scaler.fit(inputs + self._drawn_noise(inputs, generator))

    def select(self, observation: Tensor, action: Tensor, following: Tensor) -> Tensor:
        """Return the unscaled inputs, (B, n), (B, m) and (B, n) to (B, f - 1)."""
        everything = torch.cat([observation, action, following], dim=-1)
        lengths = [
            everything[..., getattr(self, f"vector_{i}")].square().sum(-1, keepdim=True).sqrt()
            for i in range(len(self._vectors))
        ]
        return torch.cat([everything, *lengths], dim=-1)[..., self.index]

    def scale(self, inputs: Tensor) -> Tensor:
        """Return the features of transitions that are not absorbing, (B, f - 1) to (B, f)."""
        return nn.functional.pad(self.scaler(inputs), (0, 1))

    def disturbed(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return unscaled inputs with instance noise, (B, f - 1)."""
        return inputs + self._drawn_noise(inputs, generator) if self.is_noisy else inputs

    def _drawn_noise(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(inputs.shape, generator=generator).to(inputs.device) * self.noise

    def forward(
        self, observation: Tensor, action: Tensor, following: Tensor | None = None
    ) -> Tensor:
        """Return the features, (B, n), (B, m) and (B, n) to (B, f).

        Args:
            observation: what was acted on.
            action: what was done.
            following: what was observed then; may be left out if nothing of it is read.
        """
        return self.scale(
            self.select(observation, action, observation if following is None else following)
        )


def _places(contract: PolicyContract) -> dict[str, list[int]]:
    """Return where each input stands in observation, action and next observation side by side."""
    size = contract.observation_size
    after = size + contract.action_size
    fields = {
        OBSERVATION: range(size),
        **{n: range(p.start, p.stop) for n, p in contract.observation_slices.items()},
    }
    inputs = {
        **{name: list(place) for name, place in fields.items()},
        ACTION: list(range(size, after)),
        **{NEXT + name: [after + i for i in place] for name, place in fields.items()},
    }
    single = {f"{name}.{i}": [at] for name, place in inputs.items() for i, at in enumerate(place)}
    return {**inputs, **single}
