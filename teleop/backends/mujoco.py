"""A simulated arm as the backend of a recording session."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from teleop.backends.base import EpisodeStart, Sample
from trirl_robot.config import to_mapping
from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ConfigError, ContractError
from trirl_robot.kinematics import ForwardKinematics
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.sim.interface import Step
from trirl_robot.sim.record import IN_DEMONSTRATION, origin_of, origin_to_mapping
from trirl_robot.sim.tasks.arm import ArmTask

Array = NDArray[np.float64]


class MujocoBackend:
    """One simulated arm; a command advances the simulation by one control period."""

    def __init__(self, task: str, *, randomisation: str, seed: int) -> None:
        """Build the simulation.

        Args:
            task: task name or YAML file.
            randomisation: preset of the dynamics drawn at each episode.
            seed: fixes everything that is drawn.

        Raises:
            ConfigError: unknown task or randomisation.
        """
        self._env = make_batch(
            task,
            num_envs=1,
            randomisation=randomisation,
            seed=seed,
            nthread=1,
            autoreset=False,
            purpose=Purpose.RECORDING,
        )
        self._parameters = {"randomisation": randomisation, "seed": seed}
        self._episodes = 0
        self.contract: PolicyContract = self._env.contract
        self.task_config = self._env.task_config
        self.task = self.task_config.name
        arm_task = self._env.task
        if not isinstance(arm_task, ArmTask):
            raise ConfigError(f"task '{self.task}' has no arm to teleoperate")
        self._task = arm_task
        self.robot = arm_task.arm.robot
        self.max_episode_steps = self._env.max_episode_steps
        self._measured = _joint_positions(self.contract)
        if self.contract.kinematics is None:
            raise ContractError(f"task '{task}': its contract has no kinematics to teleoperate by")
        self._kinematics = ForwardKinematics(self.contract.kinematics, self.contract.joint_names)
        self._observation = np.zeros((1, self.contract.observation_size))
        self._step: Step | None = None

    def begin_episode(self) -> EpisodeStart:
        """Draw a start pose, a target and dynamics."""
        self._observation = self._env.reset()
        self._step = None
        parameters = {
            **self._parameters,
            "episode": self._episodes,
            "target_position": self._env.target_position[0].tolist(),
            "events": to_mapping(self._env.task.randomiser.events(0, self.max_episode_steps)),
            IN_DEMONSTRATION: origin_to_mapping(origin_of(self._env, 0)),
        }
        self._episodes += 1
        return EpisodeStart(
            task_parameters=parameters,
            dynamics=self._env.drawn(0),
            model_xml=self._env.task.model_xml,
            state_size=len(self._env.state_vector(0)),
        )

    def observe(self) -> Sample:
        """Return the state of the arm after the last command."""
        step, (place, scale) = self._step, self._measured
        joint_position = self._observation[0, place] / scale
        seen = {name: signal[0] for name, signal in self._task.object_signals(slice(0, 1)).items()}
        return Sample(
            observation=self._observation[0],
            observation_ns=time.monotonic_ns(),
            joint_position=joint_position,
            joint_command=self._task.command[0].copy(),
            end_effector_position=self._kinematics.end_effector_position(joint_position),
            target_position=self._env.target_position[0].copy(),
            **seen,
            state=self._env.state_vector(0),
            reward=float(step.reward[0]) if step else 0.0,
            terminated=bool(step.terminated[0]) if step else False,
            truncated=bool(step.truncated[0]) if step else False,
            success=bool(step.success[0]) if step else False,
        )

    def command(self, action: Array) -> None:
        """Advance the simulation by one control period."""
        self._step = self._env.step(action[None])
        self._observation = self._step.observation

    def close(self) -> None:
        """Nothing is held open."""


def _joint_positions(contract: PolicyContract) -> tuple[slice, float]:
    """Return where the measured joint positions stand in the observation, and their scale."""
    for field in contract.observation:
        if field.source == "joint_position":
            return contract.observation_slices[field.name], field.scale
    raise ContractError(
        f"the contract for robot '{contract.robot}' has no joint_position field; "
        "an operator needs to see the arm"
    )
