"""Gradient steps on shuffled minibatches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


def minibatches(
    samples: Sequence[Tensor], orders: Sequence[Tensor], size: int
) -> Iterator[tuple[Tensor, ...]]:
    """Yield all samples once in each order, `size` at a time.

    Each order gathers them in one pass, which is cheaper than a pass for each minibatch.

    Args:
        samples: values of the same B samples, each (B, ...).
        orders: permutations of B.
        size: samples in a minibatch; the last of an order may have fewer.
    """
    for order in orders:
        parts = [torch.split(values[order], size) for values in samples]
        yield from zip(*parts, strict=True)


def descend(
    loss: Tensor, optimiser: torch.optim.Optimizer, module: nn.Module, max_norm: float
) -> None:
    """Take one step down the gradient of a loss, scaled down to at most `max_norm`."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(module.parameters(), max_norm)
    optimiser.step()
