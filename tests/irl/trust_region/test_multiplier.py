"""The multiplier of an update against problems that are solved by other means."""

import math

import numpy as np
import pytest
import torch
from bandit import make_rollout, reward_of, setup, wanted
from scipy.optimize import approx_fprime, minimize

from trirl_robot.irl.trust_region.forms import build_trust_region
from trirl_robot.irl.trust_region.multiplier import marginal_multiplier
from trirl_robot.irl.trust_region.penalty import AdaptedPenaltyConfig, AnnealedPenaltyConfig
from trirl_robot.irl.trust_region.projection import ProjectionConfig
from trirl_robot.rl.policy import gaussian_kl
from trirl_robot.rl.trust_region import Batch

TEMPERATURE = 0.05


class Bandit:
    """One state, one action value; the policy is (mean, log standard deviation)."""

    def __init__(self, seed, best, count=500):
        self.old = np.array([0.1, math.log(0.4)])
        z = np.random.default_rng(seed).normal(size=count)
        self.action = self.old[0] + math.exp(self.old[1]) * z
        self.advantage = -((self.action - best) ** 2)

    def log_density(self, policy):
        return -0.5 * ((self.action - policy[0]) / math.exp(policy[1])) ** 2 - policy[1]

    def kl(self, policy):
        ratio = math.exp(2.0 * (policy[1] - self.old[1]))
        shift = ((policy[0] - self.old[0]) / math.exp(self.old[1])) ** 2
        return 0.5 * (ratio + shift - 1.0 - math.log(ratio))

    def objective(self, policy, entropy_weight):
        ratio = np.exp(self.log_density(policy) - self.log_density(self.old))
        return np.mean(ratio * self.advantage) + entropy_weight * policy[1]

    def best_within(self, bound, entropy_weight, free=(True, True)):
        """Return the best policy within the bound, and its multiplier, from the first-order
        conditions. What is not free stays as it was."""
        free = np.array(free)
        objective, kl = (lambda p: -self.objective(p, entropy_weight)), self.kl
        found = minimize(
            lambda p: objective(np.where(free, p, self.old)),
            self.old + 1e-3 * free,
            method="SLSQP",
            constraints={"type": "ineq", "fun": lambda p: bound - kl(np.where(free, p, self.old))},
            options={"ftol": 1e-15, "maxiter": 500},
        ).x
        down, out = (approx_fprime(found, f, 1e-7) * free for f in (objective, kl))
        return found, float(-down @ out / (out @ out))

    @property
    def batch(self):
        column = torch.from_numpy(self.action)[:, None]
        return Batch(
            observation=torch.zeros(len(column), 0),
            action=column,
            mean=torch.full_like(column, self.old[0]),
            log_std=torch.tensor([self.old[1]]),
            advantage=torch.from_numpy(self.advantage),
            returns=torch.zeros(len(column)),
        )


def joined(first, second):
    parts = {
        name: torch.cat([getattr(first, name), getattr(second, name)])
        for name in ("observation", "action", "mean", "advantage", "returns")
    }
    return Batch(log_std=first.log_std, **parts)


@pytest.mark.parametrize("entropy_weight", [0.0, 0.02])
@pytest.mark.parametrize("bound", [1e-3, 0.05])
def test_it_is_the_lagrange_multiplier_of_the_best_policy_within_the_bound(bound, entropy_weight):
    bandit = Bandit(seed=0, best=0.6)
    policy, multiplier = bandit.best_within(bound, entropy_weight)
    assert bandit.kl(policy) == pytest.approx(bound, rel=1e-4)
    mean = torch.full_like(bandit.batch.mean, policy[0])
    log_std = torch.tensor([policy[1]])
    measured = marginal_multiplier(mean, log_std, bandit.batch, entropy_weight=entropy_weight)
    assert measured == pytest.approx(multiplier, rel=1e-3)


def test_where_each_state_has_its_own_it_is_their_mean_by_the_kl_that_they_used():
    bandits = Bandit(seed=0, best=0.6), Bandit(seed=1, best=-0.3)
    bounds = 0.002, 0.03
    mean_only = (True, False)
    solved = [
        bandit.best_within(bound, 0.0, mean_only)
        for bandit, bound in zip(bandits, bounds, strict=True)
    ]
    multipliers = [multiplier for _, multiplier in solved]
    assert multipliers[0] > 2.0 * multipliers[1] > 0.0
    mean = torch.cat([torch.full((500, 1), policy[0]) for policy, _ in solved]).double()
    batch = joined(*(bandit.batch for bandit in bandits))
    measured = marginal_multiplier(mean, batch.log_std, batch, entropy_weight=0.0)
    assert measured == pytest.approx(np.average(multipliers, weights=bounds), rel=1e-3)


def test_a_policy_that_stands_still_leaves_no_step_to_the_reward():
    batch = Bandit(seed=0, best=0.6).batch
    assert marginal_multiplier(batch.mean, batch.log_std, batch, entropy_weight=0.1) == 1e6


def test_past_the_optimum_it_is_zero():
    bandit = Bandit(seed=0, best=0.6)
    mean = torch.full_like(bandit.batch.mean, 0.9)
    batch = bandit.batch
    assert marginal_multiplier(mean, batch.log_std, batch, entropy_weight=0.0) == 0.0


