"""Generalised advantage estimation with separate terminations and time-outs."""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantage(
    *,
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    gae_lambda: float,
    absorbing_value: float = 0.0,
) -> Tensor:
    """Return advantages (Schulman et al. 2016, arXiv 1506.02438).

    A time-out is not an end: its step bootstraps from the value of the episode's own final
    observation, and only the sum over later steps is cut there. A termination is not an end
    either: an absorbing state goes on for ever, and what it is worth decides whether to avoid it.

    Args:
        reward: shape (T, N).
        value: value of the observation acted on, shape (T, N).
        next_value: value of the observation that the action led to, the final one where an
            episode ended, shape (T, N).
        terminated: episode ended in an absorbing state, bool, shape (T, N).
        truncated: episode ended by its time limit, bool, shape (T, N).
        gamma: discount.
        gae_lambda: weight of longer returns.
        absorbing_value: value of an absorbing state, see `OnPolicyLearner.absorbing_value`.

    Returns:
        Advantages, shape (T, N).
    """
    continues = (~(terminated | truncated)).float()
    following_value = torch.where(terminated, absorbing_value, next_value)
    delta = reward + gamma * following_value - value
    advantage = torch.zeros_like(reward)
    following = torch.zeros_like(reward[0])
    for step in range(reward.shape[0] - 1, -1, -1):
        following = delta[step] + gamma * gae_lambda * continues[step] * following
        advantage[step] = following
    return advantage
