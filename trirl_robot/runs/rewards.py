"""The reward of a run as a stated weighting of its discriminators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from trirl_robot.baselines.airl import AirlConfig
from trirl_robot.baselines.gail import GailConfig, GailReward
from trirl_robot.errors import RunError
from trirl_robot.irl.archive import DiscriminatorArchive
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.imitation import ImitationConfig, build_features
from trirl_robot.irl.reward.base import FeatureReward, Reward
from trirl_robot.irl.reward.chain import ChainConfig, RewardChain
from trirl_robot.irl.trirl import TrirlConfig, build_reward
from trirl_robot.runs.checkpoint import fitting, load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.sim.env import build_env

Weighting = Literal["chain", "newest", "average"]
"""How the discriminators of a run are weighted in its reward: as TRIRL's corrections left them; the
last alone; or all alike."""


@dataclass(frozen=True, kw_only=True)
class KeptReward:
    """What a run has learnt to reward."""

    reward: FeatureReward
    """The reward of observation, action and, where it reads that, next observation."""
    statement: dict[str, Any]
    """Plain data: how it is made of the run's discriminators, how much the entropy weighs beside
    it, and what it is in an absorbing state."""


def keeps_reward(algorithm: object) -> bool:
    """Return whether runs of an algorithm keep discriminators, and so a reward."""
    return isinstance(algorithm, ImitationConfig)


def load_reward_of(path: Path, weighting: Weighting | None = None) -> KeptReward:
    """Read the reward of a run; the demonstrations are not needed.

    Args:
        path: the run's folder.
        weighting: see `Weighting`; None takes what the run itself trained with, which is the chain
            of TRIRL and the newest discriminator of GAIL. Of AIRL's newest it takes the reward g
            without the shaping gamma h(s') - h(s) and the density of the policy, which belong to
            that policy.

    Raises:
        RunError: the folder holds no run or no checkpoint, or its algorithm has no such reward.
    """
    folder, config = RunFolder.open(path)
    algorithm = config.algorithm
    if not isinstance(algorithm, ImitationConfig):
        raise RunError(
            f"{path}: algorithm {algorithm.algorithm} keeps no reward; train with --algorithm "
            "trirl, gail or airl"
        )
    weighting = weighting or ("chain" if isinstance(algorithm, TrirlConfig) else "newest")
    if weighting == "chain" and not isinstance(algorithm, TrirlConfig):
        raise RunError(
            f"{path}: algorithm {algorithm.algorithm} has no chain of discriminators; expected "
            "newest or average"
        )
    state = load_checkpoint(folder.checkpoint)
    env = build_env(config.task, 1, randomisation=config.randomisation, seed=config.seed)
    with fitting(folder.checkpoint):
        own = _own(algorithm, build_features(algorithm, env.contract), state)
        count = int(state["archived"])
    if count == 0:
        raise RunError(
            f"{path}: holds no discriminator yet, as only the warm-up has passed; go on with "
            "'trirl train --resume'"
        )
    reward: FeatureReward = own
    if weighting != "chain":
        reward = _averaged(own, folder, count, 1 if weighting == "newest" else count)
        if isinstance(algorithm, GailConfig) and weighting == "newest":
            reward = GailReward(reward, algorithm.reward_form)
    return KeptReward(reward=reward, statement=_statement(algorithm, reward, weighting, count))


def _own(algorithm: ImitationConfig, features: FeatureSelection, state: dict[str, Any]) -> Reward:
    """Return the reward of TRIRL, or an empty chain for another algorithm's discriminators."""
    if isinstance(algorithm, TrirlConfig):
        reward = build_reward(algorithm, features)
        reward.load_state_dict(state["reward"])
        return reward
    features.load_state_dict(state["features"])
    return RewardChain(ChainConfig(), features, algorithm.discriminator.hidden)


def _averaged(own: Reward, folder: RunFolder, archived: int, latest: int) -> Reward:
    """Return the average of the latest of so many archived discriminators."""
    heads = DiscriminatorArchive(folder.discriminators).read(archived).heads
    return own.averaged(heads[-latest:])


def _statement(
    algorithm: ImitationConfig, reward: FeatureReward, weighting: Weighting, archived: int
) -> dict[str, Any]:
    with torch.no_grad():
        absorbing = float(reward.from_features(reward.features.absorbing[None]))
    statement: dict[str, Any] = {
        "weighting": weighting,
        "discriminators": 1 if weighting == "newest" else archived,
        # AIRL's reward is in nats, and its logit holds the entropy with weight 1
        "entropy_coef": algorithm.entropy_coef + isinstance(algorithm, AirlConfig),
        "absorbing_reward": absorbing,
        "inputs": list(algorithm.discriminator.inputs),
    }
    if isinstance(algorithm, GailConfig):
        # an average of rewards is one of logits, whatever the run itself was rewarded with
        statement["form"] = algorithm.reward_form if weighting == "newest" else "logit"
    if isinstance(algorithm, AirlConfig):
        statement["form"] = "reward without shaping"
    if weighting == "chain" and isinstance(algorithm, TrirlConfig):
        statement["form"] = algorithm.reward.form
        if isinstance(reward, RewardChain):
            statement["discriminators"] = reward.length
            statement["weights"] = reward.weights.tolist()
            statement["dropped_mass"] = reward.dropped_mass
    return statement