def update(config, *, noise=0.0, count=32, **settings):
    """Make one update; return its policy, region, eta, rollout and what PPO says of it."""
    ppo, generator = setup(policy_learning_rate=3e-3, **settings)
    region = build_trust_region(config, TEMPERATURE)
    rollout = make_rollout(ppo.policy, generator, count)
    reward = reward_of(rollout)
    result = ppo.update(
        rollout,
        reward + noise * torch.randn(reward.shape, generator=generator),
        entropy_coef=TEMPERATURE,
        generator=generator,
        trust_region=region,
    )
    return ppo.policy, region, region.finish(result.kl_mean, 0.0), rollout, result


def test_of_a_penalty_that_has_converged_it_is_the_penalty_s():
    config = AnnealedPenaltyConfig(initial_eta=30.0)
    _, region, eta, _, _ = update(config, epochs=40, clip=10.0)
    assert eta == pytest.approx(30.0)
    assert region.marginal_eta == pytest.approx(30.0, rel=0.1)


@torch.no_grad()
def gap(policy, rollout, eta):
    """KL of the policy from the one that is soft-optimal for the corrected reward, nats.

    Up to shaping the old reward is log pi_i, and the provisional one -|a - wanted|^2 / T, so the
    corrected one is a parabola as well, and its soft-optimal policy a Gaussian.
    """
    old_precision = torch.exp(-2.0 * rollout.log_std)
    new_precision = torch.full_like(old_precision, 2.0 / TEMPERATURE)
    precision = eta * old_precision + new_precision
    best = wanted(rollout.observation, rollout.action.shape[-1])
    pull = eta * old_precision * rollout.mean + new_precision * best
    optimal_log_std = -0.5 * torch.log(precision / (1.0 + eta))
    kl = gaussian_kl(policy(rollout.observation), policy.log_std, pull / precision, optimal_log_std)
    return float(kl.mean())


@pytest.mark.parametrize(
    "config",
    [
        AdaptedPenaltyConfig(multiplier="marginal"),
        AnnealedPenaltyConfig(multiplier="marginal", initial_eta=3.0),
        ProjectionConfig(),
    ],
)
def test_the_new_policy_is_nearly_soft_optimal_for_the_reward_that_it_corrects(config):
    """The theorem, for a policy that PPO has moved: in a bandit its Q-function is exact."""
    policy, _, eta, rollout, result = update(config, epochs=10)
    assert gap(policy, rollout, eta) < 0.1 * result.kl_mean
    # the reward as it was says less about the policy, and the provisional one least
    assert gap(policy, rollout, 1e6) == pytest.approx(result.kl_mean, rel=1e-2)
    assert gap(policy, rollout, 0.0) > result.kl_mean


@pytest.mark.parametrize(
    "config",
    [AdaptedPenaltyConfig(), ProjectionConfig(multiplier="projection")],
)
def test_other_multipliers_promise_a_reward_further_from_the_policy_than_the_old_one(config):
    """Why it is measured: after ten epochs under a clip the penalty's is too small, and how far
    the network went outside its projection is no multiplier of the improvement at all."""
    policy, _, eta, rollout, result = update(config, epochs=10)
    assert gap(policy, rollout, eta) > 2.0 * result.kl_mean


def fresh_multiplier(policy, rollout, count=40):
    """Measure the same with actions and rewards that the update has not seen, and no noise."""
    generator = torch.Generator().manual_seed(1)
    old = rollout.mean.repeat(count, 1, 1)
    action = old + rollout.log_std.exp() * torch.randn(old.shape, generator=generator)
    observation = rollout.observation.repeat(count, 1, 1)
    size = action.shape[-1]
    reward = -((action - wanted(observation, size)) ** 2).sum(-1).flatten()
    batch = Batch(
        observation=observation.flatten(0, 1),
        action=action.flatten(0, 1),
        mean=old.flatten(0, 1),
        log_std=rollout.log_std,
        advantage=(reward - reward.mean()) / TEMPERATURE,
        returns=reward,
    )
    mean = policy(batch.observation).detach()
    return marginal_multiplier(mean, policy.log_std.detach(), batch, entropy_weight=1.0)


def test_that_the_update_has_seen_the_samples_is_as_it_should_be():
    """A network of the usual size moves by a share of the noise as well as of the signal; on fresh
    samples its step seems to have bought little, and a reward corrected by that has gone too far.
    """
    size = {"observation_size": 17, "action_size": 6, "hidden": (128, 128)}
    policy, _, eta, rollout, result = update(
        ProjectionConfig(), noise=3.0, count=64, epochs=10, **size
    )
    least = min(gap(policy, rollout, float(other)) for other in np.geomspace(1.0, 1e4, 100))
    assert least < 0.95 * result.kl_mean
    assert gap(policy, rollout, eta) < 1.1 * least
    fresh = fresh_multiplier(policy, rollout)
    assert 0.0 < fresh < 0.6 * eta
    assert gap(policy, rollout, fresh) > 1.5 * gap(policy, rollout, eta)
