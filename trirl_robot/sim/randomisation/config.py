"""Terms of a randomisation, as they stand in YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import find_config, load, read_yaml
from trirl_robot.errors import ConfigError
from trirl_robot.sim.randomisation.distributions import (
    PARAMETERS,
    DistributionName,
    normal_shares,
    quantile,
    support,
)

Array = NDArray[np.float64]

Operation = Literal["scale", "add", "set"]

LEAST_SHARE = 1e-9
"""Least share of a normal distribution that must lie within its limits."""

NEUTRAL: dict[str, float] = {"scale": 1.0, "add": 0.0}
"""Values that change nothing."""


@dataclass(frozen=True, kw_only=True)
class RandomisationTerm:
    """One quantity, where, how and when it is drawn."""

    quantity: str
    """What is drawn; `trirl tasks --quantities` lists everything that can be."""
    where: tuple[str, ...] = ("*",)
    """Names of bodies, geoms, joints, actuators or signals, or patterns such as `*finger*`."""
    distribution: DistributionName
    """Distribution of the values."""
    low: float | None = None
    """Least value (uniform, log_uniform, truncated_normal)."""
    high: float | None = None
    """Greatest value (uniform, log_uniform, truncated_normal)."""
    mean: float | None = None
    """Mean (normal; of the normal that is cut in truncated_normal)."""
    std: float | None = None
    """Standard deviation (normal; of the normal that is cut in truncated_normal)."""
    values: tuple[float, ...] | None = None
    """Values that are equally likely (choice)."""
    value: float | None = None
    """The value (constant)."""
    operation: Operation | None = None
    """Whether a value scales the model's, is added to it or replaces it; the quantity's own by
    default."""
    when: Literal["episode", "interval", "once"] = "episode"
    """Drawn at each reset, again and again within an episode, or once for each simulation."""
    interval_s: tuple[float, float] | None = None
    """Range of the time between two draws [s] (interval)."""
    duration_s: float | None = None
    """Time after which a value drawn within an episode ceases to act [s]; None until the next."""
    shared: bool = False
    """Whether all objects of one simulation get the same value."""
    optional: bool = False
    """Whether to leave the term out, silently, where a model has nothing that it belongs to."""

    def __post_init__(self) -> None:
        """Check the parameters of the distribution and the times."""
        self._check_parameters()
        name = f"randomisation of {self.quantity}"
        low, high = self.low, self.high
        if low is not None and high is not None and low > high:
            raise ConfigError(f"{name}: low {low} is above high {high}")
        if self.distribution == "log_uniform" and low is not None and low <= 0:
            raise ConfigError(f"{name}: log_uniform needs low above 0, got {low}")
        if self.std is not None and self.std < 0:
            raise ConfigError(f"{name}: std must not be negative, got {self.std}")
        if self.distribution == "truncated_normal" and self.std == 0:
            raise ConfigError(f"{name}: truncated_normal needs std above 0; use constant instead")
        if self.distribution == "truncated_normal":
            below, above = normal_shares(self.parameters)
            if low != high and above - below < LEAST_SHARE:
                raise ConfigError(
                    f"{name}: hardly any of the normal with mean {self.mean} and std {self.std} "
                    f"lies between {low} and {high}; move the mean or widen the limits"
                )
        if self.values is not None and not self.values:
            raise ConfigError(f"{name}: values is empty, expected at least one")
        if not self.where:
            raise ConfigError(f"{name}: where is empty; leave it out to mean all")
        self._check_times(name)

    @property
    def parameters(self) -> dict[str, float | tuple[float, ...]]:
        """Parameters of the distribution, by name."""
        return {name: getattr(self, name) for name in PARAMETERS[self.distribution]}

    @property
    def support(self) -> tuple[float, float]:
        """Least and greatest value that can be drawn."""
        return support(self.distribution, self.parameters)

    def quantile(self, uniform: Array) -> Array:
        """Return values for uniform draws from [0, 1), of the same shape."""
        return quantile(self.distribution, self.parameters, uniform)

    def _check_parameters(self) -> None:
        wanted = PARAMETERS[self.distribution]
        for name in ("low", "high", "mean", "std", "values", "value"):
            given = getattr(self, name) is not None
            if given != (name in wanted):
                problem = "has no use for" if given else "needs"
                raise ConfigError(
                    f"randomisation of {self.quantity}: {self.distribution} {problem} '{name}' "
                    f"(it takes {', '.join(wanted)})"
                )

    def _check_times(self, name: str) -> None:
        if (self.when == "interval") != (self.interval_s is not None):
            raise ConfigError(f"{name}: 'interval_s' and 'when: interval' go together")
        if self.interval_s is not None and not 0 < self.interval_s[0] <= self.interval_s[1]:
            raise ConfigError(
                f"{name}: interval_s is {list(self.interval_s)}, expected two times above 0, the "
                "shorter first"
            )
        if self.duration_s is not None and (self.when != "interval" or self.duration_s <= 0):
            raise ConfigError(f"{name}: 'duration_s' must be above 0 and needs 'when: interval'")


@dataclass(frozen=True, kw_only=True)
class RandomisationConfig:
    """All terms of a preset; later terms act on what earlier ones have left."""

    terms: tuple[RandomisationTerm, ...] = ()
    """The terms."""

    def draws(self, *quantities: str) -> bool:
        """Return whether a term draws any of the quantities; patterns such as `payload*` do too."""
        return any(fnmatchcase(t.quantity, pattern) for t in self.terms for pattern in quantities)


def load_randomisation(name: str) -> RandomisationConfig:
    """Read a preset by name, such as `none`, `light`, `strong`, or from a YAML file."""
    path = find_config("randomisation", name)
    try:
        return load(RandomisationConfig, path)
    except ConfigError as error:
        raise ConfigError(_with_quantity(str(error), read_yaml(path).get("terms"))) from None


def _with_quantity(message: str, terms: Any) -> str:
    """Return a message that names the quantity of the term that it is about, by its number."""
    found = re.search(r"terms\[(\d+)\]", message)
    if found is None:
        return message
    quantity = terms[int(found[1])].get("quantity")
    if quantity is None or f"of {quantity}" in message:
        return message
    return message.replace(found[0], f"{found[0]} ({quantity})", 1)
