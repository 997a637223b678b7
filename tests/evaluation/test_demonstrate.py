import numpy as np
import pytest

from trirl_robot.demos.dataset import load_demonstrations
from trirl_robot.errors import DatasetError
from trirl_robot.evaluation.demonstrate import demonstrate
from trirl_robot.evaluation.rollouts import RandomPolicy
from trirl_robot.sim.env import make_batch


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Four episodes of hopping at random, which end early, and their returns."""
    path = tmp_path_factory.mktemp("demonstrations") / "hopper.hdf5"
    env = make_batch("hopper", num_envs=4, randomisation="none", seed=3, autoreset=False)
    returns = demonstrate(RandomPolicy(env.contract.action_size), env, "nobody", path)
    return path, returns


def test_every_environment_gives_one_whole_episode(stored):
    path, returns = stored
    demonstrations = load_demonstrations(path)
    assert len(demonstrations.names) == len(returns) == 4
    ends = np.cumsum(demonstrations.lengths) - 1
    assert demonstrations.terminated[ends].all()
    assert demonstrations.terminated.sum() == 4
    assert len(set(demonstrations.lengths.tolist())) > 1


def test_what_a_step_led_to_is_what_the_next_begins_with(stored):
    demonstrations = load_demonstrations(stored[0])
    first = int(demonstrations.lengths[0])
    np.testing.assert_array_equal(
        demonstrations.next_observation[: first - 1], demonstrations.observation[1:first]
    )


def test_fewer_demonstrations_and_fewer_steps_can_be_taken(stored):
    whole = load_demonstrations(stored[0])
    part = whole.subset(episodes=2, every=5)
    assert part.names == whole.names[:2]
    length = int(whole.lengths[0])
    expected = np.union1d(np.arange(0, length, 5), [length - 1])
    assert part.lengths[0] == len(expected)
    np.testing.assert_array_equal(part.observation[: len(expected)], whole.observation[expected])
    assert part.terminated.sum() == 2


@pytest.mark.parametrize("count", [0, 5])
def test_more_demonstrations_than_there_are_cannot_be_taken(stored, count):
    with pytest.raises(DatasetError, match="holds 4 demonstrations"):
        load_demonstrations(stored[0]).subset(episodes=count)


def test_only_episodes_that_fulfil_the_task_are_kept_on_demand(tmp_path):
    env = make_batch("hopper", num_envs=4, randomisation="none", seed=3, autoreset=False)
    with pytest.raises(DatasetError, match="in 0 of 4 episodes, expected 1"):
        demonstrate(
            RandomPolicy(env.contract.action_size), env, "nobody", tmp_path / "a.hdf5", successes=1
        )
    assert not (tmp_path / "a.hdf5").exists()


def test_a_least_return_takes_the_place_of_the_tasks_own_success(tmp_path):
    for least_return, kept in ((-1e9, 2), (None, None), (1e9, None)):
        env = make_batch("half-cheetah", num_envs=3, randomisation="none", autoreset=False)
        path = tmp_path / f"{least_return}.hdf5"
        policy = RandomPolicy(env.contract.action_size)
        settings = {"successes": 2, "least_return": least_return}
        if kept is None:
            with pytest.raises(DatasetError, match="in 0 of 3 episodes"):
                demonstrate(policy, env, "nobody", path, **settings)
        else:
            assert len(demonstrate(policy, env, "nobody", path, **settings)) == kept
