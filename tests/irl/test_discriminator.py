import math

import pytest
import torch

from trirl_robot.errors import ConfigError
from trirl_robot.irl.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorTrainer,
    calibration_gap,
)
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.replay import Replay
from trirl_robot.irl.samples import Samples
from trirl_robot.sim.env import make_env


def test_the_written_out_gradient_equals_autograd():
    discriminator = Discriminator(6, 16, torch.Generator().manual_seed(0)).double()
    inputs = torch.randn(12, 6, dtype=torch.float64, requires_grad=True)
    logit, slope = discriminator.logit_and_slope(inputs)
    (expected,) = torch.autograd.grad(logit.sum(), inputs)
    torch.testing.assert_close(slope, expected)
    torch.testing.assert_close(discriminator(inputs), logit)


def make_trainer(expert, absorbing_share=0.0, **settings):
    """Return a trainer for an expert of given observations, and its features."""
    contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
    config = DiscriminatorConfig(
        **{"inputs": ("end_effector_to_target",), "gradient_penalty": 0.0, "epochs": 20, **settings}
    )
    features = FeatureSelection(contract, config.inputs, noise=config.instance_noise)
    samples = side(features, expert, absorbing_share)
    generator = torch.Generator().manual_seed(0)
    network = Discriminator(features.size, config.hidden, generator)
    return DiscriminatorTrainer(config, network, features, samples, generator)


def side(features, observation, absorbing_share=0.0):
    inputs = features.select(observation, torch.zeros(len(observation), 5), observation)
    return Samples(inputs=inputs, absorbing_share=absorbing_share)


def update(trainer, policy, seed=0):
    return trainer.update(side(trainer.features, policy), torch.Generator().manual_seed(seed))


def test_the_logit_approaches_the_log_density_ratio():
    # expert N(0, 1), policy N(1, 1) in one coordinate: log ratio = 1/2 - x
    torch.manual_seed(0)
    expert, policy = torch.randn(8000, 26), torch.randn(8000, 26)
    policy[:, 23] += 1.0
    trainer = make_trainer(expert)
    for seed in range(4):
        result = update(trainer, policy, seed)
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
    result = update(make_trainer(expert, minibatch=2000), policy)
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
        trainer = make_trainer(
            expert,
            inputs=("joint_velocity",),
            instance_noise={"joint_velocity": noise},
            epochs=10,
            learning_rate=3e-3,
        )
        accuracy.append(update(trainer, policy).accuracy)
    assert accuracy[0] > 0.9
    assert accuracy[1] < 0.75


def test_noise_for_an_input_that_is_not_read_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'joint_velocity'"):
        DiscriminatorConfig(inputs=("joint_velocity",), instance_noise={"joint_velocty": 0.1})


@pytest.mark.parametrize("gradient_penalty", [0.0, 10.0])
def test_the_logit_of_an_absorbing_state_is_the_ratio_of_the_time_spent_there(gradient_penalty):
    # also where everything else is smooth: no way leads there
    torch.manual_seed(0)
    same = torch.randn(8000, 26)
    settings = {"learning_rate": 2e-3, "gradient_penalty": gradient_penalty}
    trainer = make_trainer(same, absorbing_share=0.8, **settings)
    policy = side(trainer.features, same, absorbing_share=0.4)
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        trainer.update(policy, generator)
    logit = trainer.discriminator(trainer.features.absorbing[None])
    # a hundredth is added to either side's share
    assert float(logit.detach()) == pytest.approx(math.log(0.81 / 0.41), abs=0.1)
    alive = trainer.discriminator(trainer.features.scale(policy.inputs)).detach().mean()
    assert float(alive) == pytest.approx(math.log(0.2 / 0.6), abs=0.1)


def test_the_logit_of_an_absorbing_state_stays_what_it_is_when_nobody_gets_there():
    torch.manual_seed(0)
    trainer = make_trainer(torch.randn(4000, 26), learning_rate=2e-3)
    policy = torch.randn(4000, 26) + 2.0
    for seed in range(3):
        update(trainer, policy, seed)
    logit = trainer.discriminator(trainer.features.absorbing[None])
    assert float(logit.detach()) == pytest.approx(0.0, abs=0.2)


