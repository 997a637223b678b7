"""Rewards that differ by a potential: the same to every policy, though not to the eye."""

from __future__ import annotations

import numpy as np

from trirl_robot.irl.tabular.mdp import Array, TabularMdp


def shaped(mdp: TabularMdp, reward: Array, potential: Array) -> Array:
    """Return r(s, a) + gamma E potential(s') - potential(s), shape (S, A), nats.

    Its soft-optimal policy is that of r (Ng et al. 1999).
    """
    return reward + mdp.discount * mdp.expected_next(potential) - potential[:, None]


def nearest_state_reward(mdp: TabularMdp, reward: Array) -> Array:
    """Return the reward of states alone that is nearest to a reward up to shaping, shape (S,).

    A reward of states and actions is known up to a potential at best. Among the shaped ones, this
    takes the one that depends least on the action, in the sense of least squares, and averages it
    over the actions. A reward of states alone comes back as it was, up to a constant, where
    actions lead to different states; the mean over the states is 0.
    """
    next_states = mdp.discount * mdp.transition
    centred = next_states - next_states.mean(axis=1, keepdims=True)
    wanted = reward - reward.mean(axis=1, keepdims=True)
    potential = np.linalg.lstsq(centred.reshape(-1, mdp.states), -wanted.ravel(), rcond=None)[0]
    averaged = shaped(mdp, reward, potential).mean(axis=1)
    nearest: Array = averaged - averaged.mean()
    return nearest
