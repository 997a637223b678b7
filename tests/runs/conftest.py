from pathlib import Path

import pytest
from frozen_rewards import write_wish
from sharing_processes import REWARD

from teleop.record import record
from trirl_robot.sim.env import make_env


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory) -> Path:
    """Four demonstrations by the scripted operator."""
    path = tmp_path_factory.mktemp("demonstrations") / "demos.hdf5"
    record("so101-reach", "scripted", 4, path, seed=0, realtime=False)
    return path


@pytest.fixture(scope="session")
def sources(demonstrations) -> Path:
    """The same file, beside which there is a frozen reward."""
    contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
    write_wish(demonstrations.with_name(REWARD), contract)
    return demonstrations


TINY = (
    "total_steps=1600",
    "num_envs=8",
    "rollout_steps=20",
    "warmup_iterations=1",
    "cloning.updates=20",
    "ppo.epochs=1",
    "ppo.minibatch=80",
    "discriminator.epochs=1",
    "discriminator.minibatch=80",
)
"""Ten iterations of 160 steps: every part runs, nothing is learnt."""


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    return TINY