def test_an_absorbing_state_is_remembered_when_the_policy_does_not_get_there_any_more():
    torch.manual_seed(0)
    same = torch.randn(4000, 26)
    trainer = make_trainer(same, learning_rate=2e-3)
    generator = torch.Generator().manual_seed(1)
    for share in (0.3, 0.3, 0.0, 0.0, 0.0):
        trainer.update(side(trainer.features, same, absorbing_share=share), generator)
    logit = trainer.discriminator(trainer.features.absorbing[None])
    # it is forgotten by a hundredth in an iteration
    assert float(logit.detach()) == pytest.approx(math.log(0.01 / (0.01 + 0.3 * 0.99**3)), abs=0.2)


def test_terminations_count_for_as_long_as_the_discount_lets_them():
    # 10 of 100 steps end an episode, each followed by 99 discounted steps of nothing
    share = Samples.of(torch.zeros(100, 2), 10, gamma=0.99).absorbing_share
    assert share == pytest.approx(990.0 / 1090.0)
    assert Samples.of(torch.zeros(100, 2), 0, gamma=0.99).absorbing_share == 0.0
    # whoever keeps one step in ten of them all has ended no more often for it
    thinned = Samples.of(torch.zeros(10, 2), 10, gamma=0.99, steps=100)
    assert thinned.absorbing_share == share


def test_a_replay_keeps_every_row_with_the_same_probability():
    generator = torch.Generator().manual_seed(0)
    replay = Replay(200, 1, torch.device("cpu"))
    for first in range(0, 2000, 50):
        replay.add(torch.arange(first, first + 50.0)[:, None], generator)
    drawn = replay.draw(4000, generator)
    assert replay.count == 200
    assert float(drawn.mean()) == pytest.approx(1000.0, abs=150.0)


def test_of_rows_that_are_drawn_the_same_place_the_last_stays():
    replay = Replay(3, 1, torch.device("cpu"))
    replay.add(torch.zeros(3, 1), torch.Generator())
    kept = torch.Generator().manual_seed(5)
    replay.add(torch.arange(1.0, 401.0)[:, None], kept)
    places = torch.rand(400, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    expected = torch.zeros(3)
    for row, place in enumerate((places * (4 + torch.arange(400))).long().tolist()):
        if place < 3:
            expected[place] = row + 1.0
    assert torch.equal(replay.rows[:, 0], expected)


def test_a_replay_of_earlier_policies_is_trained_against():
    # the first policy is told from the expert, and later policies are the expert itself
    torch.manual_seed(0)
    expert, early = torch.randn(4000, 26), torch.randn(4000, 26)
    early[:, 23] += 3.0
    logits = []
    for share in (0.0, 0.5):
        trainer = make_trainer(expert, replay_share=share, learning_rate=2e-3)
        update(trainer, early)
        for seed in range(4):
            update(trainer, torch.randn(4000, 26), seed)
        features = trainer.features.scale(side(trainer.features, early).inputs)
        logits.append(float(trainer.discriminator(features).detach().mean()))
    assert logits[1] < logits[0] - 0.5


@pytest.mark.parametrize("gradient_norm", [0.0, 1.0])
def test_slopes_between_expert_and_policy_are_held_to_the_norm(gradient_norm):
    torch.manual_seed(0)
    expert, policy = torch.randn(4000, 26), torch.randn(4000, 26)
    policy[:, 23] += 2.0
    measured = []
    for penalty in (0.0, 50.0):
        trainer = make_trainer(
            expert, gradient_penalty=penalty, gradient_norm=gradient_norm, learning_rate=2e-3
        )
        for seed in range(3):
            result = update(trainer, policy, seed)
        measured.append(result.gradient_norm)
    # by itself it is about the slope of the log density ratio, 2
    assert measured[0] > 1.5
    assert measured[1] == pytest.approx(gradient_norm, abs=0.05)


def test_nothing_is_penalised_on_the_way_to_an_absorbing_state():
    torch.manual_seed(0)
    expert = torch.randn(600, 26)
    heads = []
    for penalty in (0.0, 10.0):
        trainer = make_trainer(expert, gradient_penalty=penalty, epochs=2)
        absorbed = side(trainer.features, torch.randn(600, 26), 1.0 - 1e-9)
        trainer.update(absorbed, torch.Generator().manual_seed(1))
        heads.append(trainer.discriminator.head())
    assert torch.equal(*heads)
