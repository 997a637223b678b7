"""The projection in updates by PPO: its bound in every state, and its checkpoint."""

import copy

import pytest
import torch
from bandit import make_rollout, reward_of, setup

from trirl_robot.errors import ConfigError
from trirl_robot.irl.trust_region.forms import build_trust_region
from trirl_robot.irl.trust_region.gaussian import mean_kl
from trirl_robot.irl.trust_region.projection import ProjectionConfig, longest_step
from trirl_robot.rl.policy import gaussian_kl

TEMPERATURE = 0.05


def improve_within(config, rounds=4, **settings):
    """Yield, for each update: rollout, policy, region and result."""
    ppo, generator = setup(policy_learning_rate=3e-3, epochs=5, **settings)
    region = build_trust_region(config, TEMPERATURE)
    for _ in range(rounds):
        rollout = make_rollout(ppo.policy, generator)
        result = ppo.update(
            rollout,
            reward_of(rollout),
            entropy_coef=TEMPERATURE,
            generator=generator,
            trust_region=region,
        )
        region.finish(result.kl_mean, 0.0)
        yield rollout, ppo.policy, region, result


@pytest.mark.parametrize("mean_bound", [1e-4, 0.02])
@pytest.mark.parametrize("covariance_bound", [1e-5, 5e-3])
@pytest.mark.parametrize("regression_weight", [0.0, 8.0])
def test_the_bounds_hold_in_every_state_for_the_policy_that_acts(
    mean_bound, covariance_bound, regression_weight
):
    config = ProjectionConfig(
        mean_bound=mean_bound,
        covariance_bound=covariance_bound,
        regression_weight=regression_weight,
    )
    for rollout, policy, region, result in improve_within(config):
        mean = policy(rollout.observation).detach().double()
        log_std = policy.log_std.detach().double()
        old_mean, old_log_std = rollout.mean.double(), rollout.log_std.double()
        of_means = mean_kl(mean, old_mean, old_log_std)
        assert float(of_means.max()) <= mean_bound
        # the network had gone further, and went back no more than it had to
        assert region.metrics["trust_region/step_kept"] < 1.0
        assert float(of_means.max()) >= 0.9 * mean_bound
        of_covariance = gaussian_kl(old_mean[:1, 0], log_std, old_mean[:1, 0], old_log_std)
        assert float(of_covariance) <= covariance_bound
        assert region.is_met(result)
        assert result.kl_max <= region.kl_bound


def test_in_a_wide_region_it_is_ppo_without_one():
    wide = ProjectionConfig(mean_bound=1e6, covariance_bound=1e6)
    (*_, (_, bounded, region, _)) = improve_within(wide)
    ppo, generator = setup(policy_learning_rate=3e-3, epochs=5)
    for _ in range(4):
        rollout = make_rollout(ppo.policy, generator)
        ppo.update(rollout, reward_of(rollout), entropy_coef=TEMPERATURE, generator=generator)
    for a, b in zip(bounded.parameters(), ppo.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert region.metrics["trust_region/step_kept"] == 1.0
    assert region.metrics["trust_region/outside_share"] == 0.0
    assert region.metrics["trust_region/projection_multiplier_max"] == 0.0


def test_the_regression_keeps_the_network_near_its_projection():
    kept = []
    for weight in (0.0, 8.0):
        config = ProjectionConfig(regression_weight=weight)
        *_, (_, _, region, _) = improve_within(config)
        kept.append(region.metrics["trust_region/step_kept"])
    assert kept[1] > 2.0 * kept[0]


def test_the_policy_improves_all_the_same():
    rewards = [
        float(reward_of(rollout).mean())
        for rollout, *_ in improve_within(ProjectionConfig(), rounds=20)
    ]
    assert rewards[-1] > 0.5 * rewards[0]


def test_its_multiplier_may_be_the_projection_s_own():
    config = ProjectionConfig(multiplier="projection")
    *_, (_, _, region, _) = improve_within(config)
    assert region.eta == region.metrics["trust_region/projection_multiplier_max"] > 0.0


@pytest.mark.parametrize("multiplier", ["marginal", "projection"])
def test_a_restored_region_goes_on_as_it_would_have(multiplier):
    config = ProjectionConfig(multiplier=multiplier)
    *_, (_, policy, first, _) = improve_within(config, rounds=1)
    second = build_trust_region(config, TEMPERATURE)
    second.set_state(copy.deepcopy(first.get_state()))
    assert second.get_state() == first.get_state()
    assert second.eta == first.eta > 0.0
    second.begin(policy, 2.0)


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (lambda t: 4.0 * t**2, 0.5),
        (lambda t: 0.5 * t**2, 1.0),
        (lambda t: 8.0 * t**3, 0.5),
        (lambda t: 50.0 * t, 0.02),
        (lambda t: float(t > 0.3) * 9.0, 0.3),
        (lambda t: float(t > 0.0) * 9.0, 0.0),
    ],
)
def test_a_step_is_as_long_as_the_bound_lets_it_be(kl, expected):
    visited = []

    def largest_kl(step):
        visited.append(step)
        return kl(step)

    step = longest_step(largest_kl, bound=1.0)
    assert visited[-1] == step
    assert kl(step) <= 1.0
    assert step == pytest.approx(expected, rel=0.05, abs=1e-6 if expected else 1e-2)
    assert len(visited) <= 12


@pytest.mark.parametrize(
    "settings",
    [{"mean_bound": 0.0}, {"covariance_bound": -1.0}, {"regression_weight": -0.1}],
)
def test_settings_outside_their_ranges_are_refused(settings):
    with pytest.raises(ConfigError, match="expected"):
        ProjectionConfig(**settings)
