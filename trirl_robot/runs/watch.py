"""Warnings in words when the metrics of a training show that something known goes wrong.

A condition is looked for over a window of iterations and warned of once in a run. What has been
warned of follows from the rows alone, so that a resumed run knows it again from its own log.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trirl_robot.files import write_text_atomically
from trirl_robot.irl.trirl import TrirlConfig
from trirl_robot.irl.trust_region.penalty import AdaptedPenaltyConfig, AnnealedPenaltyConfig
from trirl_robot.irl.trust_region.projection import ProjectionConfig
from trirl_robot.rl.policy import STD_RANGE
from trirl_robot.runs.algorithms import AlgorithmConfig
from trirl_robot.runs.folder import RunFolder

Row = Mapping[str, float]
Rows = Sequence[Row]
"""Metrics of the latest iterations, the newest last."""

PERFECT_ACCURACY, PERFECT_ITERATIONS = 0.999, 40
"""A discriminator this right for so long has nothing left to say about which way is better. Runs
that turn out well are at 0.998 for some 30 iterations when they start from scratch."""
SLACK_ITERATIONS, SLACK_ACCURACY = 30, 0.8
"""Near the expert the bound is slack and eta rests on its floor, as it should; while the
discriminator is this right, the policy is not near."""
ETA_MARGIN = 1.01
"""Eta counts as at its floor up to this multiple of it."""
UNMET_ITERATIONS = 15
"""An adapted coefficient has grown by a factor of 50 by then (1.3 an iteration)."""
COLLAPSED_STD, COLLAPSED_ITERATIONS = 1.25 * STD_RANGE[0], 10
"""The standard deviation is kept above a bound, so that what shows is that it rests there."""
SATURATED_SHARE, SATURATED_ITERATIONS = 0.5, 20
"""The mean is within the bounds, so that half of the draws are beyond them only where it rests on
them, or the standard deviation is at its upper bound."""
UNEXPLAINED_VARIANCE, UNEXPLAINED_ITERATIONS = 0.1, 20
"""A critic that works explains 0.6 to 0.99 of the returns' variance after ten iterations."""
DROPPED_ITERATIONS = 20
"""Iterations for which more of the reward's weight has been dropped than is left."""
DIVERGED_SHARE, DIVERGED_LEAST, DIVERGED_ITERATIONS = 1e-4, 5, 20
"""Share of steps in which a simulation diverges, and how many there are at least: each costs an
episode, and a policy may come to seek what makes the physics fail."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that goes wrong."""

    iterations: int
    """Iterations over which it is looked for."""
    holds: Callable[[Rows], bool]
    """Whether it is seen in as many rows, each of which has every one of `keys`."""
    keys: tuple[str, ...]
    """Metrics that it is seen in."""
    message: str
    """What is wrong and what to do; `{n}` is `iterations`, and metrics stand by name."""


class Watch:
    """Looks for what is known to go wrong in one run."""

    def __init__(self, config: AlgorithmConfig) -> None:
        self._conditions = _conditions(config)
        self._rows: deque[Row] = deque(maxlen=max(c.iterations for c in self._conditions))

    def look(self, row: Row) -> list[str]:
        """Return the warnings that an iteration's metrics give rise to, each once in a run."""
        self._rows.append({name: v for name, v in row.items() if math.isfinite(v)})
        found = [c for c in self._conditions if self._seen(c)]
        self._conditions = [c for c in self._conditions if c not in found]
        values = {name.replace("/", "_"): value for name, value in self._rows[-1].items()}
        return [c.message.format(n=c.iterations, **values) for c in found]

    def _seen(self, condition: Condition) -> bool:
        rows = list(self._rows)[-condition.iterations :]
        return (
            len(rows) == condition.iterations
            and all(key in row for row in rows for key in condition.keys)
            and condition.holds(rows)
        )


class WarningLog:
    """The warnings of a run, kept in its folder."""

    def __init__(self, folder: RunFolder, config: AlgorithmConfig) -> None:
        """Take up what the rows that the folder holds gave rise to, and nothing later."""
        self._path = folder.warnings
        self._watch = Watch(config)
        given = [line for row in folder.read_metrics() for line in self._lines(row)]
        if given or self._path.exists():
            write_text_atomically(self._path, "".join(given))

    def look(self, row: Row) -> list[str]:
        """Write down the warnings that an iteration's metrics give rise to, and return them."""
        lines = self._lines(row)
        if lines:
            with self._path.open("a", encoding="utf-8") as handle:
                handle.writelines(lines)
        return [line.rstrip() for line in lines]

    def _lines(self, row: Row) -> list[str]:
        number = int(row["iteration"])
        return [f"iteration {number}: {message}\n" for message in self._watch.look(row)]


def _in_every(test: Callable[[Row], bool]) -> Callable[[Rows], bool]:
    return lambda rows: all(test(row) for row in rows)


