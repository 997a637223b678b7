"""A small policy and reward, exported once."""

import numpy as np
import pytest
import torch

from trirl_robot.export.onnx import export_policy, export_reward


class Policy(torch.nn.Module):
    """Normaliser, network and squashing in one module, as the trainer hands it over."""

    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.linspace(-0.5, 0.5, observations))
        self.register_buffer("deviation", torch.linspace(0.5, 2.0, observations))
        self.net = torch.nn.Sequential(
            torch.nn.Linear(observations, 64), torch.nn.Tanh(), torch.nn.Linear(64, actions)
        )

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        normal = ((observation - self.mean) / self.deviation).clamp(-10, 10)
        return torch.tanh(self.net(normal))


class Reward(torch.nn.Module):
    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(observations + actions, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
        )

    def forward(self, observation: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([observation, action], dim=1)).squeeze(1)


@pytest.fixture
def policy(make_contract):
    torch.manual_seed(0)
    contract = make_contract()
    return Policy(contract.observation_size, contract.action_size)


@pytest.fixture
def reward(make_contract):
    torch.manual_seed(1)
    contract = make_contract()
    return Reward(contract.observation_size, contract.action_size)


@pytest.fixture
def draw(make_contract):
    """Random observations and actions of the contract's sizes."""
    contract = make_contract()
    generator = np.random.default_rng(0)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        return (
            generator.normal(0.0, 2.0, (count, contract.observation_size)),
            generator.uniform(-1.0, 1.0, (count, contract.action_size)),
        )

    return drawn


_exported: dict[str, bytes] = {}


def _file(path, export):
    """Export once, as tracing takes seconds; every test gets a copy of its own."""
    if path.name not in _exported:
        export(path)
        _exported[path.name] = path.read_bytes()
    path.write_bytes(_exported[path.name])
    return path


@pytest.fixture
def policy_file(policy, make_contract, draw, tmp_path):
    provenance = {"seed": 3, "git": "abc"}
    return _file(
        tmp_path / "policy.onnx",
        lambda path: export_policy(policy, make_contract(), draw(32)[0], provenance, path),
    )


@pytest.fixture
def reward_file(reward, make_contract, draw, tmp_path):
    return _file(
        tmp_path / "reward.onnx",
        lambda path: export_reward(reward, make_contract(), *draw(32), {"seed": 3}, path),
    )
