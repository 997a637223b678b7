import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.evaluation.statistics import (
    interquartile_mean,
    interquartile_mean_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3, printed to four places
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_intervals(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert interval.value == successes / trials
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(trials=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_s_ends_solve_the_score_equation(trials, share):
    """Each end p satisfies |rate - p| = z sqrt(p (1 - p) / n), which defines the interval."""
    successes = round(share * trials)
    interval = wilson(successes, trials)
    assert 0.0 <= interval.low <= interval.value <= interval.high <= 1.0
    for end in (interval.low, interval.high):
        distance = 1.959963984540054 * math.sqrt(end * (1 - end) / trials)
        assert abs(interval.value - end) == pytest.approx(distance, abs=1e-9)


@given(trials=st.integers(1, 300), share=st.floats(0, 1))
def test_wilson_is_symmetric_in_success_and_failure(trials, share):
    successes = round(share * trials)
    one, other = wilson(successes, trials), wilson(trials - successes, trials)
    assert one.low == pytest.approx(1 - other.high, abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(ConfigError, match="successes in"):
        wilson(successes, trials)


def test_iqm_by_hand():
    assert interquartile_mean([100, 1, 2, 3, 4, 5, 6, -50]) == 3.5
    assert interquartile_mean([7.0]) == 7.0
    assert interquartile_mean([1.0, 3.0, 50.0]) == 18.0  # a quarter of three is none
    assert interquartile_mean(np.arange(12.0).reshape(3, 4)) == 5.5


def test_iqm_agrees_with_scipy_s_trimmed_mean():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    for size in range(1, 40):
        scores = random.standard_cauchy(size)
        assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25))


def test_the_bootstrap_is_stratified_by_task():
    """Two tasks that are constant but different: resampling within tasks cannot change the IQM."""
    scores = np.column_stack([np.zeros(10), np.ones(10)])
    interval = interquartile_mean_interval(scores, resamples=500)
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)
    assert interval.n == 20


def test_the_bootstrap_interval_covers_the_truth_about_95_times_in_100():
    random = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        scores = random.normal(0.7, 0.2, size=(30, 3))
        interval = interquartile_mean_interval(scores, resamples=400, seed=trial)
        covered += interval.low <= 0.7 <= interval.high
    # 200 trials at 0.95 have a standard deviation of 3
    assert 178 <= covered <= 199


def test_the_bootstrap_interval_has_the_width_of_theory():
    """The influence function of a trimmed mean gives its variance for n normal scores."""
    quartile, density = 0.67449, 0.31778
    inside = 0.5 - 2 * quartile * density  # integral of x^2 between the quartiles
    variance = (inside + 0.5 * quartile**2) / 0.5**2
    scores = np.random.default_rng(5).normal(size=1500)
    interval = interquartile_mean_interval(scores, resamples=3000)
    width = 2 * 1.96 * math.sqrt(variance / 1500)
    assert interval.high - interval.low == pytest.approx(width, rel=0.1)


def test_a_seed_fixes_the_interval():
    scores = np.random.default_rng(2).normal(size=(7, 2))
    assert interquartile_mean_interval(scores, resamples=3000) == interquartile_mean_interval(
        scores, resamples=3000
    )


@pytest.mark.parametrize("scores", [[], [1.0, math.nan], [math.inf]])
def test_scores_that_mean_nothing_are_refused(scores):
    with pytest.raises(ConfigError):
        interquartile_mean_interval(np.array(scores))
