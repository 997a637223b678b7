"""Distributions of randomisation terms, as inverse cumulative functions of uniform draws."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]

DistributionName = Literal[
    "uniform", "log_uniform", "normal", "truncated_normal", "choice", "constant"
]

Parameters = dict[str, float | tuple[float, ...]]
"""Parameters of a distribution, by name."""

PARAMETERS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "normal": ("mean", "std"),
    "truncated_normal": ("mean", "std", "low", "high"),
    "choice": ("values",),
    "constant": ("value",),
}
"""What each distribution needs to know."""

_CLOSEST_TO_ONE = 1.0 - 2.0**-53


def quantile(name: str, parameters: Parameters, uniform: Array) -> Array:
    """Return draws of a distribution.

    Args:
        name: a key of `PARAMETERS`.
        parameters: the values of that distribution's parameters.
        uniform: draws from [0, 1), any shape.

    Returns:
        Draws, of the shape of `uniform`.
    """
    p = parameters
    if name == "uniform":
        return np.asarray(p["low"] + (p["high"] - p["low"]) * uniform)  # type: ignore[operator]
    if name == "log_uniform":
        low, high = np.log(p["low"]), np.log(p["high"])
        # rounding must not pass the limits
        return np.clip(np.exp(low + (high - low) * uniform), p["low"], p["high"])
    if name.endswith("normal"):
        below, above = normal_shares(p)
        drawn = p["mean"] + p["std"] * standard_normal(below + (above - below) * uniform)  # type: ignore[operator]
        return np.asarray(np.clip(drawn, *support(name, p)))
    if name == "choice":
        values = np.asarray(p["values"])
        return np.asarray(values[(uniform * len(values)).astype(np.intp)])
    return np.full(np.shape(uniform), p["value"])


def normal_shares(parameters: Parameters) -> tuple[float, float]:
    """Return the shares of a normal distribution below its least and its greatest value."""
    if "low" not in parameters:
        return 0.0, 1.0
    mean, std = parameters["mean"], parameters["std"]
    first, last = ((np.asarray(parameters[k]) - mean) / std for k in ("low", "high"))
    return float(ndtr(first)), float(ndtr(last))


def standard_normal(share: Array) -> Array:
    """Return the values below which given shares of a standard normal distribution lie."""
    return np.asarray(ndtri(np.clip(share, 2.0**-53, _CLOSEST_TO_ONE)))


def support(name: str, parameters: Parameters) -> tuple[float, float]:
    """Return the least and the greatest value that a distribution can give."""
    p = parameters
    if name == "normal":
        return (-np.inf, np.inf) if p["std"] else (float(p["mean"]), float(p["mean"]))  # type: ignore[arg-type]
    if name == "choice":
        return min(p["values"]), max(p["values"])  # type: ignore[arg-type]
    if name == "constant":
        return p["value"], p["value"]  # type: ignore[return-value]
    return p["low"], p["high"]  # type: ignore[return-value]
