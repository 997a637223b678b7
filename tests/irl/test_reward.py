import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.irl.correction import corrected_step_size
from trirl_robot.irl.discriminator import Discriminator
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.reward import RewardChain, RewardConfig
from trirl_robot.sim.env import make_env


@pytest.fixture(scope="module")
def features():
    contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
    return FeatureSelection(contract, ("joint_velocity", "end_effector_to_target", "action"))


def make_discriminator(features, seed):
    generator = torch.Generator().manual_seed(seed)
    discriminator = Discriminator(features.size, 8, generator)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return discriminator


@given(step_size=st.floats(0.001, 1.0), eta=st.floats(0.0, 1e4))
def test_the_corrected_step_is_smaller_and_positive(step_size, eta):
    corrected = corrected_step_size(step_size, eta)
    assert 0.0 < corrected <= step_size
    assert corrected * (1.0 + eta) == pytest.approx(step_size)


@pytest.mark.parametrize(("step_size", "eta"), [(0.0, 1.0), (1.1, 1.0), (0.5, -0.1)])
def test_steps_outside_the_theorem_are_refused(step_size, eta):
    with pytest.raises(ConfigError, match="expected"):
        corrected_step_size(step_size, eta)


def test_the_chain_equals_the_recursion_written_out(features):
    chain = RewardChain(RewardConfig(maximum_length=50, tolerance=0.0), features, 8)
    observation, action = torch.randn(30, 26), torch.rand(30, 5) * 2 - 1
    inputs = features(observation, action)
    expected = torch.zeros(30)
    for seed, step in enumerate([0.2, 0.05, 0.13, 0.4, 0.01]):
        discriminator = make_discriminator(features, seed)
        expected = (1 - step) * expected + step * discriminator(inputs).detach()
        chain.correct(discriminator, step)
    torch.testing.assert_close(chain(observation, action), expected, atol=1e-6, rtol=1e-5)


def test_later_training_of_a_discriminator_leaves_the_chain_alone(features):
    chain = RewardChain(RewardConfig(), features, 8)
    discriminator = make_discriminator(features, 0)
    chain.correct(discriminator, 0.5)
    inputs = torch.randn(4, features.size)
    before = chain.from_features(inputs)
    with torch.no_grad():
        discriminator.first.weight.zero_()
    torch.testing.assert_close(chain.from_features(inputs), before)


def test_dropped_mass_is_what_the_weights_lack(features):
    chain = RewardChain(RewardConfig(maximum_length=6, tolerance=0.1), features, 8)
    full = 0.0
    for seed in range(25):
        chain.correct(make_discriminator(features, seed), 0.15)
        full = 0.85 * full + 0.15
        assert chain.length <= 6
        assert float(chain.weights.sum()) + chain.dropped_mass == pytest.approx(full, abs=1e-5)
    assert chain.dropped_mass > 0.1


def test_a_cautious_run_keeps_its_small_steps(features):
    chain = RewardChain(RewardConfig(), features, 8)
    for seed in range(20):
        chain.correct(make_discriminator(features, seed), corrected_step_size(0.2, 500.0))
    assert chain.length == 20
    assert chain.dropped_mass == 0.0


def test_a_chain_is_saved_and_loaded_at_its_own_length(features):
    chain = RewardChain(RewardConfig(), features, 8)
    for seed in range(3):
        chain.correct(make_discriminator(features, seed), 0.1)
    other = RewardChain(RewardConfig(), features, 8)
    other.load_state_dict(chain.state_dict())
    inputs = torch.randn(9, features.size)
    assert torch.equal(other.from_features(inputs), chain.from_features(inputs))


def test_an_unknown_input_offers_the_nearest():
    contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
    with pytest.raises(ConfigError, match="did you mean 'joint_velocity'"):
        FeatureSelection(contract, ("joint_velocities",))
