"""Loops over simulations, compiled.

What is done between two steps of the engine is little for each simulation and touches much memory,
which the engine has just driven out of the caches. One loop passes over it once; array operations
would pass over it a dozen times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Steps = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Return a function of arrays and numbers, compiled at its first call and kept on disk.

    Results are those of the same lines in Python, to the last bit: nothing is reordered.
    """
    loop: Function = numba.njit(function, cache=True, error_model="numpy")
    return loop


@compiled
def distances(first: Array, second: Array) -> Array:
    """Return the distances of points, (N, k) and (N, k) to (N,)."""
    found = np.empty(first.shape[0])
    for i in range(first.shape[0]):
        square = 0.0
        for j in range(first.shape[1]):
            square += (first[i, j] - second[i, j]) ** 2
        found[i] = np.sqrt(square)
    return found


@compiled
def count(steps: Steps) -> None:
    """Add 1 to each of `steps` (N,), without code of numpy's that is out of the caches by now."""
    for i in range(steps.shape[0]):
        steps[i] += 1


@compiled
def count_step(
    elapsed_steps: Steps,
    age: Steps,
    max_episode_steps: int,
    terminated: Mask,
    diverged: Mask,
    truncated: Mask,
) -> bool:
    """Count a step, write which episodes it truncates, (N,); return whether any has ended."""
    any_ended = False
    for i in range(elapsed_steps.shape[0]):
        elapsed_steps[i] += 1
        age[i] += 1
        over = diverged[i] or elapsed_steps[i] >= max_episode_steps
        truncated[i] = over and not terminated[i]
        any_ended |= truncated[i] or terminated[i]
    return any_ended
