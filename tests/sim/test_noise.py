import numpy as np
import pytest

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import BLOCK, NoiseTable, due


def table(num_envs=3, width=2, **rest):
    random = EpisodeRandom(0, num_envs)
    random.begin(np.arange(num_envs))
    return random, NoiseTable(random, Stream.SENSORS, num_envs, width, **rest)


def present(noise, steps):
    """Return every environment's draws of its present step."""
    noise.refill(due(steps), steps)
    return noise.draws[np.arange(len(steps)), steps % BLOCK].copy()


def test_every_step_has_draws_of_its_own_over_blocks():
    _, noise = table()
    steps = np.zeros(3, dtype=np.int64)
    seen = []
    for _ in range(2 * BLOCK + 5):
        seen.append(present(noise, steps))
        steps += 1
    seen = np.array(seen)
    assert len(np.unique(seen)) == seen.size


def test_draws_do_not_hang_on_the_ages_of_other_episodes():
    _, together = table()
    _, apart = table()
    ages = np.array([0, 0, 0])
    alone = [present(together, ages + i)[1] for i in range(BLOCK + 10)]
    staggered = np.array([17, 0, 40])
    apart.refill(np.arange(3), staggered)
    mixed = [present(apart, staggered + i)[1] for i in range(BLOCK + 10)]
    np.testing.assert_array_equal(alone, mixed)


@pytest.mark.parametrize(
    ("uniform", "mean", "deviation"), [(False, 0.0, 1.0), (True, 0.5, 12**-0.5)]
)
def test_draws_have_the_asked_distribution(uniform, mean, deviation):
    _, noise = table(num_envs=300, width=4, uniform=uniform)
    drawn = np.array([present(noise, np.full(300, i)) for i in range(20)])
    np.testing.assert_allclose(drawn.mean(), mean, atol=0.02)
    np.testing.assert_allclose(drawn.std(), deviation, rtol=0.02)
