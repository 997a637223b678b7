"""Intervals for success rates and scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trirl_robot.errors import ConfigError

_NORMAL_95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    """The estimate."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    n: int
    """Number of observations behind it."""


def wilson(successes: int, trials: int) -> Interval:
    """Return a success rate with its 95 % Wilson score interval (Wilson 1927).

    Unlike the normal approximation it has a width at 0 and 1 and never leaves [0, 1].

    Args:
        successes: number of successes.
        trials: number of trials, at least 1.

    Raises:
        ConfigError: no trials, or successes outside 0..trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ConfigError(f"got {successes} successes in {trials} trials; expected 0..n of n >= 1")
    rate = successes / trials
    square = _NORMAL_95**2 / trials
    centre = (rate + square / 2) / (1 + square)
    half = math.sqrt(rate * (1 - rate) * square + square**2 / 4) / (1 + square)
    # at 0 and 1 the ends are exact; rounding must not put them beside the rate
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(value=rate, low=low, high=high, n=trials)


def interquartile_mean(scores: ArrayLike) -> float:
    """Return the mean of the middle half of the scores.

    A quarter of the scores is cut off at either end, rounded down, as in rliable.

    Args:
        scores: any shape, at least one finite value; all are pooled.

    Raises:
        ConfigError: no scores, or one that is not finite.
    """
    flat = np.asarray(scores, dtype=np.float64).reshape(1, -1)
    _require_scores(flat)
    return float(_trimmed_means(flat)[0])


def interquartile_mean_interval(
    scores: ArrayLike, *, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Return the IQM with its 95 % interval from a stratified bootstrap (Agarwal et al. 2021).

    Runs are drawn with replacement within each task, so that every resample holds every task
    equally often; the interval is the percentile interval of the resampled IQMs.

    Args:
        scores: normalised scores, shape (runs, tasks), or (runs,) for one task.
        resamples: number of bootstrap resamples.
        seed: seed of the resampling.

    Raises:
        ConfigError: no scores, or one that is not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2:
        raise ConfigError(f"scores have shape {table.shape}; expected (runs, tasks)")
    _require_scores(table)
    random = np.random.default_rng(seed)
    runs, tasks = table.shape
    columns = np.arange(tasks)
    means = []
    for count in _blocks(resamples, table.size):
        rows = random.integers(runs, size=(count, runs, tasks))
        means.append(_trimmed_means(table[rows, columns].reshape(count, -1)))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    value = interquartile_mean(table)
    return Interval(value=value, low=float(low), high=float(high), n=int(table.size))


def _trimmed_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row without a quarter of its values at either end."""
    count = rows.shape[1]
    cut = count // 4
    means: NDArray[np.float64] = np.sort(rows, axis=1)[:, cut : count - cut].mean(axis=1)
    return means


def _blocks(resamples: int, size: int) -> list[int]:
    """Split the resamples so that one block holds about a million scores."""
    block = max(1, 1_000_000 // size)
    full, rest = divmod(resamples, block)
    return [block] * full + [rest] * (rest > 0)


def _require_scores(scores: NDArray[np.float64]) -> None:
    if scores.size == 0:
        raise ConfigError("there are no scores; expected at least one")
    if not np.isfinite(scores).all():
        raise ConfigError("a score is NaN or infinite; expected finite scores")
