"""TRIRL beside the same without its correction and beside full dual ascent, on one problem."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from trirl_robot.config import require, to_mapping
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.irl.correction import corrected_step_size
from trirl_robot.irl.tabular.ascent import Ascent, Iterate, Method, Problem, ascend
from trirl_robot.irl.tabular.matching import FeatureMatching, KlMatching, Matching
from trirl_robot.irl.tabular.mdp import log_occupancy
from trirl_robot.irl.tabular.soft import TOLERANCE
from trirl_robot.irl.tabular.theorem import per_state_step, policy_gap
from trirl_robot.irl.tabular.worlds import WORLDS, World

REWARDS = ("state-action", "state", "features")
"""What the learnt reward is a function of."""
_LARGEST_BETA = 1e6
"""Greatest weight of the divergence: beyond, rewards have no digits left for the entropy."""
_PER_STATE_STEPS = 5
"""Policy updates that are also made with a multiplier per state, the first of a run."""
_LEAST_KL = 1e-12
"""KL of a policy update, nats, below which it is rounding and no trust region binds."""


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """Settings of a comparison."""

    mdp: str = "icy-grid"
    """Name of the world."""
    reward: str = "state-action"
    """What the reward is a function of; one of `REWARDS`."""
    beta: float | None = None
    """Weight of the divergence from the expert; 5, or 50 with features, where not given."""
    step_size: float = 0.5
    """Step of the provisional reward, in (0, 1]."""
    eta: float | None = None
    """Multiplier of the trust region, the least one with a KL bound; 10, or 100 with features,
    where not given."""
    kl_bound: float | None = None
    """Bound on the KL of a policy update by which eta is chosen, nats."""
    iterations: int = 40
    """Steps of each method."""
    discount: float = 0.95
    """Discount factor of the world."""
    target_kl: float = 0.02
    """KL(rho_pi || rho_E) until which sweeps are counted, nats."""
    tolerance: float = TOLERANCE
    """Bound on the error of a policy update's soft values, in units of its temperature."""
    seed: int = 0
    """Fixes the random world."""

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.mdp not in WORLDS:
            raise ConfigError(unknown_name("mdp", self.mdp, WORLDS))
        if self.reward not in REWARDS:
            raise ConfigError(unknown_name("reward", self.reward, REWARDS))
        require(self, "at least 1", lambda v: v >= 1, "iterations")
        require(self, "0 or more", lambda v: v >= 0, "seed")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "discount")
        require(self, "a finite number above 0", _positive, "target_kl", "tolerance")
        require(
            self,
            "a finite number above 0",
            lambda v: v is None or _positive(v),
            "kl_bound",
        )
        require(
            self,
            f"above 0 and at most {_LARGEST_BETA:g}",
            lambda v: v is None or 0.0 < v <= _LARGEST_BETA,
            "beta",
        )
        require(self, "a finite number", lambda v: v is None or math.isfinite(v), "eta")
        corrected_step_size(self.step_size, self.used_eta)

    @property
    def used_beta(self) -> float:
        """Weight of the divergence, given or default."""
        if self.beta is not None:
            return self.beta
        # feature expectations differ by less than logarithms do
        return 50.0 if self.reward == "features" else 5.0

    @property
    def used_eta(self) -> float:
        """Multiplier, given or default."""
        if self.eta is not None:
            return self.eta
        return 100.0 if self.reward == "features" else 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What the methods did."""

    config: ComparisonConfig
    """What was asked for."""
    world: World
    """The world."""
    problem: Problem
    """The problem that all methods solved."""
    ascents: tuple[Ascent, ...]
    """Runs of the methods, TRIRL first."""
    policy_gaps: tuple[float, ...]
    """For each run, the largest difference between a policy and the soft-optimal policy of the
    reward beside it, over all iterates: for TRIRL, the error of the theorem."""
    per_state_gap: float
    """The same for TRIRL's first steps when every state has a multiplier of its own."""

    def to_plain(self) -> dict[str, Any]:
        """Return all figures as JSON data; what is not known is None."""
        methods = [
            {
                "name": ascent.method.name,
                "diverged": ascent.diverged,
                "kl_falls": ascent.falls("kl"),
                "dual_falls": ascent.falls("dual"),
                "sweeps_to_target_kl": ascent.sweeps_to(self.config.target_kl),
                "largest_policy_difference": _known(gap),
                **{name: [_known(v) for v in ascent.series(name)] for name in _SERIES},
            }
            for ascent, gap in zip(self.ascents, self.policy_gaps, strict=True)
        ]
        return {
            "config": to_mapping(self.config)
            | {"beta": self.config.used_beta, "eta": self.config.used_eta},
            "world": self.world.name,
            "per_state_policy_difference": _known(self.per_state_gap),
            "methods": methods,
        }


