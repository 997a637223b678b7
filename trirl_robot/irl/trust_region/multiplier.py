"""The multiplier that an update of the policy is worth, however it was kept near."""

from __future__ import annotations

import torch
from torch import Tensor

from trirl_robot.rl.policy import log_prob
from trirl_robot.rl.trust_region import Batch

_LARGEST = 1e6
"""Multiplier of an update that does not move the policy: the step of the dual is then nothing."""


def marginal_multiplier(
    mean: Tensor, log_std: Tensor, batch: Batch, *, entropy_weight: float
) -> float:
    """Return how much objective the last bit of KL has bought.

    On the line pi_t from the old policy (t = 0) to the new one (t = 1), straight in means and log
    standard deviations, it is

        [d/dt E_old[(pi_t / pi_old) A] + w H(pi_t)] / [d/dt E_s KL(pi_t || pi_old)]  at t = 1.

    Where the new policy maximises the objective less eta KL, both gradients are parallel and this
    is eta. Where every state has a bound and so a multiplier eta(s) of its own, it is their mean,
    weighted by d KL(s) / dt, hence by the KL that each state has used. The theorem has room for one
    number only, and in the exact case this one comes nearer than mean or maximum, see
    `tests/irl/tabular/test_theorem.py`. The probability ratio is not clipped: the clip is one of
    the things that keep the policy near.

    It is taken on the samples that the update was made with, on purpose. The reward to be found is
    the one that the new policy is optimal for, so what counts is the share of the way to the
    provisional optimum that the policy has gone, 1 / (1 + eta), and the update goes much the same
    share of signal and noise. On fresh samples the noise has cost KL and bought nothing, eta comes
    out several times smaller, and the corrected reward runs ahead of the policy; see
    `tests/irl/trust_region/test_multiplier.py`.

    Args:
        mean: means of the new policy, shape (B, m).
        log_std: its log standard deviations, shape (m,).
        batch: the old policy's means, actions and advantages.
        entropy_weight: w, weight of the entropy beside the batch's advantages.

    Returns:
        Multiplier of the KL in nats beside the batch's advantages, 0 or more.
    """
    shift, stretch = mean - batch.mean, log_std - batch.log_std
    z = (batch.action - mean) * torch.exp(-log_std)
    change = (z * shift * torch.exp(-log_std) + (z**2 - 1.0) * stretch).sum(-1)
    old = log_prob(batch.action, batch.mean, batch.log_std)
    ratio = torch.exp(log_prob(batch.action, mean, log_std) - old)
    gain = (ratio * batch.advantage * change).mean() + entropy_weight * stretch.sum()
    spread = (torch.expm1(2.0 * stretch) * stretch).sum()
    cost = ((shift * torch.exp(-batch.log_std)) ** 2).sum(-1).mean() + spread
    if float(cost) <= 0.0:
        return _LARGEST
    return min(max(float(gain / cost), 0.0), _LARGEST)
