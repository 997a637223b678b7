import numpy as np
import pytest

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import BLOCK, NoiseTable


def table(num_envs=3, width=2, **rest):
    random = EpisodeRandom(0, num_envs)
    random.begin(np.arange(num_envs))
    return random, NoiseTable(random, Stream.SENSORS, num_envs, width, **rest)


def test_every_step_has_draws_of_its_own_over_blocks():
    _, noise = table()
    steps = np.zeros(3, dtype=np.int64)
    seen = []
    for _ in range(2 * BLOCK + 5):
        seen.append(noise.at(steps))
        steps += 1
    seen = np.array(seen)
    assert len(np.unique(seen)) == seen.size


def test_draws_do_not_hang_on_the_ages_of_other_episodes():
    _, together = table()
    _, apart = table()
    ages = np.array([0, 0, 0])
    alone = [together.at(ages + i)[1] for i in range(BLOCK + 10)]
    staggered = np.array([17, 0, 40])
    apart.refill(np.arange(3), staggered)
    mixed = [apart.at(staggered + i)[1] for i in range(BLOCK + 10)]
    np.testing.assert_array_equal(alone, mixed)


@pytest.mark.parametrize(
    ("uniform", "mean", "deviation"), [(False, 0.0, 1.0), (True, 0.5, 12**-0.5)]
)
def test_draws_have_the_asked_distribution(uniform, mean, deviation):
    _, noise = table(num_envs=300, width=4, uniform=uniform)
    drawn = np.array([noise.at(np.full(300, i)) for i in range(20)])
    np.testing.assert_allclose(drawn.mean(), mean, atol=0.02)
    np.testing.assert_allclose(drawn.std(), deviation, rtol=0.02)


def test_some_rows_are_those_of_the_whole():
    _, noise = table()
    steps = np.array([1, 2, 3])
    noise.refill(np.arange(3), steps)
    np.testing.assert_array_equal(noise.at(steps, np.array([2, 0])), noise.at(steps)[[2, 0]])
