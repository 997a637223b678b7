import dataclasses

import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.worlds import (
    WORLDS,
    IcyGridConfig,
    RandomConfig,
    icy_grid,
    random_world,
)

UP, RIGHT, DOWN, LEFT = range(4)


def test_a_step_on_ice_goes_where_it_is_meant_or_in_a_random_direction():
    transition = icy_grid(IcyGridConfig(slip=0.2)).mdp.transition
    # from the middle, cell 12, to the right
    expected = np.zeros(25)
    expected[[7, 13, 17, 11]] = [0.05, 0.85, 0.05, 0.05]
    np.testing.assert_allclose(transition[12, RIGHT], expected)
    # against the edge, in the corner: up and left stay
    expected = np.zeros(25)
    expected[[0, 1, 5]] = [0.9, 0.05, 0.05]
    np.testing.assert_allclose(transition[0, UP], expected)


def test_the_goal_is_absorbing_by_config():
    assert np.flatnonzero(icy_grid(IcyGridConfig()).mdp.absorbing).tolist() == [24]
    assert not icy_grid(IcyGridConfig(absorbing_goal=False)).mdp.absorbing.any()
    assert icy_grid(IcyGridConfig()).mdp.initial[24] == 0.0


def test_the_expert_walks_around_thin_ice_to_the_goal():
    world = icy_grid(IcyGridConfig())
    policy = np.exp(world.expert().log_policy)
    # beside the middle of the diagonal of thin ice, cell 12
    assert policy[11, DOWN] > 2.0 * policy[11, RIGHT]
    assert policy[23, RIGHT] > 0.8
    # thin ice is on the diagonal, so that transposing the grid changes nothing
    mirrored = policy.reshape(5, 5, 4).transpose(1, 0, 2)[:, :, [LEFT, DOWN, RIGHT, UP]]
    np.testing.assert_allclose(mirrored, policy.reshape(5, 5, 4), atol=1e-12)


@pytest.mark.parametrize("name", WORLDS)
def test_the_expert_s_reward_is_linear_in_the_features(name):
    world = WORLDS[name](3, 0.9)
    assert world.mdp.discount == 0.9
    features = world.features.reshape(-1, world.features.shape[2])
    weights = np.linalg.lstsq(features, world.reward.ravel(), rcond=None)[0]
    np.testing.assert_allclose(features @ weights, world.reward.ravel(), atol=1e-12)


def test_a_random_process_is_what_its_config_and_seed_say():
    config = RandomConfig(states=9, actions=3, successors=2, absorbing=2, features=4)
    world, again, other = (random_world(config, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(world.mdp.transition, again.mdp.transition)
    np.testing.assert_array_equal(world.reward, again.reward)
    assert not np.array_equal(world.mdp.transition, other.mdp.transition)
    assert world.mdp.transition.shape == (9, 3, 9)
    assert np.flatnonzero(world.mdp.absorbing)[-2:].tolist() == [7, 8]
    assert np.all((world.mdp.transition > 0.0).sum(axis=2) <= 2)
    # whatever is done in an absorbing state, its reward is the same
    assert np.all(np.ptp(world.reward[-2:], axis=1) == 0.0)
    assert np.all(world.mdp.initial[-2:] == 0.0)
    assert np.ptp(world.reward[0]) > 0.0


@pytest.mark.parametrize(
    ("config", "wrong", "message"),
    [
        (IcyGridConfig(), {"size": 2}, "size is 2"),
        (IcyGridConfig(), {"slip": 1.1}, "slip is 1.1"),
        (IcyGridConfig(), {"discount": 1.0}, "discount is 1.0"),
        (RandomConfig(), {"states": 0}, "states is 0"),
        (RandomConfig(), {"successors": 21}, "successors is 21, expected 1 to 20"),
        (RandomConfig(), {"absorbing": 20}, "absorbing is 20, expected 0 to 19"),
        (RandomConfig(), {"reward_scale": -1.0}, "reward_scale is"),
    ],
)
def test_settings_out_of_range_are_refused(config, wrong, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, **wrong)
