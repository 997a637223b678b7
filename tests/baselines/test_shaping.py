import math

import pytest
import torch
from corridor import CONTRACT
from torch import nn

from trirl_robot.baselines.shaping import (
    ShapedDiscriminator,
    ShapedFeatures,
    shaping_inputs,
    transition_rows,
)
from trirl_robot.errors import ConfigError
from trirl_robot.irl.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorTrainer,
)
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.samples import Samples

GAMMA, SHARPNESS = 0.9, 8.0


class Linear(nn.Module):
    """N(slope s + offset, deviation^2)."""

    def __init__(self, slope, offset, deviation):
        super().__init__()
        self.slope, self.offset = slope, offset
        self.log_std = nn.Parameter(torch.tensor([math.log(deviation)]))

    def forward(self, observation):
        return self.slope * observation + self.offset


def steps(policy, count, generator):
    """Transitions of s' = (s + a) / 2 from the same states, whatever the policy."""
    state = 1.2 * torch.rand(count, 1, generator=generator) - 0.6
    noise = torch.randn(count, 1, generator=generator)
    action = (policy(state) + policy.log_std.exp() * noise).detach()
    return transition_rows(state, action, (state + action) / 2, torch.zeros(count))


def make_trainer(policy, expert, generator, inputs=("position",), **settings):
    config = DiscriminatorConfig(inputs=inputs, **settings)
    features = ShapedFeatures(
        FeatureSelection(CONTRACT, inputs, noise=config.instance_noise, scaling="linear"),
        FeatureSelection(CONTRACT, ("position",), scaling="linear"),
        policy,
        CONTRACT,
    )
    reward = Discriminator(features.reward.size, config.hidden, generator)
    shaping = Discriminator(features.state.size, config.hidden, generator)
    network = ShapedDiscriminator(reward, shaping, GAMMA)
    return DiscriminatorTrainer(config, network, features, expert, generator)


@pytest.mark.parametrize("policy", [Linear(0.0, 0.3, 0.5), Linear(-0.3, -0.2, 0.7)])
def test_the_best_classifier_holds_the_reward_that_the_expert_maximises(policy):
    # the reward -k s^2 is of the state alone and s' = (s + a) / 2: the soft-optimal value is
    # -k s^2 + c, and the expert exp(Q(s, a) - V(s)) the Gaussian about -s with variance 2 / (g k)
    generator = torch.Generator().manual_seed(0)
    expert = Linear(-1.0, 0.0, math.sqrt(2.0 / (GAMMA * SHARPNESS)))
    trainer = make_trainer(
        policy,
        Samples(inputs=steps(expert, 40_000, generator), absorbing_share=0.0),
        generator,
        hidden=32,
        learning_rate=1e-2,
        epochs=10,
        minibatch=1000,
        gradient_penalty=0.0,
    )
    trainer.update(Samples(inputs=steps(policy, 40_000, generator), absorbing_share=0.0), generator)
    state = torch.linspace(-0.4, 0.4, 17)[:, None]
    read = trainer.features.reward(state, torch.zeros_like(state))
    reward = trainer.discriminator.reward(read).detach()
    expected = -SHARPNESS * state[:, 0] ** 2
    error = (reward - reward.mean()) - (expected - expected.mean())
    assert float(error.abs().max()) < 0.2 * float(expected.max() - expected.min())
    # and the whole is the expert's log density, whoever the policy is
    rows = steps(expert, 4000, generator)
    features = trainer.features.scale(rows)
    advantage = (trainer.discriminator(features) + features[:, -1]).detach()
    deviation = expert.log_std.exp().detach()
    density = -0.5 * ((rows[:, 1] + rows[:, 0]) / deviation) ** 2 - torch.log(
        deviation * math.sqrt(2 * math.pi)
    )
    assert float((advantage - density).abs().mean()) < 0.3


def test_the_written_out_gradient_equals_autograd():
    generator = torch.Generator().manual_seed(0)
    network = ShapedDiscriminator(
        Discriminator(3, 8, generator), Discriminator(2, 8, generator), GAMMA
    ).double()
    features = torch.randn(9, 8, dtype=torch.float64, generator=generator).requires_grad_()
    logit, slope = network.logit_and_slope(features)
    (expected,) = torch.autograd.grad(logit.sum(), features)
    torch.testing.assert_close(slope[:, :-1], expected[:, :-1])
    torch.testing.assert_close(network(features), logit)
    assert not slope[:, -1].any()