def _conditions(config: AlgorithmConfig) -> list[Condition]:
    conditions = [_PERFECT, _COLLAPSED, _SATURATED, _UNEXPLAINED, _DROPPED, _DIVERGED]
    region = config.trust_region if isinstance(config, TrirlConfig) else None
    if not isinstance(region, AnnealedPenaltyConfig):
        # which enforces no bound
        conditions.append(_UNMET)
    if isinstance(region, AdaptedPenaltyConfig):
        conditions.append(_pinned(region.minimum_eta))
    elif isinstance(region, ProjectionConfig):
        conditions.append(_pinned(0.0))
    return conditions


_PERFECT = Condition(
    iterations=PERFECT_ITERATIONS,
    keys=("discriminator/accuracy",),
    holds=_in_every(lambda row: row["discriminator/accuracy"] >= PERFECT_ACCURACY),
    message=(
        "the discriminator has told expert from policy in more than 99.9 % of all steps for {n} "
        "iterations, so that its reward no longer says which way is better: look for what gives "
        "the expert away, and hide it with discriminator.instance_noise or fewer "
        "discriminator.inputs, or raise discriminator.gradient_penalty"
    ),
)
_UNMET = Condition(
    iterations=UNMET_ITERATIONS,
    keys=("trust_region/bound_met", "trust_region/kl_mean", "trust_region/kl_bound"),
    holds=_in_every(lambda row: row["trust_region/bound_met"] == 0.0),
    message=(
        "the KL of the policy's updates has been above its bound for {n} iterations (mean "
        "{trust_region_kl_mean:.4f}, bound {trust_region_kl_bound:g}), so that the correction of "
        "the reward counts on smaller steps than are made: lower ppo.policy_learning_rate or "
        "ppo.epochs, or raise the bound"
    ),
)
_COLLAPSED = Condition(
    iterations=COLLAPSED_ITERATIONS,
    keys=("policy/std", "policy/entropy"),
    holds=_in_every(lambda row: row["policy/std"] <= COLLAPSED_STD),
    message=(
        "the policy's entropy has collapsed: its standard deviation has been at the least that it "
        "may have for {n} iterations ({policy_std:.3f}), and it explores no longer; raise "
        "entropy_coef, or raise initial_std and start again"
    ),
)
_SATURATED = Condition(
    iterations=SATURATED_ITERATIONS,
    keys=("policy/saturated_share",),
    holds=_in_every(lambda row: row["policy/saturated_share"] >= SATURATED_SHARE),
    message=(
        "more than half of all action values have been drawn beyond [-1, 1] for {n} iterations and "
        "were clipped, where they are all the same to the task and to the reward: lower "
        "initial_std or entropy_coef, or widen the task's actions if the demonstrations are at "
        "their bounds too"
    ),
)
_UNEXPLAINED = Condition(
    iterations=UNEXPLAINED_ITERATIONS,
    keys=("critic/explained_variance",),
    holds=_in_every(lambda row: row["critic/explained_variance"] <= UNEXPLAINED_VARIANCE),
    message=(
        "the critic has explained less than a tenth of the returns' variance for {n} iterations "
        "({critic_explained_variance:.2f}), so that advantages are mostly noise: raise "
        "ppo.critic_learning_rate or ppo.epochs, or lower ppo.gamma"
    ),
)
_DROPPED = Condition(
    iterations=DROPPED_ITERATIONS,
    keys=("reward/dropped_mass", "reward/total_weight"),
    holds=_in_every(lambda row: row["reward/dropped_mass"] > row["reward/total_weight"]),
    message=(
        "discriminators that were dropped from the chain would hold more of the reward's weight "
        "({reward_dropped_mass:.2f}) than those that are left ({reward_total_weight:.2f}), for {n} "
        "iterations, so that the reward is no longer the one that the policy has followed: raise "
        "reward.maximum_length, or take reward.form=distilled, or lower the floor of eta "
        "(trust_region.minimum_eta)"
    ),
)
_DIVERGED = Condition(
    iterations=DIVERGED_ITERATIONS,
    keys=("env/diverged", "env_steps"),
    holds=lambda rows: (
        rows[-1]["env/diverged"] - rows[0]["env/diverged"]
        >= max(DIVERGED_LEAST, DIVERGED_SHARE * (rows[-1]["env_steps"] - rows[0]["env_steps"]))
    ),
    message=(
        "simulations diverge more often than once in 10,000 steps ({env_diverged:.0f} so far), and "
        "each is reset: shorten the task's time step, soften its contacts, or draw its dynamics "
        "from narrower ranges"
    ),
)


def _pinned(floor: float) -> Condition:
    limit = ETA_MARGIN * floor
    return Condition(
        iterations=SLACK_ITERATIONS,
        keys=("trust_region/eta", "trust_region/kl_mean", "discriminator/accuracy"),
        holds=_in_every(
            lambda row: (
                row["trust_region/eta"] <= limit
                and row["discriminator/accuracy"] >= SLACK_ACCURACY
                and row["trust_region/kl_mean"] > 0.0
            )
        ),
        message=(
            f"eta has been at its floor of {floor:g} for {{n}} iterations while the policy is "
            "still far from the expert (KL {trust_region_kl_mean:.4f}, discriminator accuracy "
            "{discriminator_accuracy:.2f}), so that something else than the trust region limits "
            "its updates: raise ppo.policy_learning_rate or ppo.epochs, or lower the bound on the "
            "KL"
        ),
    )
