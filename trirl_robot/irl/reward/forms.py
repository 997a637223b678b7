"""The forms of the learnt reward, by configuration."""

from __future__ import annotations

import torch

from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.reward.base import Reward
from trirl_robot.irl.reward.chain import ChainConfig, RewardChain
from trirl_robot.irl.reward.distilled import DistilledConfig, DistilledReward
from trirl_robot.irl.reward.linear import LinearConfig, LinearReward, build_basis

RewardConfig = ChainConfig | DistilledConfig | LinearConfig


def reward_of_form(
    config: RewardConfig, features: FeatureSelection, hidden: int, generator: torch.Generator
) -> Reward:
    """Return the reward of a configuration, zero everywhere, on the device of the features.

    Args:
        config: settings.
        features: what discriminators read.
        hidden: width of their two layers.
        generator: source of initial weights and random features.
    """
    device = features.absorbing.device
    if isinstance(config, LinearConfig):
        return LinearReward(features, build_basis(config, features.size, generator)).to(device)
    if isinstance(config, DistilledConfig):
        return DistilledReward(config, features, hidden, generator)
    return RewardChain(config, features, hidden).to(device)
