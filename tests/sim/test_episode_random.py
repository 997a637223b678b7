import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.sim.episode_random import EpisodeKey, EpisodeRandom, Purpose, Stream

seeds = st.integers(0, 2**63 - 1)


@given(seed=seeds, num_envs=st.integers(1, 6), episodes=st.integers(1, 4), count=st.integers(1, 9))
def test_draws_hang_on_seed_environment_and_episode_alone(seed, num_envs, episodes, count):
    ids = np.arange(num_envs)
    random = EpisodeRandom(seed, num_envs)
    for _ in range(episodes):
        random.begin(ids)
    together = random.uniform(ids, Stream.DYNAMICS, count)
    assert ((together >= 0.0) & (together < 1.0)).all()
    for env in ids[::-1]:
        # from another batch, after other draws
        other = EpisodeRandom(0, 3)
        other.uniform(np.arange(3), Stream.TASK, 5)
        other.repeat(random.key(env))
        other.begin(np.array([0]))
        np.testing.assert_array_equal(
            other.uniform(np.array([0]), Stream.DYNAMICS, count)[0], together[env]
        )


def test_streams_blocks_environments_and_episodes_are_apart():
    random = EpisodeRandom(1, 40)
    ids = np.arange(40)
    seen = []
    for _ in range(3):
        random.begin(ids)
        for stream in Stream:
            seen += [random.uniform(ids, stream, 4, block) for block in (0, 1, 1 << 32)]
    drawn = np.concatenate(seen)
    # what a simulation keeps over its episodes is the same in each of the three
    assert len(np.unique(drawn)) == drawn.size - 2 * 3 * 40 * 4


def test_draws_of_a_few_numbers_begin_those_of_many():
    random = EpisodeRandom(5, 2)
    ids = np.arange(2)
    many = random.uniform(ids, Stream.TASK, 30)
    np.testing.assert_array_equal(random.uniform(ids, Stream.TASK, 7), many[:, :7])


def test_blocks_may_differ_between_environments():
    random = EpisodeRandom(5, 3)
    ids = np.array([2, 0])
    drawn = random.uniform(ids, Stream.INTERVAL, 3, np.array([7, 9]))
    for row, env, block in zip(drawn, ids, (7, 9), strict=True):
        expected = random.generator(env, Stream.INTERVAL, block).random(3)
        np.testing.assert_array_equal(row, expected)


@given(
    seed=seeds,
    stream=st.sampled_from(Stream),
    count=st.integers(1, 11),
    block=st.integers(0, 2**62),
)
def test_draws_are_those_of_numpys_generator(seed, stream, count, block):
    random, ids = EpisodeRandom(seed, 5, Purpose.RECORDING), np.array([4, 1])
    random.begin(np.arange(3))
    drawn, keys = random.uniform(ids, stream, count, block), random.keys(ids, stream, count)
    for row, env in enumerate(ids):
        np.testing.assert_array_equal(
            drawn[row], random.generator(env, stream, block).random(count)
        )
        expected = random.generator(env, stream).bit_generator.random_raw(count)
        np.testing.assert_array_equal(keys[:, row], expected)


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64 + 1])
def test_seeds_that_do_not_fit_are_refused(seed):
    with pytest.raises(ConfigError, match=f"seed is {seed}, expected 0 to"):
        EpisodeRandom(seed, 1)
    with pytest.raises(ConfigError, match="seed is"):
        EpisodeRandom(0, 1).repeat(EpisodeKey(seed=seed, environment=0, episode=0))


@given(seeds)
def test_large_seeds_are_kept_apart(seed):
    other = seed ^ 1
    draws = [EpisodeRandom(s, 1).uniform(np.array([0]), Stream.TASK, 2) for s in (seed, other)]
    assert (draws[0] != draws[1]).all()


def test_a_restored_source_goes_on_bit_for_bit():
    random, other = EpisodeRandom(3, 2), EpisodeRandom(8, 2)
    ids = np.arange(2)
    random.begin(ids[:1])
    other.set_state(random.get_state())
    for source in (random, other):
        source.begin(ids)
    np.testing.assert_array_equal(
        random.uniform(ids, Stream.TASK, 4), other.uniform(ids, Stream.TASK, 4)
    )
