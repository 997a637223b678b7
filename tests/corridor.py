"""A corridor that ends at its right: a batch of toy environments in which an episode may end early.

The position is all that is observed, an action of 1 moves it by 0.25, the left end is a wall at -1,
and whoever passes the right end at 1 is gone for ever.
"""

from pathlib import Path

import numpy as np

from trirl_robot.contract import CONTRACT_VERSION, ActionField, ObservationField, PolicyContract
from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.sim.interface import Step, staggered_ages

SPEED, EPISODE_STEPS = 0.25, 40
"""Distance of an action of 1; steps until an episode times out."""

CONTRACT = PolicyContract(
    contract_version=CONTRACT_VERSION,
    robot="cart",
    joint_names=("cart",),
    observation=(ObservationField(name="position", size=1, unit="m", source="simulation"),),
    action=(
        ActionField(
            name="velocity",
            size=1,
            kind="actuator_control",
            unit="m/s",
            scale=(1.0,),
            offset=(0.0,),
        ),
    ),
    control_rate_hz=10.0,
    limits=(),
    default_joint_positions=(0.0,),
    kinematics=None,
    gripper=None,
)


class Corridor:
    """Environments as `trirl_robot.sim.interface` describes them; 1 is rewarded for each step."""

    def __init__(self, num_envs, seed=0):
        self.num_envs, self.autoreset, self.num_diverged = num_envs, True, 0
        self.contract, self.max_episode_steps = CONTRACT, EPISODE_STEPS
        self.target_position = np.full((num_envs, 3), np.nan)
        self.position, self.age = np.zeros(num_envs), np.zeros(num_envs, dtype=np.int64)
        self.reseed(seed)

    def distance(self):
        return np.full(self.num_envs, np.nan)

    def drawn(self, sim):
        return {}

    def events(self, sim):
        return []

    def episode_key(self, sim):
        return EpisodeKey(seed=0, environment=sim, episode=0)

    def reseed(self, seed):
        self.random = np.random.default_rng(seed)

    def reset(self, ids=None):
        ids = np.arange(self.num_envs) if ids is None else ids
        self.position[ids] = self.random.uniform(-0.1, 0.1, len(ids))
        self.age[ids] = 0
        return self.position[:, None].copy()

    def stagger(self):
        self.age[:] = staggered_ages(self.num_envs, EPISODE_STEPS)

    def step(self, action):
        moved = self.position + SPEED * np.clip(action[:, 0], -1.0, 1.0)
        self.position, self.age = np.maximum(moved, -1.0), self.age + 1
        terminated = self.position > 1.0
        truncated = ~terminated & (self.age >= EPISODE_STEPS)
        final = self.position[:, None].copy()
        ended = np.flatnonzero(terminated | truncated)
        observation = self.reset(ended) if self.autoreset and len(ended) else final.copy()
        return Step(
            observation=observation,
            final_observation=final,
            reward=np.ones(self.num_envs),
            terminated=terminated,
            truncated=truncated,
            success=terminated,
        )

    def get_state(self):
        return {
            "position": self.position.copy(),
            "age": self.age.copy(),
            "random": self.random.bit_generator.state,
        }

    def set_state(self, state):
        self.position, self.age = state["position"].copy(), state["age"].copy()
        self.random.bit_generator.state = state["random"]


def demonstrations(expert, episodes=20, seed=0):
    """Return episodes of an expert, called with positions (N,) and a generator for actions (N,)."""
    env, random, rows = Corridor(1, seed), np.random.default_rng(seed), []
    lengths = []
    for _ in range(episodes):
        observation, begun = env.reset(), len(rows)
        while True:
            action = np.clip(expert(observation[:, 0], random), -1.0, 1.0)[:, None]
            step = env.step(action)
            ends = step.terminated[0], step.truncated[0]
            rows.append((observation[0], action[0], step.final_observation[0], *ends))
            observation = step.observation
            if any(ends):
                break
        lengths.append(len(rows) - begun)
    names = ("observation", "action", "next_observation", "terminated", "truncated")
    columns = zip(*rows, strict=True)
    return Demonstrations(
        path=Path("corridor.hdf5"),
        sha256="",
        task="corridor",
        contract=CONTRACT,
        names=tuple(f"demo_{i}" for i in range(episodes)),
        lengths=np.array(lengths),
        recorded_lengths=np.array(lengths),
        task_parameters=({},) * episodes,
        state=np.zeros((len(rows), 0)),
        step=np.concatenate([np.arange(length) for length in lengths]),
        **{name: np.array(column) for name, column in zip(names, columns, strict=True)},
    )
