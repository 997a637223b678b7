import numpy as np
import pytest

from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.noise import StepDraws


def draws(num_envs=3, normal=2, uniform=1, seed=0):
    random = EpisodeRandom(seed, num_envs)
    random.begin(np.arange(num_envs))
    drawn = StepDraws(random, Stream.SENSORS, num_envs, normal=normal, uniform=uniform)
    drawn.begin(np.arange(num_envs))
    return random, drawn


def run(drawn, steps, num_envs):
    """Return normal and uniform draws of the first steps, (steps, numbers, N) each."""
    found = [drawn.draw(np.full(num_envs, step)) for step in range(steps)]
    return np.array([normal for normal, _ in found]), np.array([uniform for _, uniform in found])


def test_every_step_environment_and_episode_has_draws_of_its_own():
    random, drawn = draws()
    seen = []
    for _ in range(3):
        seen += [part.ravel() for part in run(drawn, 300, 3)]
        random.begin(np.arange(3))
        drawn.begin(np.arange(3))
    seen = np.concatenate(seen)
    assert len(np.unique(seen)) == seen.size


def test_draws_do_not_hang_on_the_other_environments_or_their_ages():
    """Also not on how many are computed at a time."""
    _, drawn = draws(num_envs=37, normal=5, uniform=2)
    steps = np.arange(37)
    together = drawn.draw(steps)
    for env in range(37):
        alone = drawn.draw_for(np.array([env]), steps)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[:, 0], all_of_them[:, env])


def test_an_episode_draws_again_what_it_drew():
    random, first = draws(seed=4)
    other = EpisodeRandom(9, 1)
    other.repeat(random.key(2))
    other.begin(np.array([0]))
    again = StepDraws(other, Stream.SENSORS, 1, normal=2, uniform=1)
    again.begin(np.array([0]))
    for one, two in zip(run(first, 5, 3), run(again, 5, 1), strict=True):
        np.testing.assert_array_equal(one[..., 2], two[..., 0])


@pytest.mark.parametrize("width", [1, 2, 5])
def test_normal_draws_are_standard_normal_and_independent(width):
    _, drawn = draws(num_envs=500, normal=width, uniform=0)
    values = run(drawn, 400, 500)[0].transpose(1, 0, 2)
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1.0) < 0.01
    # shares beyond 1, 2 and 3 standard deviations
    for limit, share in ((1.0, 0.3173), (2.0, 0.0455), (3.0, 0.0027)):
        np.testing.assert_allclose((np.abs(values) > limit).mean(), share, rtol=0.1)
    following = np.array([values[:, :-1].ravel(), values[:, 1:].ravel()])
    neighbours = np.array([values[..., :-1].ravel(), values[..., 1:].ravel()])
    for pair in (following, neighbours, values.reshape(width, -1)):
        correlation = np.atleast_2d(np.corrcoef(pair)) - np.eye(len(pair))
        assert np.abs(correlation).max() < 0.02


def test_uniform_draws_fill_the_range_evenly():
    _, drawn = draws(num_envs=500, normal=3, uniform=2)
    values = run(drawn, 200, 500)[1]
    assert values.min() >= 0.0
    assert values.max() < 1.0
    counts, _ = np.histogram(values, bins=20, range=(0.0, 1.0))
    np.testing.assert_allclose(counts / values.size, 0.05, rtol=0.05)
