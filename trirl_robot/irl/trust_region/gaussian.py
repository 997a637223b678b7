"""Projection of diagonal Gaussians onto KL balls about others (Otto et al. 2021, arXiv 2101.09207).

KL(N || N_old) is the sum of a part of the means and one of the covariances, which are bounded, and
projected, apart: the nearest Gaussian, in KL(projected || given), to what the network gives. For
the means both distances are measured by the old covariance, as in the paper, which makes the
projection closed; for the covariance the precision is the weighted mean

    P = (P_given + omega P_old) / (1 + omega),

whose multiplier omega is the root of a monotonic function of one variable. Gradients are those of
the projection itself: omega's by the implicit function theorem.

omega is the multiplier of the *projection's* problem. It is the multiplier of the policy's
improvement, which the theorem speaks of, only if what the network gives is soft-optimal for the
provisional reward; after a few gradient steps it is not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEPS = 60
_TOLERANCE = 1e-12
"""Relative error of the bound at which the search for the covariance's multiplier ends."""


def mean_kl(mean: Tensor, old_mean: Tensor, old_log_std: Tensor) -> Tensor:
    """Return the part of KL(new || old) due to the means, (B, m) to (B,), nats."""
    return 0.5 * (((mean - old_mean) * torch.exp(-old_log_std)) ** 2).sum(-1)


def project_mean(
    mean: Tensor, old_mean: Tensor, old_log_std: Tensor, bound: float
) -> tuple[Tensor, Tensor]:
    """Return the nearest means whose part of the KL is within the bound in every state.

    Args:
        mean: given means, shape (B, m).
        old_mean: means at the centres, shape (B, m).
        old_log_std: log standard deviations at the centres, shape (m,).
        bound: bound on `mean_kl`, nats, more than 0.

    Returns:
        Projected means, shape (B, m), and each state's multiplier, 0 inside, shape (B,).
    """
    kl = mean_kl(mean, old_mean, old_log_std)
    scale = torch.sqrt(kl.clamp_min(bound) / bound)
    projected = old_mean + (mean - old_mean) / scale.unsqueeze(-1)
    outside = (kl > bound).unsqueeze(-1)
    return torch.where(outside, projected, mean), scale.detach() - 1.0


def project_log_std(log_std: Tensor, old_log_std: Tensor, bound: float) -> tuple[Tensor, float]:
    """Return the nearest standard deviations whose part of the KL is within the bound.

    With x = P_given / P_old and u = 1 / (1 + omega), P / P_old is 1 + u (x - 1), and the KL rises
    with u from 0.

    Args:
        log_std: given log standard deviations, shape (m,).
        old_log_std: those at the centre, shape (m,).
        bound: bound on the covariances' part of the KL, nats, more than 0.

    Returns:
        Projected log standard deviations, shape (m,), and the multiplier, 0 inside.
    """
    excess = torch.expm1(2.0 * (old_log_std - log_std))
    share = _share_within([float(x) for x in excess.detach()], bound)
    if share == 1.0:
        return log_std, 0.0
    precision = 1.0 + share * excess
    kl = 0.5 * (torch.log(precision) + 1.0 / precision).sum()
    slope = 0.5 * share * ((excess / precision) ** 2).sum()
    # adds nothing to the value, and to the gradient that of the share: -(dKL/dx) / (dKL/du)
    moving_share = share - (kl - kl.detach()) / slope.detach()
    return old_log_std - 0.5 * torch.log1p(moving_share * excess), 1.0 / share - 1.0


def _share_within(excess: list[float], bound: float) -> float:
    """Return the largest u in (0, 1] at which the KL is within the bound.

    Newton's method on the root of the KL, which is nearly proportional to u, kept in a bracket.
    """
    kl, _ = _covariance_kl(excess, 1.0)
    if kl <= bound:
        return 1.0
    low, high, share = 0.0, 1.0, math.sqrt(bound / kl)
    for _ in range(_STEPS):
        kl, slope = _covariance_kl(excess, share)
        if abs(kl - bound) <= _TOLERANCE * bound:
            break
        low, high = (share, high) if kl < bound else (low, share)
        root = math.sqrt(kl)
        share += 2.0 * root * (math.sqrt(bound) - root) / slope
        if not low < share < high:
            share = 0.5 * (low + high)
    return share


def _covariance_kl(excess: list[float], share: float) -> tuple[float, float]:
    """Return the covariances' part of the KL, and its slope, for precisions 1 + u (x - 1)."""
    parts = [share * value for value in excess]
    kl = 0.5 * sum(math.log1p(part) - part / (1.0 + part) for part in parts)
    slope = 0.5 * sum(
        part * value / (1.0 + part) ** 2 for part, value in zip(parts, excess, strict=True)
    )
    return kl, slope
