import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_worlds import SEEDS, random_log_policy, worlds

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular import trust_region
from trirl_robot.irl.tabular.mdp import log_occupancy, log_state_occupancy, uniform_log_policy
from trirl_robot.irl.tabular.soft import soft_value_iteration
from trirl_robot.irl.tabular.trust_region import bounded_step, kl_per_state, penalised_step
from trirl_robot.irl.tabular.worlds import IcyGridConfig, icy_grid

ETAS = st.floats(0.0, 100.0)


def mean_kl(mdp, log_policy, log_previous):
    occupancy = np.exp(log_state_occupancy(mdp, log_policy))
    return float(occupancy @ kl_per_state(log_policy, log_previous))


def collected(mdp, reward, log_policy):
    """Reward and entropy per step."""
    rho = np.exp(log_occupancy(mdp, log_policy))
    return float((rho * (reward - log_policy)).sum())


@given(world=worlds(), eta=ETAS, seed=SEEDS)
@settings(max_examples=40)
def test_no_policy_does_better_within_the_penalty(world, eta, seed):
    mdp, rng = world.mdp, np.random.default_rng(seed)
    previous, other = random_log_policy(mdp, rng), random_log_policy(mdp, rng)
    step = penalised_step(mdp, world.reward, previous, eta)

    def objective(log_policy):
        return collected(mdp, world.reward, log_policy) - eta * mean_kl(mdp, log_policy, previous)

    best = (1.0 - mdp.discount) * mdp.initial @ step.values
    assert objective(step.log_policy) == pytest.approx(best, abs=1e-9)
    assert objective(other) <= best + 1e-9
    near = step.log_policy + 1e-3 * rng.normal(size=step.log_policy.shape)
    near -= np.log(np.exp(near).sum(axis=1, keepdims=True))
    assert objective(near) <= best + 1e-9


@given(world=worlds(), eta=ETAS, seed=SEEDS)
@settings(max_examples=40)
def test_values_of_the_corrected_reward_follow_without_solving_for_them(world, eta, seed):
    mdp = world.mdp
    other = np.random.default_rng(seed).normal(size=world.reward.shape)
    before = soft_value_iteration(mdp, world.reward)
    step = penalised_step(mdp, world.reward + other, before.log_policy, eta)
    solved = soft_value_iteration(mdp, world.reward + other / (1.0 + eta)).values
    np.testing.assert_allclose(step.values_of_corrected(before.values), solved, atol=1e-9)


@given(world=worlds(st.floats(0.3, 0.95)), seed=SEEDS, kl_bound=st.floats(1e-5, 1.0))
@settings(max_examples=40)
def test_the_bound_is_met_and_never_exceeded_and_nothing_within_it_is_better(world, seed, kl_bound):
    mdp, rng = world.mdp, np.random.default_rng(seed)
    previous = random_log_policy(mdp, rng)
    step = bounded_step(mdp, world.reward, previous, kl_bound)
    assert step.kl == pytest.approx(mean_kl(mdp, step.log_policy, previous), abs=1e-12)
    assert step.kl <= kl_bound
    if step.eta > 0.0:
        assert step.kl >= kl_bound * (1.0 - 2e-6)
    else:
        free = soft_value_iteration(mdp, world.reward).log_policy
        np.testing.assert_allclose(np.exp(step.log_policy), np.exp(free), atol=1e-10)
    # towards another policy as far as the bound allows
    other = random_log_policy(mdp, rng)
    for share in (0.5, 0.1, 0.02):
        mixed = np.log((1.0 - share) * np.exp(previous) + share * np.exp(other))
        if mean_kl(mdp, mixed, previous) <= step.kl:
            best = collected(mdp, world.reward, step.log_policy)
            assert collected(mdp, world.reward, mixed) <= best + 1e-9


def test_the_kl_falls_as_eta_grows_and_a_bound_finds_the_eta_back():
    world = icy_grid(IcyGridConfig())
    previous = uniform_log_policy(world.mdp)
    etas = [0.0, 0.5, 2.0, 10.0, 100.0]
    kls = [penalised_step(world.mdp, world.reward, previous, eta).kl for eta in etas]
    assert np.all(np.diff(kls) < 0.0)
    for eta, kl in zip(etas[1:], kls[1:], strict=True):
        found = bounded_step(world.mdp, world.reward, previous, kl)
        assert found.eta == pytest.approx(eta, rel=1e-5)


def test_the_floor_holds_where_the_bound_is_slack():
    world = icy_grid(IcyGridConfig())
    previous = uniform_log_policy(world.mdp)
    step = bounded_step(world.mdp, world.reward, previous, 1e3, least_eta=3.0)
    exact = penalised_step(world.mdp, world.reward, previous, 3.0)
    assert step.eta == 3.0
    np.testing.assert_array_equal(step.log_policy, exact.log_policy)


@pytest.mark.parametrize("kl_bound", [1e-6, 1e-4, 0.01, 0.1])
def test_a_bound_takes_few_solutions(monkeypatch, kl_bound):
    solved = []

    def counted(*arguments, **settings):
        solved.append(arguments)
        return penalised_step(*arguments, **settings)

    monkeypatch.setattr(trust_region, "penalised_step", counted)
    world = icy_grid(IcyGridConfig())
    step = bounded_step(world.mdp, world.reward, uniform_log_policy(world.mdp), kl_bound)
    assert step.eta > 0.0
    assert len(solved) <= 12


@pytest.mark.parametrize("kl_bound", [0.0, -1.0, float("nan")])
def test_a_bound_that_is_none_is_refused(kl_bound):
    world = icy_grid(IcyGridConfig())
    with pytest.raises(ConfigError, match="expected more than 0"):
        bounded_step(world.mdp, world.reward, uniform_log_policy(world.mdp), kl_bound)


def test_a_bound_that_nothing_meets_is_refused():
    world = icy_grid(IcyGridConfig())
    with pytest.raises(ConfigError, match="expected a larger kl_bound"):
        bounded_step(world.mdp, world.reward, uniform_log_policy(world.mdp), 1e-200)