def test_what_the_discriminator_reads_of_a_transition():
    policy = Linear(0.5, 0.0, 0.2)
    generator = torch.Generator().manual_seed(0)
    expert = Samples(inputs=steps(policy, 500, generator), absorbing_share=0.0)
    trainer = make_trainer(policy, expert, generator, ("position", "action"))
    state, action = torch.tensor([[0.2], [0.2]]), torch.tensor([[0.3], [0.3]])
    rows = transition_rows(state, action, 2 * state, torch.tensor([False, True]))
    read = trainer.features
    features = read.scale(rows)
    torch.testing.assert_close(features[:, :3], read.reward(state, action))
    torch.testing.assert_close(features[:, 3:5], read.state(state, action))
    torch.testing.assert_close(features[0, 5:7], read.state(2 * state, action)[0])
    assert features[1, 5:7].tolist() == [0.0, 1.0]
    density = torch.distributions.Normal(0.1, 0.2).log_prob(torch.tensor(0.3))
    torch.testing.assert_close(features[:, 7], density.expand(2))
    expected = torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, -math.log(2.0)])
    torch.testing.assert_close(read.absorbing, expected)


def test_the_logit_of_an_absorbing_state_is_the_ratio_of_the_time_spent_there():
    policy, generator = Linear(0.0, 0.0, 0.5), torch.Generator().manual_seed(0)
    rows = steps(policy, 8000, generator)
    trainer = make_trainer(
        policy,
        Samples(inputs=rows, absorbing_share=0.8),
        generator,
        ("position", "action"),
        hidden=32,
        learning_rate=1e-2,
        epochs=20,
        gradient_penalty=0.0,
    )
    trainer.update(Samples(inputs=rows, absorbing_share=0.4), generator)
    logit = trainer.discriminator(trainer.features.absorbing[None])
    assert float(logit.detach()) == pytest.approx(math.log(0.8 / 0.4), abs=0.15)
    alive = trainer.discriminator(trainer.features.scale(rows)).detach()
    assert float(alive.mean()) == pytest.approx(math.log(0.2 / 0.6), abs=0.15)


def test_noise_moves_the_density_and_the_shaping_too():
    policy, generator = Linear(1.0, 0.0, 0.5), torch.Generator().manual_seed(0)
    rows = steps(policy, 2000, generator)
    noise = {"position": 0.5}
    expert = Samples(inputs=rows, absorbing_share=0.0)
    trainer = make_trainer(policy, expert, generator, ("position",), instance_noise=noise)
    disturbed = trainer.features.disturbed(rows, generator)
    moved = trainer.features.scale(disturbed) - trainer.features.scale(rows)
    # reward and shaping read the same position, with the same noise; the absorbing marks stay
    torch.testing.assert_close(
        moved[:, 0] * trainer.features.reward.scaler.deviation,
        moved[:, 2] * trainer.features.state.scaler.deviation,
    )
    assert (moved.abs().mean(0) > 0.1).tolist() == [True, False, True, False, True, False, True]


def test_the_shaping_reads_what_the_reward_reads_of_a_state():
    for inputs, expected in (
        (("observation", "action"), ("observation",)),
        (("action", "action.1"), ("observation",)),
        (("next_observation",), ("observation",)),
        (("joint_velocity", "action"), ("joint_velocity",)),
        (("next_place", "joint_velocity.0", "place"), ("place", "joint_velocity.0")),
        (("end_effector_to_target.norm",), ("end_effector_to_target.norm",)),
    ):
        assert shaping_inputs(inputs) == expected


def test_noise_of_a_length_is_refused_where_it_is_added_to_the_vector():
    rows = transition_rows(*(torch.zeros(3, 1) for _ in range(3)), torch.zeros(3))
    expert, generator = Samples(inputs=rows, absorbing_share=0.0), torch.Generator()
    name = "position.norm"
    with pytest.raises(ConfigError, match=r"length \(\.norm\)"):
        make_trainer(Linear(0, 0, 1), expert, generator, (name,), instance_noise={name: 0.5})


def test_the_slopes_of_the_reward_are_penalised_whatever_the_density():
    generator = torch.Generator().manual_seed(0)
    policy, expert = Linear(0.0, 0.3, 0.5), Linear(-1.0, 0.0, 0.3)
    norms = []
    for penalty in (0.0, 100.0):
        trainer = make_trainer(
            policy,
            Samples(inputs=steps(expert, 2000, generator), absorbing_share=0.0),
            generator,
            gradient_penalty=penalty,
            learning_rate=2e-3,
            epochs=20,
        )
        result = trainer.update(
            Samples(inputs=steps(policy, 2000, generator), absorbing_share=0.0), generator
        )
        norms.append(result.gradient_norm)
    assert norms[1] < 0.1 * norms[0]
