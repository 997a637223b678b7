import numpy as np
import torch

from trirl_robot.rl.critic import Critic
from trirl_robot.rl.networks import InputScaler
from trirl_robot.rl.policy import GaussianPolicy, gaussian_kl, log_prob


def normal(mean, log_std):
    return torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)


def test_density_and_divergence_agree_with_torch():
    torch.manual_seed(0)
    mean, old_mean, action = torch.randn(3, 8, 4)
    log_std, old_log_std = torch.randn(2, 4) * 0.3
    new, old = normal(mean, log_std), normal(old_mean, old_log_std)
    torch.testing.assert_close(log_prob(action, mean, log_std), new.log_prob(action))
    expected = torch.distributions.kl_divergence(new, old)
    torch.testing.assert_close(gaussian_kl(mean, log_std, old_mean, old_log_std), expected)


def make_policy(std=0.2):
    return GaussianPolicy(
        3, 2, hidden=(16,), initial_std=std, generator=torch.Generator().manual_seed(0)
    )


def test_samples_have_the_stated_mean_deviation_and_entropy():
    policy = make_policy()
    observation = torch.randn(1, 3).expand(50_000, 3)
    noise = torch.randn(50_000, 2, generator=torch.Generator().manual_seed(1))
    action, mean = policy.sample(observation, noise)
    torch.testing.assert_close(action.mean(0), mean[0], atol=5e-3, rtol=0)
    torch.testing.assert_close(action.std(0), torch.full((2,), 0.2), atol=5e-3, rtol=0)
    expected = normal(mean[0], policy.log_std).entropy()
    torch.testing.assert_close(policy.entropy(), expected)


def test_means_stay_within_the_action_range():
    policy = make_policy()
    with torch.no_grad():
        policy.network[-1].weight.mul_(1e4)
        assert policy(torch.randn(100, 3)).abs().max() <= 1.0


def test_scaled_inputs_are_standardised_and_keep_their_order():
    values = torch.randn(4000, 3) * torch.tensor([1.0, 5.0, 0.1]) + 3.0
    scaler = InputScaler(3)
    scaler.fit(values)
    scaled = scaler(values)
    np.testing.assert_allclose(scaled.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1.0, atol=1e-3)
    assert torch.equal(scaled.argsort(0), values.argsort(0))


def test_a_hold_within_a_movement_is_resolved():
    # nine parts hold within millimetres, one part moves over decimetres
    values = torch.cat([torch.randn(900, 1) * 0.002, torch.randn(100, 1) * 0.2])
    scaler = InputScaler(1)
    scaler.fit(values)
    near = scaler(torch.tensor([[0.0], [0.01]]))
    assert near[1] - near[0] > 1.0
    assert 0.01 / values.std() < 0.2


def test_a_constant_input_stays_finite():
    scaler = InputScaler(2)
    scaler.fit(torch.tensor([[1.0, 0.0]]).repeat(10, 1))
    assert torch.isfinite(scaler(torch.tensor([[1.0, 5.0]]))).all()


def test_moving_the_critics_scale_leaves_its_predictions():
    critic = Critic(3, hidden=(8,), generator=torch.Generator().manual_seed(0))
    observation = torch.randn(20, 3)
    before = critic(observation)
    critic.track(torch.randn(500) * 30.0 + 100.0)
    assert critic.mean > 5.0
    torch.testing.assert_close(critic(observation), before, atol=1e-5, rtol=1e-5)
