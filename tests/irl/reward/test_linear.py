import pytest
import torch
from reward_corrections import HIDDEN, STEPS, Corrected, shaken

from trirl_robot.irl.reward.forms import reward_of_form
from trirl_robot.irl.reward.linear import LinearConfig, build_basis

BASES = ("inputs", "quadratic", "fourier", "learnt")


def make_reward(features, basis):
    config = LinearConfig(basis=basis, count=24)
    return reward_of_form(config, features, HIDDEN, torch.Generator().manual_seed(0))


def with_new_weights(discriminator, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        discriminator.weights.copy_(torch.randn(discriminator.weights.shape, generator=generator))
        discriminator.bias.copy_(torch.randn(1, generator=generator))
    return discriminator


@pytest.mark.parametrize("basis", BASES)
def test_correcting_parameters_equals_the_recursion_of_functions(features, basis):
    corrected = Corrected(make_reward(features, basis))
    discriminator = corrected.reward.new_discriminator(HIDDEN, torch.Generator())
    for seed, step in enumerate(STEPS):
        corrected.correct(with_new_weights(discriminator, seed), step)
    reward = corrected.reward.from_features(corrected.batch)
    torch.testing.assert_close(reward, corrected.expected, atol=2e-5, rtol=1e-4)
    again = corrected.reward.from_features(corrected.demonstrations)
    torch.testing.assert_close(corrected.on_demonstrations, again, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("basis", BASES)
def test_slopes_are_those_of_automatic_differentiation(basis):
    generator = torch.Generator().manual_seed(1)
    functions = shaken(build_basis(LinearConfig(basis=basis, count=12), 5, generator), 3).double()
    inputs = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(functions.size, dtype=torch.float64)
    (expected,) = torch.autograd.grad((functions(inputs) @ weights).sum(), inputs)
    torch.testing.assert_close(functions.slope(inputs, weights), expected)


def test_the_quadratic_features_are_inputs_and_all_products():
    functions = build_basis(LinearConfig(basis="quadratic"), 3, torch.Generator())
    values = functions(torch.tensor([[2.0, 3.0, 5.0]]))
    assert sorted(values[0].tolist()) == sorted([2.0, 3, 5, 4, 6, 10, 9, 15, 25])


def test_fourier_features_approximate_their_kernel():
    config = LinearConfig(basis="fourier", count=20_000, bandwidth=2.0)
    functions = build_basis(config, 4, torch.Generator().manual_seed(0))
    first, second = torch.randn(2, 4) * 0.7
    waves = functions(torch.stack([first, second]))[:, 4:]
    kernel = torch.exp(-((first - second) ** 2).sum() / (2 * 2.0**2))
    assert float(waves[0] @ waves[1]) == pytest.approx(float(kernel), abs=0.03)


def test_learnt_features_are_frozen_by_the_first_correction_also_in_a_loaded_reward(features):
    reward = make_reward(features, "learnt")
    corrected = Corrected(reward)
    discriminator = reward.new_discriminator(HIDDEN, torch.Generator())
    assert any(parameter.requires_grad for parameter in discriminator.basis.parameters())
    corrected.correct(discriminator, 0.1)
    loaded = make_reward(features, "learnt")
    loaded.load_state_dict(reward.state_dict())
    for one in (reward, loaded):
        assert not any(parameter.requires_grad for parameter in one.basis.parameters())
    assert all(p.requires_grad for p in (discriminator.weights, discriminator.bias))


def test_the_average_is_the_mean_of_the_parameters(features):
    reward = make_reward(features, "fourier")
    discriminator = reward.new_discriminator(HIDDEN, torch.Generator())
    inputs, heads, logits = torch.randn(20, features.size), [], []
    for seed in range(3):
        with_new_weights(discriminator, seed)
        heads.append(discriminator.head())
        logits.append(discriminator(inputs).detach())
    average = reward.averaged(torch.stack(heads))
    torch.testing.assert_close(
        average.from_features(inputs), torch.stack(logits).mean(0), atol=1e-5, rtol=1e-4
    )
