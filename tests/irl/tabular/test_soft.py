import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_worlds import SEEDS, random_log_policy, worlds

from trirl_robot.errors import NonFiniteError
from trirl_robot.irl.tabular.mdp import log_occupancy, uniform_log_policy
from trirl_robot.irl.tabular.soft import soft_maximum, soft_value_iteration
from trirl_robot.irl.tabular.worlds import IcyGridConfig, icy_grid


def soft_policy_iteration(mdp, reward, temperature):
    """An independent solution: exact evaluation by linear equations, then improvement."""
    log_policy = uniform_log_policy(mdp)
    for _ in range(200):
        policy = np.exp(log_policy)
        chain = np.einsum("sa,sat->st", policy, mdp.transition)
        collected = (policy * (reward - temperature * log_policy)).sum(axis=1)
        values = np.linalg.solve(np.eye(mdp.states) - mdp.discount * chain, collected)
        q_values = reward + mdp.discount * np.einsum("sat,t->sa", mdp.transition, values)
        improved = (q_values - soft_maximum(q_values, temperature)[:, None]) / temperature
        if np.abs(improved - log_policy).max() < 1e-14:
            break
        log_policy = improved
    return values, log_policy


@given(world=worlds(), temperature=st.floats(0.5, 20.0))
@settings(max_examples=40)
def test_values_and_policy_are_those_of_soft_policy_iteration(world, temperature):
    solution = soft_value_iteration(world.mdp, world.reward, temperature=temperature)
    values, log_policy = soft_policy_iteration(world.mdp, world.reward, temperature)
    scale = max(1.0, np.abs(values).max())
    np.testing.assert_allclose(solution.values, values, atol=2e-12 * scale)
    np.testing.assert_allclose(np.exp(solution.log_policy), np.exp(log_policy), atol=2e-11)


@given(world=worlds(), seed=SEEDS)
@settings(max_examples=40)
def test_no_policy_collects_more_reward_and_entropy(world, seed):
    mdp = world.mdp
    solution = soft_value_iteration(mdp, world.reward)
    best = (1.0 - mdp.discount) * mdp.initial @ solution.values
    log_policy = random_log_policy(mdp, np.random.default_rng(seed))
    rho = np.exp(log_occupancy(mdp, log_policy))
    assert (rho * (world.reward - log_policy)).sum() <= best + 1e-10


def test_an_absorbing_state_collects_reward_and_uniform_entropy_for_ever():
    world = icy_grid(IcyGridConfig())
    solution = soft_value_iteration(world.mdp, world.reward)
    goal = world.mdp.absorbing
    assert goal.sum() == 1
    # the tail of Diwan et al.'s absorbing states: (r + H_uniform) / (1 - gamma)
    assert solution.values[goal][0] == pytest.approx((1.0 + np.log(4)) / 0.05, abs=1e-11)
    np.testing.assert_allclose(solution.log_policy[goal], -np.log(4), atol=1e-13)


def test_a_constant_reward_shifts_the_values_and_leaves_policy_and_sweeps():
    world = icy_grid(IcyGridConfig())
    plain = soft_value_iteration(world.mdp, world.reward)
    shifted = soft_value_iteration(world.mdp, world.reward + 1000.0)
    np.testing.assert_allclose(shifted.values - plain.values, 1000.0 / 0.05, atol=1e-9)
    np.testing.assert_allclose(shifted.log_policy, plain.log_policy, atol=1e-10)


def test_the_solution_is_known_again_when_it_is_the_start():
    world = icy_grid(IcyGridConfig())
    cold = soft_value_iteration(world.mdp, world.reward)
    warm = soft_value_iteration(world.mdp, world.reward, start=cold.values)
    assert cold.sweeps > 400
    assert warm.sweeps <= 3
    loose = soft_value_iteration(world.mdp, world.reward, tolerance=1e-2)
    assert loose.sweeps < 0.5 * cold.sweeps
    assert np.abs(loose.values - cold.values).max() <= 1e-2


def test_without_a_future_one_sweep_is_enough():
    world = icy_grid(IcyGridConfig(discount=0.0))
    solution = soft_value_iteration(world.mdp, world.reward)
    assert solution.sweeps == 1
    np.testing.assert_allclose(solution.values, world.reward[:, 0] + np.log(4))


def test_rounding_cannot_keep_it_from_ending():
    world = icy_grid(IcyGridConfig(discount=0.9))
    huge = 1e9 * world.reward  # rounding is coarser than the tolerance
    assert soft_value_iteration(world.mdp, huge).sweeps < 1000


def test_a_temperature_for_each_state():
    world = icy_grid(IcyGridConfig())
    same = soft_value_iteration(world.mdp, world.reward, temperature=np.full(25, 3.0))
    one = soft_value_iteration(world.mdp, world.reward, temperature=3.0)
    np.testing.assert_array_equal(same.log_policy, one.log_policy)


def test_a_reward_without_end_is_refused():
    world = icy_grid(IcyGridConfig())
    with pytest.raises(NonFiniteError, match="not finite"):
        soft_value_iteration(world.mdp, np.full_like(world.reward, np.inf))
