import math

import pytest
import torch

from trirl_robot.errors import ConfigError
from trirl_robot.irl.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorTrainer,
    FeatureSelection,
    calibration_gap,
)
from trirl_robot.sim.env import make_env


def test_the_written_out_gradient_equals_autograd():
    discriminator = Discriminator(6, 16, torch.Generator().manual_seed(0)).double()
    inputs = torch.randn(12, 6, dtype=torch.float64, requires_grad=True)
    logit, slope = discriminator.logit_and_slope(inputs)
    (expected,) = torch.autograd.grad(logit.sum(), inputs)
    torch.testing.assert_close(slope, expected)
    torch.testing.assert_close(discriminator(inputs), logit)


def make_trainer(expert_observation, expert_action, **settings):
    contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
    config = DiscriminatorConfig(
        inputs=("end_effector_to_target",), gradient_penalty=0.0, epochs=20, **settings
    )
    features = FeatureSelection(contract, config)
    return DiscriminatorTrainer(
        config, features, expert_observation, expert_action, torch.Generator().manual_seed(0)
    )


def test_the_logit_approaches_the_log_density_ratio():
    # expert N(0, 1), policy N(1, 1) in one coordinate: log ratio = 1/2 - x
    torch.manual_seed(0)
    expert, policy = torch.randn(8000, 26), torch.randn(8000, 26)
    policy[:, 23] += 1.0
    trainer = make_trainer(expert, torch.zeros(8000, 5))
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        result = trainer.update(policy, torch.zeros(8000, 5), generator)
    grid = torch.zeros(9, 26)
    grid[:, 23] = torch.linspace(-0.75, 1.75, 9)
    logit = trainer.discriminator(trainer.features(grid, torch.zeros(9, 5)))
    assert (logit.detach() - (0.5 - grid[:, 23])).abs().mean() < 0.2
    # the best possible classifier is right with probability Phi(1/2)
    best = 0.5 * (1 + math.erf(0.5 / math.sqrt(2)))
    assert result.accuracy == pytest.approx(best, abs=0.03)
    assert result.calibration < 0.05


def test_calibration_of_a_boastful_classifier_is_poor():
    logit = torch.full((1000,), 6.0)
    assert calibration_gap(logit, logit) == pytest.approx(0.5, abs=0.01)
    assert calibration_gap(torch.zeros(100), torch.zeros(900)) == pytest.approx(0.0, abs=1e-5)


def test_identical_samples_cannot_be_told_apart():
    torch.manual_seed(0)
    expert, policy = torch.randn(4000, 26), torch.randn(4000, 26)
    trainer = make_trainer(expert, torch.zeros(4000, 5), minibatch=2000)
    result = trainer.update(policy, torch.zeros(4000, 5), torch.Generator())
    assert abs(result.accuracy - 0.5) < 0.06
    assert result.loss == pytest.approx(math.log(2.0), abs=0.03)


def test_instance_noise_hides_what_is_smaller_than_it():
    # a small but consistent difference of every joint's velocity
    torch.manual_seed(0)
    expert, policy = torch.randn(4000, 26), torch.randn(4000, 26)
    expert[:, 5:10] *= 0.05
    policy[:, 5:10] = policy[:, 5:10] * 0.05 + 0.2
    accuracy = []
    for noise in (0.0, 1.0):
        contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
        config = DiscriminatorConfig(
            inputs=("joint_velocity",),
            instance_noise={"joint_velocity": noise},
            epochs=10,
            learning_rate=3e-3,
        )
        features = FeatureSelection(contract, config)
        trainer = DiscriminatorTrainer(
            config, features, expert, torch.zeros(4000, 5), torch.Generator().manual_seed(0)
        )
        accuracy.append(trainer.update(policy, torch.zeros(4000, 5), torch.Generator()).accuracy)
    assert accuracy[0] > 0.9
    assert accuracy[1] < 0.75


def test_noise_for_an_input_that_is_not_read_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'joint_velocity'"):
        DiscriminatorConfig(inputs=("joint_velocity",), instance_noise={"joint_velocty": 0.1})
