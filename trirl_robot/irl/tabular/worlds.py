"""Worlds with an expert: an icy grid world, and a generator of random processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trirl_robot.config import require
from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.mdp import Array, TabularMdp, log_occupancy
from trirl_robot.irl.tabular.soft import SoftSolution, soft_value_iteration

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Row and column steps of a grid world's actions: up, right, down, left."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A process, the reward behind the expert, and features of its states and actions."""

    name: str
    """What it is called."""
    mdp: TabularMdp
    """The process."""
    reward: Array
    """The expert's reward r(s, a), shape (S, A), nats."""
    features: Array
    """Features of states and actions, shape (S, A, F); the expert's reward is linear in them."""
    grid_size: int | None = None
    """Rows and columns of a grid world; state = row * grid_size + column."""

    def expert(self) -> SoftSolution:
        """Return the policy of maximum causal entropy for the expert's reward."""
        return soft_value_iteration(self.mdp, self.reward)

    def expert_log_occupancy(self) -> Array:
        """Return log rho_E(s, a), shape (S, A), nats."""
        return log_occupancy(self.mdp, self.expert().log_policy)


@dataclass(frozen=True, kw_only=True)
class IcyGridConfig:
    """Settings of the icy grid world."""

    size: int = 5
    """Rows and columns."""
    slip: float = 0.2
    """Probability that a step goes in a random direction of the four."""
    absorbing_goal: bool = True
    """Whether the goal, the last cell, is never left; elsewhere an episode has no end."""
    discount: float = 0.95
    """Discount factor."""
    goal_reward: float = 1.0
    """Reward in the goal, nats per step."""
    hole_reward: float = -2.0
    """Reward where the ice is thin, nats per step."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 3", lambda v: v >= 3, "size")
        require(self, "a value in [0, 1]", lambda v: 0 <= v <= 1, "slip")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "discount")


@dataclass(frozen=True, kw_only=True)
class RandomConfig:
    """Settings of the generator of random processes."""

    states: int = 20
    """Number of states."""
    actions: int = 4
    """Number of actions."""
    successors: int = 4
    """States that an action can lead to."""
    absorbing: int = 1
    """States that are never left."""
    features: int = 6
    """Random features in which the expert's reward is linear."""
    discount: float = 0.95
    """Discount factor."""
    reward_scale: float = 1.0
    """Standard deviation of the expert's reward, nats."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "states", "actions", "features")
        require(self, "at least 0", lambda v: v >= 0, "reward_scale")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "discount")
        if not 1 <= self.successors <= self.states:
            raise ConfigError(
                f"successors is {self.successors}, expected 1 to {self.states}, the states"
            )
        if not 0 <= self.absorbing < self.states:
            raise ConfigError(
                f"absorbing is {self.absorbing}, expected 0 to {self.states - 1}: one state at "
                "least has to be left"
            )


def icy_grid(config: IcyGridConfig) -> World:
    """Build a grid world on ice, with thin ice along the way from the first cell to the goal.

    The reward is one of states alone. Episodes start in any cell but the goal. The features
    say in which row and in which column a state is, and whether it is the goal or thin ice.
    """
    size, states = config.size, config.size**2
    goal = states - 1
    holes = [row * size + row for row in range(1, size - 1)]
    transition = np.zeros((states, len(MOVES), states))
    for state in range(states):
        for action in range(len(MOVES)):
            transition[state, action, _moved(state, action, size)] += 1.0 - config.slip
            for other in range(len(MOVES)):
                transition[state, action, _moved(state, other, size)] += config.slip / len(MOVES)
    if config.absorbing_goal:
        transition[goal] = 0.0
        transition[goal, :, goal] = 1.0
    initial = np.full(states, 1.0 / (states - 1))
    initial[goal] = 0.0
    row, column = np.divmod(np.arange(states), size)
    marks = np.zeros((states, 2))
    marks[goal, 0] = 1.0
    marks[holes, 1] = 1.0
    features = np.concatenate([np.eye(size)[row], np.eye(size)[column], marks], axis=1)
    reward = marks @ np.array([config.goal_reward, config.hole_reward])
    return World(
        name=f"icy {size}x{size} grid{'' if config.absorbing_goal else ', endless'}",
        mdp=TabularMdp(transition=transition, initial=initial, discount=config.discount),
        reward=np.repeat(reward[:, None], len(MOVES), axis=1),
        features=np.repeat(features[:, None], len(MOVES), axis=1),
        grid_size=size,
    )


def random_world(config: RandomConfig, seed: int) -> World:
    """Draw a process: sparse transitions, a reward of states and actions linear in features.

    Args:
        config: its sizes.
        seed: fixes everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    states, actions = config.states, config.actions
    transition = np.zeros((states, actions, states))
    for row in transition.reshape(-1, states):
        reached = rng.choice(states, size=config.successors, replace=False)
        row[reached] = rng.dirichlet(np.ones(config.successors))
    absorbing = np.arange(states - config.absorbing, states)
    transition[absorbing] = 0.0
    transition[absorbing, :, absorbing] = 1.0
    initial = np.zeros(states)
    initial[: states - config.absorbing] = rng.dirichlet(np.ones(states - config.absorbing))
    features = rng.normal(size=(states, actions, config.features))
    # an absorbing state has a reward of its own, whatever is done there
    features[absorbing] = features[absorbing][:, :1]
    weights = rng.normal(size=config.features)
    reward = features @ (weights * config.reward_scale / np.sqrt(config.features))
    return World(
        name=f"random process, seed {seed}",
        mdp=TabularMdp(transition=transition, initial=initial, discount=config.discount),
        reward=reward,
        features=features,
    )


def _moved(state: int, action: int, size: int) -> int:
    """Return the cell that a step leads to; a step against the edge stays."""
    row, column = divmod(state, size)
    row_step, column_step = MOVES[action]
    row = min(max(row + row_step, 0), size - 1)
    column = min(max(column + column_step, 0), size - 1)
    return row * size + column


WORLDS: dict[str, Callable[[int, float], World]] = {
    "icy-grid": lambda _, discount: icy_grid(IcyGridConfig(discount=discount)),
    "icy-grid-endless": lambda _, discount: icy_grid(
        IcyGridConfig(discount=discount, absorbing_goal=False)
    ),
    "random": lambda seed, discount: random_world(RandomConfig(discount=discount), seed),
}
"""The worlds of `trirl tabular`, by name, for a seed and a discount factor."""
