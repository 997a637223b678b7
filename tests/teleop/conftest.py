"""The scripted operator at work, without a recording session."""

import dataclasses

import numpy as np
import pytest

from teleop.backends.mujoco import MujocoBackend
from teleop.devices import open_device
from teleop.devices.base import DeviceContext, OperatorView
from trirl_robot.command import ActionMapping


@dataclasses.dataclass
class Performance:
    """What happened in E episodes of T steps each."""

    success: np.ndarray
    action: np.ndarray
    reward: np.ndarray


def view(sample, step):
    shared = {field.name for field in dataclasses.fields(OperatorView)} - {"step"}
    return OperatorView(step=step, **{name: getattr(sample, name) for name in shared})


@pytest.fixture(scope="session")
def perform():
    """Let the scripted operator do episodes of a task."""

    def run(task, seed, episodes, randomisation="light"):
        backend = MujocoBackend(task, randomisation=randomisation, seed=seed)
        context = DeviceContext(
            contract=backend.contract, robot=backend.robot, task=backend.task_config, seed=(seed,)
        )
        device, mapping = open_device("scripted", context), ActionMapping(backend.contract)
        success, actions, rewards = [], [], []
        for _ in range(episodes):
            backend.begin_episode()
            sample, step = backend.observe(), 0
            device.begin(view(sample, 0))
            while not (sample.terminated or sample.truncated):
                wish = device.command(view(sample, step))
                action = mapping.action_towards(wish, sample.joint_command)
                backend.command(action)
                sample, step = backend.observe(), step + 1
                actions.append(action)
                rewards.append(sample.reward)
            success.append(sample.success)
        shape = (episodes, backend.max_episode_steps)
        return Performance(
            success=np.array(success),
            action=np.reshape(actions, (*shape, -1)),
            reward=np.reshape(rewards, shape),
        )

    return run
