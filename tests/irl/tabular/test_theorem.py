"""Diwan et al. 2026, Theorem 1: pi_{i+1} is soft-optimal for the corrected reward r_{i+1}."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_worlds import SEEDS, icy_problem, problem, worlds

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.ascent import Method, ascend
from trirl_robot.irl.tabular.comparison import REWARDS
from trirl_robot.irl.tabular.mdp import log_occupancy, log_state_occupancy
from trirl_robot.irl.tabular.soft import soft_maximum, soft_value_iteration
from trirl_robot.irl.tabular.theorem import per_state_step, policy_gap
from trirl_robot.irl.tabular.trust_region import kl_per_state, penalised_step


def gaps(task, method, iterations=4):
    reward = task.matching.reward
    return [
        policy_gap(task.mdp, reward(iterate.parameters), iterate.log_policy)
        for iterate in ascend(task, method, iterations).iterates
    ]


@given(
    world=worlds(),
    kind=st.sampled_from(REWARDS),
    step_size=st.floats(0.01, 1.0),
    eta=st.floats(0.5, 200.0),
    beta=st.floats(0.5, 10.0),
)
@settings(max_examples=60)
def test_the_trust_region_s_policy_is_soft_optimal_for_the_corrected_reward(
    world, kind, step_size, eta, beta
):
    """Whatever is matched: the direction of the step does not enter the theorem."""
    task = problem(world, kind, beta)
    assert max(gaps(task, Method(name="TRIRL", step_size=step_size, eta=eta))) <= 1e-10


@given(world=worlds(st.floats(0.3, 0.95)), kl_bound=st.floats(1e-3, 0.3))
@settings(max_examples=15)
def test_it_holds_when_eta_is_chosen_by_the_kl(world, kl_bound):
    method = Method(name="TRIRL", step_size=0.5, eta=1.0, kl_bound=kl_bound)
    assert max(gaps(problem(world), method)) <= 1e-10


@given(world=worlds(), eta=st.floats(0.0, 50.0), seed=SEEDS)
@settings(max_examples=40)
def test_it_holds_for_a_step_in_any_direction_from_any_reward(world, eta, seed):
    change = np.random.default_rng(seed).normal(size=world.reward.shape)
    before = soft_value_iteration(world.mdp, world.reward).log_policy
    step = penalised_step(world.mdp, world.reward + change, before, eta)
    corrected = world.reward + change / (1.0 + eta)
    assert policy_gap(world.mdp, corrected, step.log_policy) <= 1e-10


@pytest.mark.parametrize("kind", REWARDS)
def test_it_holds_on_the_icy_grid(kind):
    task = icy_problem(kind)
    method = Method(name="TRIRL", step_size=0.5, eta=10.0)
    assert max(gaps(task, method, 10)) <= 1e-12


def test_without_the_correction_the_policy_is_not_the_reward_s():
    method = Method(name="uncorrected", step_size=0.5, eta=10.0, correct=False)
    assert max(gaps(icy_problem(), method)) > 0.1


@pytest.fixture(scope="module")
def second_step():
    """Where TRIRL is after one step on the icy grid, and where the next one goes."""
    task = icy_problem()
    method = Method(name="TRIRL", step_size=0.5, eta=10.0)
    latest = ascend(task, method, 1).iterates[-1]
    logit = task.matching.direction(log_occupancy(task.mdp, latest.log_policy))
    reward = task.matching.reward(latest.parameters)
    change = 0.5 * (task.beta * task.matching.reward(logit) - reward)
    return task.mdp, reward, change, latest.log_policy


@pytest.mark.parametrize("kl_bound", [0.01, 0.1])
def test_with_a_multiplier_for_each_state_it_breaks(second_step, kl_bound):
    """About 0.1, whether each state is corrected by its own multiplier or all by the largest."""
    mdp, reward, change, before = second_step
    step = per_state_step(mdp, reward + change, before, kl_bound)
    own = policy_gap(mdp, reward + change / (1.0 + step.eta[:, None]), step.log_policy)
    largest = policy_gap(mdp, reward + change / (1.0 + step.eta.max()), step.log_policy)
    assert own > 0.1
    assert largest > 0.03


@pytest.mark.parametrize("kl_bound", [0.01, 0.1])
def test_of_one_number_for_all_states_the_mean_by_their_kl_comes_nearest(second_step, kl_bound):
    """What the deep learner measures when its bound holds in every state."""
    mdp, reward, change, before = second_step
    step = per_state_step(mdp, reward + change, before, kl_bound)
    occupancy = np.exp(log_state_occupancy(mdp, step.log_policy))

    def gap(eta):
        optimal = soft_value_iteration(mdp, reward + change / (1.0 + eta)).log_policy
        return occupancy @ kl_per_state(step.log_policy, optimal)

    weights = occupancy * kl_per_state(step.log_policy, before)
    by_kl = gap(np.average(step.eta, weights=weights))
    assert by_kl < gap(step.eta.max())
    assert by_kl < 0.5 * gap(occupancy @ step.eta)
    assert by_kl < 1.5 * min(gap(eta) for eta in np.geomspace(0.1, 100.0, 40))


def test_the_bound_holds_in_every_state_and_nothing_changes_where_it_is_slack(second_step):
    mdp, reward, change, before = second_step
    step = per_state_step(mdp, reward + change, before, 0.01)
    kl = kl_per_state(step.log_policy, before)
    assert kl.max() <= 0.01 * (1.0 + 1e-9)
    bound = step.eta > 1e-12
    assert 0 < bound.sum() < len(bound)
    np.testing.assert_allclose(kl[bound], 0.01, rtol=1e-6)
    # in a wide region it is the soft problem itself
    wide = per_state_step(mdp, reward + change, before, 1e3)
    assert wide.eta.max() < 1e-9
    assert policy_gap(mdp, reward + change, wide.log_policy) < 1e-10
    with pytest.raises(ConfigError, match="expected more than 0"):
        per_state_step(mdp, reward, before, 0.0)


def test_one_improvement_on_the_old_q_function_comes_close_for_large_eta(second_step):
    """What PPO does: the theorem takes the Q-function of the new policy, PPO that of the old."""
    mdp, reward, change, before = second_step
    # values of the old policy for the provisional reward, with entropy
    chain = np.einsum("sa,sat->st", np.exp(before), mdp.transition)
    collected = (np.exp(before) * (reward + change - before)).sum(axis=1)
    values = np.linalg.solve(np.eye(mdp.states) - mdp.discount * chain, collected)
    q_values = reward + change + mdp.discount * mdp.expected_next(values)
    errors = []
    for eta in (1.0, 10.0, 100.0, 1000.0):
        logits = (q_values + eta * before) / (1.0 + eta)
        improved = logits - soft_maximum(logits)[:, None]
        errors.append(policy_gap(mdp, reward + change / (1.0 + eta), improved))
    assert errors[0] > 0.05
    assert np.all(np.diff(errors) < 0.0)
    # the error falls with the square of the step
    assert errors[3] == pytest.approx(errors[2] / 100.0, rel=0.3), errors
