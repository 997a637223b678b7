"""Many small networks evaluated as one batched product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

ROWS = 512
"""Points that are evaluated together on a CPU."""
BLOCK = 2**18
"""Hidden values that are alive together on a CPU, 1 MiB: what is written is read from the cache."""
TENSORS = (
    "first_weight",
    "first_bias",
    "second_weight",
    "second_bias",
    "last_weight",
    "last_bias",
)


class DiscriminatorProduct(nn.Module):
    """Weighted sums of the logits of K discriminators.

    Evaluating hyperbolic tangents takes most of the time of such small networks, and PyTorch's
    logistic function is five times faster on a CPU. As tanh(u) = 2 logistic(2 u) - 1, the networks
    are kept with the factors and the constant inside their weights:

        logit = 2 c logistic(4 B logistic(2 A x + 2 a) + 2 (b - B 1)) + (d - c 1)

    for a network c tanh(B tanh(A x + a) + b) + d. Points stand in columns, so that the first layers
    of many networks are one matrix product, and blocks of points and networks are sized to stay in
    a core's cache. The order of all sums is fixed by the sizes, never by the number of cores.
    """

    first_weight: Tensor
    first_bias: Tensor
    second_weight: Tensor
    second_bias: Tensor
    last_weight: Tensor
    last_bias: Tensor

    def __init__(self, size: int, hidden: int) -> None:
        """Start with no network.

        Args:
            size: inputs f of each network.
            hidden: width h of its two hidden layers.
        """
        super().__init__()
        self.size, self.hidden = size, hidden
        self.register_buffer("first_weight", torch.zeros(0, hidden, size))
        self.register_buffer("first_bias", torch.zeros(0, hidden))
        self.register_buffer("second_weight", torch.zeros(0, hidden, hidden))
        self.register_buffer("second_bias", torch.zeros(0, hidden))
        self.register_buffer("last_weight", torch.zeros(0, hidden))
        self.register_buffer("last_bias", torch.zeros(0))

    @property
    def count(self) -> int:
        """Number of networks K."""
        return self.last_bias.shape[0]

    @torch.no_grad()
    def append(self, heads: Tensor) -> None:
        """Add networks; a row holds the parameters of a `Discriminator` in their order, (K, p)."""
        shapes = [(self.hidden, self.size), (self.hidden,), (self.hidden, self.hidden)]
        shapes += [(self.hidden,), (self.hidden,), ()]
        sizes = [torch.Size(shape).numel() for shape in shapes]
        parts = torch.split(heads.detach().to(self.last_bias), sizes, dim=1)
        first, first_bias, second, second_bias, last, last_bias = (
            part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)
        )
        new = {
            "first_weight": 2.0 * first,
            "first_bias": 2.0 * first_bias,
            "second_weight": 4.0 * second,
            "second_bias": 2.0 * (second_bias - second.sum(-1)),
            "last_weight": 2.0 * last,
            "last_bias": last_bias - last.sum(-1),
        }
        for name, value in new.items():
            setattr(self, name, torch.cat([getattr(self, name), value]))

    def chosen(self, which: Tensor) -> DiscriminatorProduct:
        """Return the networks of a mask, bool, (K,)."""
        result = DiscriminatorProduct(self.size, self.hidden)
        for name in TENSORS:
            setattr(result, name, getattr(self, name)[which])
        return result

    def forward(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return sum_k w_k D_k at points, (B, f) and (K,) to (B,)."""
        if self.count == 0:
            return features.new_zeros(features.shape[:-1])
        last = weights[:, None] * self.last_weight
        offset = weights @ self.last_bias
        columns = features.T
        if torch.compiler.is_exporting() or features.device.type != "cpu":
            return offset + self._block(columns, last, slice(None))
        columns = columns.contiguous()
        together = max(1, BLOCK // (ROWS * self.hidden))
        total = offset.repeat(len(features))
        for row in range(0, len(features), ROWS):
            points = slice(row, row + ROWS)
            for network in range(0, self.count, together):
                total[points] += self._block(
                    columns[:, points], last, slice(network, network + together)
                )
        return total

    def _block(self, columns: Tensor, last: Tensor, which: slice) -> Tensor:
        first = self.first_weight[which].flatten(0, 1)
        hidden = torch.addmm(self.first_bias[which].reshape(-1, 1), first, columns).sigmoid_()
        hidden = hidden.view(-1, self.hidden, columns.shape[-1])
        hidden = torch.baddbmm(
            self.second_bias[which, :, None], self.second_weight[which], hidden
        ).sigmoid_()
        return last[which].flatten() @ hidden.flatten(0, 1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # as many networks as the file holds
        for name in TENSORS:
            saved, own = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and saved.shape[1:] == own.shape[1:]:
                setattr(self, name, own.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
