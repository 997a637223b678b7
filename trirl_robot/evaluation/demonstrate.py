"""Demonstrations by a policy: experts of the benchmarks, or a policy that teaches the next."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from trirl_robot.demos.schema import Demonstration, EpisodeMetadata
from trirl_robot.demos.store import save_demonstration
from trirl_robot.errors import DatasetError
from trirl_robot.evaluation.rollouts import Policy
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.interface import Step
from trirl_robot.versions import package_versions

Array = NDArray[np.float64]

PACKAGES = ("trirl-robot", "mujoco", "numpy")


def demonstrate(
    policy: Policy,
    env: BatchEnv,
    name: str,
    path: Path,
    *,
    successes: int | None = None,
    least_return: float | None = None,
) -> Array:
    """Run one episode of a policy in each environment and store them.

    Args:
        policy: see `Policy`.
        env: the environments, which do not reset by themselves.
        name: what the operator is called in the file.
        path: the HDF5 file; episodes are appended where it exists.
        successes: store so many episodes that fulfilled the task, the first, as a recorder would;
            None stores all.
        least_return: return from which on an episode counts as such; None asks the task.

    Returns:
        Returns of the task's own reward, of what is stored.

    Raises:
        DatasetError: fewer episodes fulfilled the task; nothing is stored.
    """
    observation = env.reset()
    recorded: list[tuple[Array, Array, Array, Step]] = []
    length = np.zeros(env.num_envs, dtype=np.int64)
    began_ns, began = time.monotonic_ns(), datetime.now(UTC)
    for _ in range(env.max_episode_steps):
        state = np.array([env.state_vector(i) for i in range(env.num_envs)])
        action = np.clip(policy(observation), -1.0, 1.0)
        step = env.step(action)
        recorded.append((observation.copy(), action, state, step))
        length[(length == 0) & step.done] = len(recorded)
        observation = step.observation
        if length.all():
            break
    episodes = [
        _episode(env, i, recorded[: length[i]], name, began, began_ns) for i in range(env.num_envs)
    ]
    if successes is not None:
        fulfilled = [episode for episode in episodes if _is_fulfilled(episode, least_return)]
        if len(fulfilled) < successes:
            raise DatasetError(
                f"{name} fulfilled the task in {len(fulfilled)} of {len(episodes)} episodes, "
                f"expected {successes}; run more, or train it longer"
            )
        episodes = fulfilled[:successes]
    for episode in episodes:
        save_demonstration(path, episode, env.contract)
    return np.array([episode.reward.sum() for episode in episodes])


def _is_fulfilled(episode: Demonstration, least_return: float | None) -> bool:
    if least_return is None:
        return episode.outcome == "success"
    return bool(episode.reward.sum() >= least_return)


def _episode(
    env: BatchEnv,
    index: int,
    recorded: list[tuple[Array, Array, Array, Step]],
    operator: str,
    began: datetime,
    began_ns: int,
) -> Demonstration:
    """Return the episode of one environment."""
    steps = [step for _, _, _, step in recorded]
    period_ns = round(1e9 * env.contract.control_period_s)
    # simulated time, from when the episode began
    observed_ns = began_ns + period_ns * np.arange(len(recorded), dtype=np.int64)
    metadata = EpisodeMetadata(
        episode_id=uuid4().hex,
        task=env.task_config.name,
        task_parameters={},
        dynamics=env.drawn(index),
        model_xml=env.task.model_xml,
        operator=operator,
        device="policy",
        started_utc=began.isoformat(),
        started_ns=began_ns,
        versions=package_versions(PACKAGES),
    )
    return Demonstration(
        metadata=metadata,
        outcome="success" if steps[-1].success[index] else "failure",
        observation=np.array([observation[index] for observation, _, _, _ in recorded]),
        action=np.array([action[index] for _, action, _, _ in recorded]),
        next_observation=np.array([step.final_observation[index] for step in steps]),
        state=np.array([state[index] for _, _, state, _ in recorded]),
        reward=np.array([step.reward[index] for step in steps]),
        terminated=np.array([step.terminated[index] for step in steps]),
        truncated=np.array([step.truncated[index] for step in steps]),
        observation_ns=observed_ns,
        command_ns=observed_ns,
    )
