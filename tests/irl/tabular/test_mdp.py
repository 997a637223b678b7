import numpy as np
import pytest
from hypothesis import given, settings
from tabular_worlds import SEEDS, random_log_policy, worlds

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.mdp import (
    TabularMdp,
    discounted_entropy,
    log_occupancy,
    uniform_log_policy,
)


def mdp_of(transition, initial, discount=0.9):
    return TabularMdp(
        transition=np.array(transition, dtype=float),
        initial=np.array(initial, dtype=float),
        discount=discount,
    )


CORRIDOR = ([[[0, 1, 0], [1, 0, 0]], [[0, 1, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]]], [1, 0, 0])
"""A state to stay in or to leave, an absorbing one, and one that nobody comes to."""


@given(world=worlds(), seed=SEEDS)
@settings(max_examples=40)
def test_occupancy_is_the_discounted_sum_over_time(world, seed):
    mdp = world.mdp
    log_policy = random_log_policy(mdp, np.random.default_rng(seed))
    state, total, weight = mdp.initial, 0.0, 1.0 - mdp.discount
    chain = np.einsum("sa,sat->st", np.exp(log_policy), mdp.transition)
    while weight > 1e-15:
        total = total + weight * state
        state, weight = state @ chain, weight * mdp.discount
    rho = np.exp(log_occupancy(mdp, log_policy))
    np.testing.assert_allclose(rho, total[:, None] * np.exp(log_policy), atol=1e-12)
    assert rho.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_state_that_no_policy_visits_has_no_occupancy():
    mdp = mdp_of(*CORRIDOR)
    assert mdp.reachable.tolist() == [True, True, False]
    rho = log_occupancy(mdp, uniform_log_policy(mdp))
    assert np.all(rho[2] == -np.inf)
    # half of what is left stays at each step: d(0) = (1 - gamma) / (1 - gamma / 2)
    np.testing.assert_allclose(np.exp(rho[0]).sum(), 0.1 / 0.55)


def test_absorbing_states_are_those_that_every_action_stays_in():
    assert mdp_of(*CORRIDOR).absorbing.tolist() == [False, True, False]


def test_entropy_of_the_uniform_policy():
    mdp = mdp_of(*CORRIDOR)
    log_policy = uniform_log_policy(mdp)
    # the state without occupancy has -inf there, and adds nothing
    assert discounted_entropy(log_occupancy(mdp, log_policy), log_policy) == pytest.approx(
        np.log(2)
    )


@pytest.mark.parametrize(
    ("transition", "initial", "discount", "message"),
    [
        ([[[0.5, 0.4]], [[0, 1]]], [1, 0], 0.9, "transition: expected probabilities"),
        ([[[1.5, -0.5]], [[0, 1]]], [1, 0], 0.9, "transition: expected probabilities"),
        ([[[np.nan, 1]], [[0, 1]]], [1, 0], 0.9, "transition: expected probabilities"),
        ([[[1, 0]], [[0, 1]]], [1, 1], 0.9, "initial: expected probabilities"),
        ([[[1, 0]], [[0, 1]]], [1, 0, 0], 0.9, "initial has shape"),
        ([[[1, 0, 0]], [[0, 1, 0]]], [1, 0], 0.9, "transition has shape"),
        ([[[1, 0]], [[0, 1]]], [1, 0], 1.0, "discount is 1.0"),
    ],
)
def test_what_is_no_process_is_refused(transition, initial, discount, message):
    with pytest.raises(ConfigError, match=message):
        mdp_of(transition, initial, discount)
