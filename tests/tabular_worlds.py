"""Random processes for property tests of the exact case."""

import numpy as np
from hypothesis import strategies as st

from trirl_robot.irl.tabular.ascent import Problem
from trirl_robot.irl.tabular.matching import FeatureMatching, KlMatching
from trirl_robot.irl.tabular.worlds import IcyGridConfig, RandomConfig, icy_grid, random_world

DISCOUNTS = st.floats(0.0, 0.98)
SEEDS = st.integers(0, 10_000)


@st.composite
def worlds(draw, discounts=DISCOUNTS):
    """Processes of 2 to 7 states, with up to two that are absorbing and some that none reaches."""
    states = draw(st.integers(2, 7))
    config = RandomConfig(
        states=states,
        actions=draw(st.integers(1, 4)),
        successors=draw(st.integers(1, min(3, states))),
        absorbing=draw(st.integers(0, min(2, states - 1))),
        features=draw(st.integers(1, 4)),
        discount=draw(discounts),
        reward_scale=draw(st.floats(0.0, 2.0)),
    )
    return random_world(config, draw(SEEDS))


def problem(world, reward="state-action", beta=5.0):
    expert = world.expert_log_occupancy()
    if reward == "features":
        matching = FeatureMatching(world.features, expert)
    else:
        matching = KlMatching(expert, states_only=reward == "state")
    return Problem(mdp=world.mdp, matching=matching, expert_log_occupancy=expert, beta=beta)


def icy_problem(reward="state-action", beta=5.0, **config):
    return problem(icy_grid(IcyGridConfig(**config)), reward, beta)


def random_log_policy(mdp, rng, scale=1.0):
    logits = scale * rng.normal(size=(mdp.states, mdp.actions))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