_SERIES = ("kl", "dual", "primal", "slope", "eta", "step_size", "step_kl", "sweeps")


def build_problem(config: ComparisonConfig) -> tuple[World, Problem]:
    """Build the world, its expert and what of the expert is to be matched."""
    world = WORLDS[config.mdp](config.seed, config.discount)
    expert = world.expert_log_occupancy()
    matching: Matching
    if config.reward == "features":
        matching = FeatureMatching(world.features, expert)
    else:
        matching = KlMatching(expert, states_only=config.reward == "state")
    problem = Problem(
        mdp=world.mdp, matching=matching, expert_log_occupancy=expert, beta=config.used_beta
    )
    return world, problem


def methods(config: ComparisonConfig) -> tuple[Method, ...]:
    """Return TRIRL and what it is compared with."""
    step_size, eta, tolerance = config.step_size, config.used_eta, config.tolerance
    small = corrected_step_size(step_size, eta)
    names = [f"dual ascent {size:.3g}" for size in (step_size, small)]

    def local(name: str, *, correct: bool) -> Method:
        return Method(
            name=name,
            step_size=step_size,
            eta=eta,
            kl_bound=config.kl_bound,
            correct=correct,
            tolerance=tolerance,
        )

    def full(name: str, step_size: float, *, from_scratch: bool) -> Method:
        return Method(
            name=name, step_size=step_size, from_scratch=from_scratch, tolerance=tolerance
        )

    same_step = full(names[0], step_size, from_scratch=True)
    return (
        local("TRIRL", correct=True),
        local("uncorrected", correct=False),
        # nothing is to be seen of two steps that are nearly the same
        *((same_step,) if names[0] != names[1] else ()),
        full(names[1], small, from_scratch=True),
        full(f"{names[1]} warm", small, from_scratch=False),
    )


def compare(
    config: ComparisonConfig, progress: Callable[[str, Iterate], None] = lambda *_: None
) -> Comparison:
    """Run all methods.

    Args:
        config: what to run.
        progress: called with a method's name and each new iterate.

    Raises:
        ConfigError: TRIRL diverges in its first step, no multiplier meets the KL bound, or the
            policy of a bound per state does not settle.
    """
    chosen = methods(config)
    world, problem = build_problem(config)
    ascents = tuple(
        ascend(problem, method, config.iterations, partial(progress, method.name))
        for method in chosen
    )
    if len(ascents[0].iterates) == 1:
        raise ConfigError(
            "TRIRL diverges in its first step; expected a smaller beta or a larger eta"
        )
    return Comparison(
        config=config,
        world=world,
        problem=problem,
        ascents=ascents,
        policy_gaps=tuple(_largest_gap(problem, ascent) for ascent in ascents),
        per_state_gap=_largest_per_state_gap(problem, ascents[0]),
    )


def _largest_gap(problem: Problem, ascent: Ascent) -> float:
    return max(
        policy_gap(problem.mdp, problem.matching.reward(iterate.parameters), iterate.log_policy)
        for iterate in ascent.iterates
    )


def _largest_per_state_gap(problem: Problem, ascent: Ascent) -> float:
    """Repeat the first steps with the same KL as a bound in every state, and so with eta(s)."""
    mdp, matching = problem.mdp, problem.matching
    gaps = [0.0]
    pairs = zip(ascent.iterates, ascent.iterates[1:], strict=False)
    for before, after in list(pairs)[:_PER_STATE_STEPS]:
        logit = matching.direction(log_occupancy(mdp, before.log_policy))
        reward = matching.reward(before.parameters)
        change = ascent.method.step_size * (matching.reward(problem.beta * logit) - reward)
        if after.step_kl < _LEAST_KL:
            continue
        step = per_state_step(mdp, reward + change, before.log_policy, after.step_kl)
        corrected = reward + change / (1.0 + step.eta[:, None])
        gaps.append(policy_gap(mdp, corrected, step.log_policy))
    return max(gaps)


def _positive(value: float) -> bool:
    return value > 0.0 and math.isfinite(value)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
