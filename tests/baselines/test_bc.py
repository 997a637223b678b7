import torch

from trirl_robot.baselines.bc import CloningConfig, clone
from trirl_robot.rl.policy import GaussianPolicy


def test_a_smooth_expert_is_cloned_beyond_what_was_shown():
    generator = torch.Generator().manual_seed(0)
    observation = torch.randn(2000, 4, generator=generator)
    weights = torch.randn(4, 2, generator=generator) * 0.3

    def expert(x):
        return torch.tanh(x @ weights)

    policy = GaussianPolicy(4, 2, hidden=(32,), initial_std=0.2, generator=generator)
    policy.scaler.fit(observation)
    config = CloningConfig(updates=480, minibatch=256)
    result = clone(policy, observation, expert(observation), config, generator)
    fresh = torch.randn(500, 4, generator=generator)
    with torch.no_grad():
        error = ((policy(fresh) - expert(fresh)) ** 2).mean()
    assert error < 8e-3
    assert result.validation_error < 8e-3
    assert 1 <= result.epoch <= 60


def test_the_weights_with_the_least_validation_error_are_kept():
    generator = torch.Generator().manual_seed(0)
    # labels without any structure: training on them for long can only make matters worse
    observation = torch.randn(300, 4, generator=generator)
    action = torch.rand(300, 2, generator=generator) * 2 - 1
    policy = GaussianPolicy(4, 2, hidden=(128,), initial_std=0.2, generator=generator)
    policy.scaler.fit(observation)
    result = clone(policy, observation, action, CloningConfig(updates=160), generator)
    assert result.epoch < 40
    assert result.validation_error < 0.5
