"""Runs on a task of dm_control, which are resumed as exactly as those on our own."""

import dataclasses
from uuid import uuid4

import numpy as np
import pytest
import torch

from trirl_robot.cli.train import resolve
from trirl_robot.demos.schema import Demonstration, EpisodeMetadata
from trirl_robot.demos.store import save_demonstration
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.env import make_env

STEPS = 30
TASK = f"""
task: dm_control
name: dm_control:cartpole-swingup
max_episode_steps: {STEPS}
processes: 1
"""


def demonstration(env, name, seed):
    """Return an episode of random actions."""
    generator = np.random.default_rng(seed)
    action = generator.uniform(-1, 1, (STEPS, 1, env.contract.action_size))
    seen = [env.reset()]
    taken = [env.step(a) for a in action]
    seen = np.array([*seen, *(step.final_observation for step in taken)])[:, 0]
    last = np.arange(STEPS) == STEPS - 1
    metadata = EpisodeMetadata(
        episode_id=uuid4().hex,
        task=name,
        task_parameters={},
        dynamics={},
        model_xml="",
        operator="nobody",
        device="random",
        started_utc="2026-11-22T10:00:00+00:00",
        started_ns=0,
        versions={},
    )
    return Demonstration(
        metadata=metadata,
        outcome="success",
        observation=seen[:-1],
        next_observation=seen[1:],
        action=action[:, 0],
        state=np.zeros((STEPS, 0)),
        reward=np.array([step.reward[0] for step in taken]),
        terminated=np.zeros(STEPS, dtype=bool),
        truncated=last,
        observation_ns=np.arange(STEPS) * 10_000_000,
        command_ns=np.arange(STEPS) * 10_000_000 + 5,
    )


@pytest.fixture
def configuration(tmp_path, tiny):
    """Configuration of a run of ten iterations on a short swing-up."""
    task, path = tmp_path / "swingup.yaml", tmp_path / "demos.hdf5"
    task.write_text(TASK)
    env = make_env(str(task), num_envs=1, randomisation="none", autoreset=False)
    for seed in range(2):
        save_demonstration(path, demonstration(env, str(task), seed), env.contract)
    config = resolve(
        path, tmp_path / "run", overrides=(*tiny, "discriminator.inputs=[position, velocity]")
    )
    return dataclasses.replace(
        config, evaluation_episodes=2, evaluation_every=25, checkpoint_every=5
    )


def interrupt(metrics, iterations):
    del iterations
    if metrics["iteration"] == 7:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_that_was_interrupted_comes_to_the_same_policy(configuration, tmp_path):
    whole = RunFolder.create(tmp_path / "run", configuration)
    assert RunFolder.open(whole.path)[1] == configuration
    learner = build_learner(configuration, whole.path)
    train(whole, configuration, learner)
    torn = RunFolder.create(tmp_path / "torn", configuration)
    with pytest.raises(KeyboardInterrupt):
        train(torn, configuration, build_learner(configuration, torn.path), interrupt)
    resumed = build_learner(configuration, torn.path)
    train(torn, configuration, resumed)
    for one, two in zip(learner.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(one, two)
    assert [row["iteration"] for row in torn.read_metrics()] == list(range(1, 11))
    states = [one.env.get_state() for one in (learner, resumed)]
    np.testing.assert_array_equal(states[0]["controls"], states[1]["controls"])
