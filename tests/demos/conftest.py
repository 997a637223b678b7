"""Synthetic demonstrations of the two-joint contract."""

from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest

from trirl_robot.contract import PolicyContract
from trirl_robot.demos.schema import Demonstration, EpisodeMetadata, Step


def metadata(**replaced: object) -> EpisodeMetadata:
    values: dict[str, object] = {
        "episode_id": uuid4().hex,
        "task": "planar-reach",
        "task_parameters": {"target_position": [0.1, 0.2, 0.3]},
        "dynamics": {"mass/link": 1.25, "latency": 0.01},
        "model_xml": "<mujoco/>",
        "operator": "tester",
        "device": "scripted",
        "started_utc": "2026-11-22T10:00:00+00:00",
        "started_ns": 5,
        "versions": {"trirl-robot": "0.1.0"},
    }
    return EpisodeMetadata(**(values | replaced))  # type: ignore[arg-type]


@pytest.fixture
def make_metadata() -> Callable[..., EpisodeMetadata]:
    return metadata


@pytest.fixture
def make_demo(make_contract) -> Callable[..., Demonstration]:
    """A demonstration of `steps` steps with random values; keywords replace its fields."""

    def make(steps: int = 12, seed: int = 0, **replaced: object) -> Demonstration:
        contract: PolicyContract = make_contract()
        rng = np.random.default_rng(seed)
        samples = rng.normal(size=(steps + 1, contract.observation_size))
        values: dict[str, object] = {
            "metadata": metadata(),
            "outcome": "success",
            "observation": samples[:-1],
            "next_observation": samples[1:],
            "action": rng.uniform(-1, 1, (steps, contract.action_size)),
            "state": rng.normal(size=(steps, 5)),
            "reward": rng.normal(size=steps),
            "terminated": np.zeros(steps, dtype=bool),
            "truncated": np.arange(steps) == steps - 1,
            "observation_ns": np.arange(steps) * 50_000_000 + 7,
            "command_ns": np.arange(steps) * 50_000_000 + 900,
        }
        return Demonstration(**(values | replaced))  # type: ignore[arg-type]

    return make


@pytest.fixture
def steps_of() -> Callable[[Demonstration], list[Step]]:
    """The steps that a recorder would have written for a demonstration."""

    def steps(demo: Demonstration) -> list[Step]:
        return [
            Step(
                observation=demo.observation[i],
                action=demo.action[i],
                next_observation=demo.next_observation[i],
                state=demo.state[i],
                reward=float(demo.reward[i]),
                terminated=bool(demo.terminated[i]),
                truncated=bool(demo.truncated[i]),
                observation_ns=int(demo.observation_ns[i]),
                command_ns=int(demo.command_ns[i]),
                late=i == 1,
                dropped=2 * (i == 1),
            )
            for i in range(len(demo))
        ]

    return steps
