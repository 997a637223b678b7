"""A reward file whose reward is known."""

import numpy as np
import torch

from trirl_robot.export.onnx import export_reward

STATEMENT = {"reward": {"weighting": "average", "absorbing_reward": -1.5, "entropy_coef": 0.03}}


class Wish(torch.nn.Module):
    """Wants the first action at 0.5 and, if it reads them, observations to stay as they are."""

    def forward(self, observation, action, following=None):
        reward = -((action[:, 0] - 0.5) ** 2)
        return reward if following is None else reward - (following - observation).abs().sum(-1)


def write_wish(path, contract, *, follows=False, provenance=STATEMENT):
    generator = np.random.default_rng(0)
    observation, following = generator.normal(size=(2, 20, contract.observation_size))
    action = generator.uniform(-1, 1, (20, contract.action_size))
    export_reward(
        Wish(), contract, observation, action, provenance, path,
        golden_next_observations=following if follows else None,
    )  # fmt: skip
    return path
