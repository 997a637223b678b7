import numpy as np
from hypothesis import given, settings
from tabular_worlds import SEEDS, icy_problem, worlds

from trirl_robot.irl.tabular.ascent import Method, ascend
from trirl_robot.irl.tabular.shaping import nearest_state_reward, shaped
from trirl_robot.irl.tabular.soft import soft_value_iteration
from trirl_robot.irl.tabular.worlds import IcyGridConfig, icy_grid


@given(world=worlds(), seed=SEEDS)
@settings(max_examples=30)
def test_a_potential_shifts_the_values_and_leaves_the_policy(world, seed):
    potential = np.random.default_rng(seed).normal(size=world.mdp.states)
    plain = soft_value_iteration(world.mdp, world.reward)
    other = soft_value_iteration(world.mdp, shaped(world.mdp, world.reward, potential))
    np.testing.assert_allclose(other.log_policy, plain.log_policy, atol=1e-10)
    np.testing.assert_allclose(other.values, plain.values - potential, atol=1e-10)


def test_a_reward_of_states_alone_is_found_under_its_shaping():
    world = icy_grid(IcyGridConfig())
    potential = np.random.default_rng(0).normal(size=25)
    found = nearest_state_reward(world.mdp, shaped(world.mdp, world.reward, potential))
    expected = world.reward[:, 0] - world.reward[:, 0].mean()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_learnt_reward_is_the_expert_s_up_to_shaping():
    task = icy_problem(beta=50.0)
    learnt = ascend(task, Method(name="TRIRL", step_size=0.5, eta=100.0), 60).iterates[-1]
    found = nearest_state_reward(task.mdp, task.matching.reward(learnt.parameters))
    expected = icy_grid(IcyGridConfig()).reward[:, 0]
    np.testing.assert_allclose(found, expected - expected.mean(), atol=0.1)
