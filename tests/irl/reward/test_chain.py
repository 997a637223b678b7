import pytest
import torch
from reward_corrections import HIDDEN, STEPS, Corrected, make_discriminator

from trirl_robot.irl.correction import corrected_step_size
from trirl_robot.irl.reward.chain import ChainConfig, RewardChain


def make_chain(features, **settings):
    return RewardChain(ChainConfig(**settings), features, HIDDEN)


def test_the_chain_equals_the_recursion_written_out(features):
    corrected = Corrected(make_chain(features, tolerance=0.0))
    for seed, step in enumerate(STEPS):
        corrected.correct(make_discriminator(features, seed), step)
    reward = corrected.reward.from_features(corrected.batch)
    torch.testing.assert_close(reward, corrected.expected, atol=2e-6, rtol=1e-5)


def test_observation_and_action_lead_to_the_same_reward(features):
    corrected = Corrected(make_chain(features))
    corrected.correct(make_discriminator(features, 0), 0.3)
    observation, action = torch.randn(30, 26), torch.rand(30, 5) * 2 - 1
    chain = corrected.reward
    torch.testing.assert_close(
        chain(observation, action), chain.from_features(features(observation, action))
    )


def test_later_training_of_a_discriminator_leaves_the_chain_alone(features):
    corrected = Corrected(make_chain(features))
    discriminator = make_discriminator(features, 0)
    corrected.correct(discriminator, 0.5)
    before = corrected.reward.from_features(corrected.batch)
    with torch.no_grad():
        discriminator.layers.first.weight.zero_()
    assert torch.equal(corrected.reward.from_features(corrected.batch), before)


def test_what_is_followed_on_the_demonstrations_is_the_chain_also_after_it_drops(features):
    corrected = Corrected(make_chain(features, maximum_length=6, tolerance=0.1))
    chain, full = corrected.reward, 0.0
    for seed in range(25):
        followed = corrected.correct(make_discriminator(features, seed), 0.15)
        full = 0.85 * full + 0.15
        assert chain.length <= 6
        assert abs(float(chain.weights.sum()) + chain.dropped_mass - full) < 1e-5
        again = chain.from_features(corrected.demonstrations)
        torch.testing.assert_close(followed, again, atol=5e-6, rtol=1e-5)
    assert chain.dropped_mass > 0.1
    assert chain.metrics()["reward/dropped_mass"] == chain.dropped_mass


def test_a_cautious_run_keeps_its_small_steps(features):
    corrected = Corrected(make_chain(features))
    for seed in range(20):
        corrected.correct(make_discriminator(features, seed), corrected_step_size(0.2, 500.0))
    assert corrected.reward.metrics()["reward/chain_length"] == 20
    assert corrected.reward.dropped_mass == 0.0


def test_small_steps_after_large_ones_still_change_the_reward(features):
    corrected = Corrected(make_chain(features))
    for seed in range(60):
        step = corrected_step_size(0.2, 5.0 if seed < 5 else 700.0)
        corrected.correct(make_discriminator(features, seed), step)
    chain = corrected.reward
    assert chain.metrics()["reward/total_weight"] == pytest.approx(float(chain.weights.sum()))
    assert chain.length == 60
    reward = chain.from_features(corrected.batch)
    torch.testing.assert_close(reward, corrected.expected, atol=5e-6, rtol=1e-5)


def test_what_is_dropped_for_its_little_weight_is_a_small_share(features):
    corrected = Corrected(make_chain(features))
    full = 0.0
    for seed in range(60):
        corrected.correct(make_discriminator(features, seed), 0.2)
        full = 0.8 * full + 0.2
    chain = corrected.reward
    # (1 - 0.2)^n is a hundredth at n = 20.6
    assert chain.length == 21
    assert 0.0 < chain.dropped_mass <= 0.01 * full


def test_a_chain_is_saved_and_loaded_at_its_own_length(features):
    corrected = Corrected(make_chain(features))
    for seed in range(3):
        corrected.correct(make_discriminator(features, seed), 0.1)
    other = make_chain(features)
    other.load_state_dict(corrected.reward.state_dict())
    assert torch.equal(
        other.from_features(corrected.batch), corrected.reward.from_features(corrected.batch)
    )


def test_the_average_weighs_all_discriminators_alike(features):
    networks = [make_discriminator(features, seed) for seed in range(4)]
    average = make_chain(features).averaged(torch.stack([n.head() for n in networks]))
    inputs = torch.randn(20, features.size)
    with torch.no_grad():
        expected = torch.stack([network(inputs) for network in networks]).mean(0)
    torch.testing.assert_close(average.from_features(inputs), expected, atol=2e-6, rtol=1e-5)
