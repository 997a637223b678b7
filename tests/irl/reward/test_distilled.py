import copy

import pytest
import torch
from reward_corrections import HIDDEN, Corrected, make_discriminator

from trirl_robot.irl.reward.chain import ChainConfig, RewardChain
from trirl_robot.irl.reward.distilled import DistilledConfig, DistilledReward


def make_reward(features, **settings):
    config = DistilledConfig(hidden=(64, 64), minibatch=128, **settings)
    return DistilledReward(config, features, HIDDEN, torch.Generator().manual_seed(0))


@pytest.fixture
def corrected(features):
    result = Corrected(make_reward(features, epochs=16, learning_rate=3e-3))
    for seed in range(12):
        result.correct(make_discriminator(features, seed % 4), 0.1)
    return result


def test_it_starts_at_zero(features):
    inputs = torch.randn(5, features.size)
    assert torch.equal(make_reward(features).from_features(inputs), torch.zeros(5))


def test_it_follows_the_chain(corrected):
    reward = corrected.reward.from_features(corrected.batch).detach()
    error = (reward - corrected.expected).square().mean().sqrt() / corrected.expected.std()
    assert float(error) < 0.15
    assert corrected.reward.metrics()["reward/fit_error"] < 0.15
    again = corrected.reward.from_features(corrected.demonstrations)
    assert torch.equal(corrected.on_demonstrations, again)


def test_the_points_that_it_follows_have_the_chain_s_own_reward(features):
    corrected = Corrected(make_reward(features, replay_size=10_000))
    chain = RewardChain(ChainConfig(tolerance=0.0), features, HIDDEN)
    for seed in range(5):
        discriminator = make_discriminator(features, seed)
        corrected.correct(discriminator, 0.1)
        chain.weights = torch.cat([0.9 * chain.weights, torch.tensor([0.1])])
        chain.product.append(discriminator.head()[None])
    exact = chain.from_features(corrected.demonstrations)
    torch.testing.assert_close(corrected.reward._demonstrated, exact, atol=2e-6, rtol=1e-5)
    # those of the first batch: nothing was missed yet when they were taken in
    rows = corrected.reward._followed.rows[: len(corrected.batch) - 1]
    assert len(corrected.reward._followed.rows) == 5 * len(rows)
    torch.testing.assert_close(rows[:, -1], chain.from_features(rows[:, :-1]), atol=2e-6, rtol=1e-5)


def test_the_reward_of_an_absorbing_state_is_exact(corrected):
    reward = corrected.reward.from_features(corrected.batch)
    torch.testing.assert_close(reward[-1], corrected.expected[-1])


def test_another_scale_leaves_the_reward_as_it_is(corrected):
    before = corrected.reward.from_features(corrected.batch)
    with torch.no_grad():
        corrected.reward._rescale(17.0)
    after = corrected.reward.from_features(corrected.batch)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_a_loaded_reward_goes_on_bit_for_bit(features, corrected):
    other = Corrected(make_reward(features, epochs=16, learning_rate=3e-3))
    state = copy.deepcopy((corrected.reward.state_dict(), corrected.reward.optimiser.state_dict()))
    other.reward.load_state_dict(state[0])
    other.reward.optimiser.load_state_dict(state[1])
    other.generator.set_state(corrected.generator.get_state())
    other.on_demonstrations = corrected.on_demonstrations
    for each in (corrected, other):
        each.correct(make_discriminator(features, 9), 0.1)
    assert torch.equal(
        other.reward.from_features(corrected.batch), corrected.reward.from_features(corrected.batch)
    )
