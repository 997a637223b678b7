"""What the imitation benchmark compares: tasks, methods, settings and seeds, by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from imitation_run import Cell

METHODS = ("trirl", "gail", "airl", "bc")
"""All of them, cloning last."""
NEED_ACTIONS = ("airl", "bc")
"""Methods that demonstrated actions are needed for: AIRL takes the density of the policy there."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Runs that belong together; each combination is one."""

    tasks: tuple[str, ...] = ("half-cheetah", "hopper", "point-maze", "so101-reach")
    methods: tuple[str, ...] = METHODS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    demonstrations: tuple[int, ...] = (10,)
    keep_every: tuple[int, ...] = (1,)
    randomisation: str = "none"
    """Dynamics of training and test."""
    observation_only: bool = False
    """Whether the demonstrations count as holding no actions."""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"": ()})
    """Settings that differ from the recipe's, by the name under which results are kept."""

    def cells(self) -> Iterator[Cell]:
        """Yield its runs: all methods of a seed before the next seed."""
        for task, count, every, seed, method, (variant, settings) in itertools.product(
            self.tasks,
            self.demonstrations,
            self.keep_every,
            self.seeds,
            self.methods,
            self.variants.items(),
        ):
            if self.observation_only and method in NEED_ACTIONS:
                continue
            yield Cell(
                task=task,
                method=method,
                demonstrations=count,
                keep_every=every,
                seed=seed,
                randomisation=self.randomisation,
                observation_only=self.observation_only,
                variant=variant,
                settings=settings,
            )


SUITES = {
    "core": Suite(
        tasks=("half-cheetah", "hopper", "point-maze", "so101-reach", "so101-push"),
        demonstrations=(10, 1),
    ),
    "subsampled": Suite(demonstrations=(1,), keep_every=(20,)),
    "observation-only": Suite(observation_only=True),
    "randomised": Suite(randomisation="strong"),
    "wide": Suite(
        tasks=("walker2d", "ant", "so101-lift"), methods=("trirl", "gail", "bc"), seeds=(0, 1, 2)
    ),
    "humanoid": Suite(tasks=("humanoid",), methods=("trirl", "gail", "bc"), seeds=(0,)),
    "ablations": Suite(
        tasks=("half-cheetah", "hopper"),
        methods=("trirl",),
        seeds=(0, 1, 2),
        # on ten whole ones, cloning alone is as good as the expert
        demonstrations=(1,),
        keep_every=(20,),
        variants={
            "": (),
            "uncorrected": ("correct=false",),
            "annealed": ("trust_region.form=annealed",),
            "projected": ("trust_region.form=projection",),
            "measured multiplier": ("trust_region.multiplier=marginal",),
            "chain of 10": ("reward.maximum_length=10",),
            "distilled": ("reward.form=distilled",),
            "no gradient penalty": ("discriminator.gradient_penalty=0",),
            "no absorbing tail": ("absorbing_tail=false",),
        },
    ),
    "tuning": Suite(
        tasks=("half-cheetah",),
        methods=("trirl", "gail"),
        seeds=(0, 1),
        variants={
            f"{envs} environments, entropy {weight}": (f"num_envs={envs}", f"entropy_coef={weight}")
            for envs in (32, 64)
            for weight in (0.002, 0.004)
        },
    ),
    "inputs": Suite(
        tasks=("so101-reach",),
        methods=("trirl", "gail"),
        seeds=(0, 1),
        demonstrations=(1,),
        variants={"vector": ("discriminator.inputs=[end_effector_to_target]",)},
    ),
}
"""By name. Ablations: what TRIRL is without one of its parts, or with another. Tuning: what both
methods have with each other's settings."""
_SHORT = Suite(tasks=("half-cheetah",), seeds=(0,))
QUICK = (
    replace(_SHORT, methods=METHODS[:-1], variants={"quick": ("total_steps=20000",)}),
    # cloning takes no environment steps
    replace(_SHORT, methods=METHODS[-1:], variants={"quick": ()}),
)
"""A short run of every method."""
