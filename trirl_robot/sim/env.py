"""A batch of environments: actions in, observations out, arrays all the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.command import ActionMapping, LimitedCommand
from trirl_robot.config import find_config, load
from trirl_robot.errors import ConfigError
from trirl_robot.observation import ObservationBuilder, Signals
from trirl_robot.sim.arm import ArmSimulation
from trirl_robot.sim.randomisation import RandomisationConfig, load_randomisation
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import contract_of
from trirl_robot.sim.tasks.reach import ReachConfig, ReachTask, observation_fields

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step of N environments returns; n observation values each."""

    observation: Array
    """Observation to act on next, (N, n): of a new episode where one has ended."""
    final_observation: Array
    """Observation that the action led to, (N, n): the last of its episode where one has ended, and
    the one before the action where the simulation diverged."""
    reward: Array
    """The task's own reward, (N,); for evaluation, never for imitation."""
    terminated: Mask
    """The episode ended in an absorbing state, (N,)."""
    truncated: Mask
    """The episode ended because of its time limit, (N,)."""
    success: Mask
    """The task is fulfilled at this moment, (N,); counts when the episode ends."""

    @property
    def done(self) -> Mask:
        """The episode ended, (N,)."""
        return self.terminated | self.truncated


class BatchEnv:
    """N environments of one task, stepped together."""

    def __init__(
        self,
        task: ReachConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        seed: int,
        nthread: int = 0,
        autoreset: bool = True,
    ) -> None:
        """Build the simulations; call `reset` before `step`.

        Args:
            task: the task.
            num_envs: number of environments.
            randomisation: dynamics to draw at each reset.
            seed: fixes everything that is drawn.
            nthread: threads to step on; 0 for all cores. Results do not depend on it.
            autoreset: start a new episode within the step in which one ends.
        """
        if num_envs < 1:
            raise ConfigError(f"num_envs is {num_envs}, expected at least 1")
        self.num_envs = num_envs
        self.autoreset = autoreset
        self.task_config = task
        self._generator = np.random.default_rng(seed)
        self.simulation = ArmSimulation(
            load_robot(task.robot),
            num_envs,
            randomisation=randomisation,
            generator=self._generator,
            nthread=nthread,
        )
        self.task = ReachTask(task, self.simulation, self._generator)
        robot = self.simulation.robot
        self.contract = contract_of(robot, self.simulation.model, observation_fields(robot))
        self._builder = ObservationBuilder(self.contract)
        self._mapping = ActionMapping(self.contract)
        self._substeps = robot.substeps
        joints = len(robot.joints)
        self.command = np.zeros((num_envs, joints))
        self._command_velocity = np.zeros((num_envs, joints))
        self._previous_action = np.zeros((num_envs, self.contract.action_size))
        self.elapsed_steps = np.zeros(num_envs, dtype=np.int64)
        self.num_diverged = 0
        self._last_observation = np.zeros((num_envs, self.contract.observation_size))

    @property
    def max_episode_steps(self) -> int:
        """Steps in an episode."""
        return self.task.max_episode_steps

    @property
    def target_position(self) -> Array:
        """Targets in the base frame, shape (N, 3), m."""
        return self.task.target_position

    def reset(self, ids: Ids | None = None) -> Array:
        """Start new episodes in `ids` (all by default); return every observation, (N, n)."""
        self._restart(np.arange(self.num_envs) if ids is None else np.asarray(ids, dtype=np.intp))
        self._last_observation = self._observe()
        return self._last_observation

    def stagger(self) -> None:
        """Spread the episodes' ages evenly, so that environments do not end together.

        With episodes in phase, a discriminator can learn the clock instead of the behaviour.
        """
        ages = np.linspace(0, self.max_episode_steps, self.num_envs, endpoint=False)
        self.elapsed_steps[:] = ages.astype(np.int64)

    def step(self, action: Array) -> Step:
        """Advance every environment by one control period.

        Args:
            action: shape (N, m), in [-1, 1]; values outside are clipped.
        """
        limited = self._limited(action)
        self.command = limited.position
        self._command_velocity = limited.velocity
        self._previous_action = np.clip(action, -1.0, 1.0)
        self.simulation.set_command(self.command)
        diverged = self.simulation.advance(self._substeps)
        self.num_diverged += int(diverged.sum())
        reward = self.task.after_step()
        self.elapsed_steps += 1
        truncated = (self.elapsed_steps >= self.max_episode_steps) | diverged
        success = self.task.succeeded() & ~diverged
        final = self._observe()
        # what a diverged simulation shows now is not where its action led
        final[diverged] = self._last_observation[diverged]
        observation = final
        if self.autoreset and truncated.any():
            observation = final.copy()
            ids = np.flatnonzero(truncated)
            self._restart(ids)
            observation[ids] = self._observe()[ids]
        self._last_observation = observation
        return Step(
            observation=observation,
            final_observation=final,
            reward=reward,
            terminated=np.zeros(self.num_envs, dtype=np.bool_),
            truncated=truncated,
            success=success,
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {
            "generator": self._generator.bit_generator.state,
            "simulation": self.simulation.get_state(),
            "task": self.task.get_state(),
            "command": self.command.copy(),
            "command_velocity": self._command_velocity.copy(),
            "previous_action": self._previous_action.copy(),
            "elapsed_steps": self.elapsed_steps.copy(),
            "num_diverged": self.num_diverged,
            "last_observation": self._last_observation.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._generator.bit_generator.state = state["generator"]
        self.simulation.set_state(state["simulation"])
        self.task.set_state(state["task"])
        self.command = state["command"].copy()
        self._command_velocity = state["command_velocity"].copy()
        self._previous_action = state["previous_action"].copy()
        self.elapsed_steps[:] = state["elapsed_steps"]
        self.num_diverged = int(state["num_diverged"])
        self._last_observation = state["last_observation"].copy()

    def _limited(self, action: Array) -> LimitedCommand:
        return self._mapping.command(action, self.command, self._command_velocity)

    def _restart(self, ids: Ids) -> None:
        start = self.task.reset(ids)
        self.simulation.reset(ids, start)
        self.command[ids] = start
        self._command_velocity[ids] = 0.0
        self._previous_action[ids] = 0.0
        self.elapsed_steps[ids] = 0

    def _observe(self) -> Array:
        position, velocity = self.simulation.measure()
        return self._builder.build(
            Signals(
                joint_position=position,
                joint_velocity=velocity,
                joint_command=self.command,
                previous_action=self._previous_action,
                target_position=self.task.target_position,
            )
        )


def load_task(name: str) -> ReachConfig:
    """Read a task by built-in name or from a YAML file.

    Raises:
        ConfigError: unknown name, or a file that is not a valid task.
    """
    return load(ReachConfig, find_config("tasks", name))


def make_env(
    task: str,
    *,
    num_envs: int,
    randomisation: str = "train",
    seed: int = 0,
    nthread: int = 0,
    autoreset: bool = True,
) -> BatchEnv:
    """Build the environments of a task by name; see `BatchEnv`.

    Args:
        task: task name or YAML file.
        num_envs: number of environments.
        randomisation: preset name or YAML file.
        seed: fixes everything that is drawn.
        nthread: threads to step on; 0 for all cores.
        autoreset: start a new episode within the step in which one ends.
    """
    return BatchEnv(
        load_task(task),
        num_envs,
        randomisation=load_randomisation(randomisation),
        seed=seed,
        nthread=nthread,
        autoreset=autoreset,
    )
