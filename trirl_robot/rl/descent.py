"""Gradient steps on shuffled minibatches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from trirl_robot.rl.processes import PROCESSOR, Processes


def minibatches(
    samples: Sequence[Tensor], orders: Sequence[Tensor], size: int, processes: Processes
) -> Iterator[tuple[float, tuple[Tensor, ...]]]:
    """Yield this process's part of all samples once in each order, `size` at a time.

    Each order gathers them in one pass, which is cheaper than a pass for each minibatch.

    Args:
        samples: values of the same B samples, each (B, ...).
        orders: permutations of B, the same in all processes.
        size: samples in a minibatch of all processes; the last of an order may have fewer.
        processes: which share out each minibatch.

    Yields:
        The part's weight and its values; see `Processes.part`.
    """
    for order in orders:
        chosen = torch.split(order, size)
        shares = [processes.part(len(rows)) for rows in chosen]
        own = [rows[share.rows] for rows, share in zip(chosen, shares, strict=True)]
        index, counts = torch.cat(own).to(samples[0].device), [len(rows) for rows in own]
        parts = [torch.split(values[index], counts) for values in samples]
        for share, *values in zip(shares, *parts, strict=True):
            yield share.weight, tuple(values)


def descend(
    loss: Tensor,
    optimiser: torch.optim.Optimizer,
    max_norm: float,
    processes: Processes,
    weight: float,
) -> None:
    """Take one step down the gradient of a loss, scaled down to at most `max_norm`.

    Args:
        loss: mean over this process's part of a minibatch.
        optimiser: what takes the step; all its parameters are moved.
        max_norm: greatest norm of the gradient.
        processes: which add up their gradients.
        weight: weight of the part.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter in parameters:
        # zero_grad takes longer to begin than to do this
        parameter.grad = None
    loss.backward()  # type: ignore[no-untyped-call]
    processes.sum_gradients(parameters, weight)
    # all at once, which torch does by itself on a GPU alone
    at_once = True if loss.device == PROCESSOR else None
    nn.utils.clip_grad_norm_(parameters, max_norm, foreach=at_once)
    optimiser.step()
