"""Transitions of the expert or the policy, and how long either is in absorbing states."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

LEAST_ABSORBING_SHARE = 0.01
"""What is added to either side's share of time in absorbing states: no sample shows that one never
gets there. One end in ten thousand steps, as many as ten long demonstrations have, is a hundredth
of the time at a discount of 0.99. With more, an end is soon better than going on among steps that
all tell the policy from the expert."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What one side has done."""

    inputs: Tensor
    """Unscaled inputs of its transitions, (B, f - 1)."""
    absorbing_share: float
    """Share of its time that it spends in absorbing states, in [0, 1)."""

    @staticmethod
    def of(inputs: Tensor, terminations: int, gamma: float, steps: int | None = None) -> Samples:
        """Return the samples of transitions, of which some led into an absorbing state.

        There it stays for ever, which counts gamma / (1 - gamma) steps in the discounted occupancy.

        Args:
            inputs: unscaled inputs, (B, f - 1).
            terminations: how many episodes ended in an absorbing state.
            gamma: discount.
            steps: steps in which they did, where not all of them are among the inputs.
        """
        absorbed = terminations * gamma / (1.0 - gamma)
        alive = inputs.shape[0] if steps is None else steps
        return Samples(inputs=inputs, absorbing_share=absorbed / max(absorbed + alive, 1.0))


def absorbing_log_ratio(share: float, other: float) -> float:
    """Return log(rho / rho_other) in absorbing states, from the shares of time spent there."""
    return math.log((share + LEAST_ABSORBING_SHARE) / (other + LEAST_ABSORBING_SHARE))
