import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_worlds import SEEDS, icy_problem, problem, random_log_policy, worlds

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.comparison import REWARDS
from trirl_robot.irl.tabular.matching import FeatureMatching
from trirl_robot.irl.tabular.mdp import log_occupancy, log_state_occupancy
from trirl_robot.irl.tabular.soft import soft_value_iteration

KINDS = st.sampled_from(REWARDS)


def collected(matching, parameters, rho):
    return float((np.exp(rho) * matching.reward(parameters)).sum())


@given(world=worlds(), kind=KINDS, seed=SEEDS)
@settings(max_examples=40)
def test_the_direction_is_the_negative_gradient_of_the_divergence(world, kind, seed):
    """Against finite differences towards another policy's occupancy, which keep the sum of 1."""
    matching = problem(world, kind).matching
    rng = np.random.default_rng(seed)
    first, second = (log_occupancy(world.mdp, random_log_policy(world.mdp, rng)) for _ in range(2))
    step = 1e-5

    def moved(share):
        with np.errstate(divide="ignore"):
            return np.log((1.0 - share) * np.exp(first) + share * np.exp(second))

    # the rates of change at the first occupancy, forwards and twice forwards
    one = matching.divergence(moved(step)) - matching.divergence(first)
    two = matching.divergence(moved(2 * step)) - matching.divergence(first)
    slope = (4.0 * one - two) / (2.0 * step)
    direction = matching.direction(first)
    expected = collected(matching, direction, first) - collected(matching, direction, second)
    assert slope == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(world=worlds(), kind=KINDS, seed=SEEDS, beta=st.floats(0.5, 20.0))
@settings(max_examples=40)
def test_dual_and_divergence_meet_where_the_reward_is_beta_times_the_direction(
    world, kind, seed, beta
):
    """Fenchel: -E_rho[r] - beta f(rho) is at most the conjugate, and equal at that reward."""
    matching = problem(world, kind).matching
    rng = np.random.default_rng(seed)
    rho = log_occupancy(world.mdp, random_log_policy(world.mdp, rng))

    def excess(parameters):
        own = -collected(matching, parameters, rho) - beta * matching.divergence(rho)
        return matching.conjugate(parameters, beta) - own

    assert excess(rng.normal(size=matching.parameters)) >= -1e-10
    assert excess(beta * matching.direction(rho)) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("kind", REWARDS)
def test_gradient_of_the_dual_agrees_with_finite_differences(kind):
    task = icy_problem(kind)
    rng = np.random.default_rng(3)
    parameters = rng.normal(size=task.matching.parameters)

    def solved(at):
        return soft_value_iteration(task.mdp, task.matching.reward(at), tolerance=1e-13)

    rho = log_occupancy(task.mdp, solved(parameters).log_policy)
    gradient = task.matching.dual_gradient(parameters, rho, task.beta)
    for index in rng.choice(len(parameters), size=6, replace=False):
        change = np.zeros_like(parameters)
        change[index] = 1e-4
        up, down = parameters + change, parameters - change
        difference = task.dual(up, solved(up).values) - task.dual(down, solved(down).values)
        assert gradient[index] == pytest.approx(difference / 2e-4, abs=1e-7)


@given(world=worlds(), kind=KINDS, seed=SEEDS)
@settings(max_examples=40)
def test_no_policy_s_primal_is_above_any_reward_s_dual(world, kind, seed):
    task = problem(world, kind)
    rng = np.random.default_rng(seed)
    parameters = rng.normal(size=task.matching.parameters)
    values = soft_value_iteration(task.mdp, task.matching.reward(parameters)).values
    log_policy = random_log_policy(task.mdp, rng)
    primal = task.primal(log_policy, log_occupancy(task.mdp, log_policy))
    assert primal <= task.dual(parameters, values) + 1e-10


def test_states_alone_are_compared_by_their_occupancy():
    task = icy_problem("state")
    log_policy = random_log_policy(task.mdp, np.random.default_rng(0))
    states = log_state_occupancy(task.mdp, log_policy)
    expert = np.log(np.exp(task.expert_log_occupancy).sum(axis=1))
    rho = log_occupancy(task.mdp, log_policy)
    np.testing.assert_allclose(task.matching.direction(rho), expert - states, atol=1e-12)
    reward = task.matching.reward(np.arange(25.0))
    assert reward.shape == (25, 4)
    assert np.all(reward == np.arange(25.0)[:, None])


def test_features_of_another_shape_are_refused():
    task = icy_problem()
    with pytest.raises(ConfigError, match=r"features have shape \(25, 3\), expected \(25, 4, "):
        FeatureMatching(np.zeros((25, 3)), task.expert_log_occupancy)
