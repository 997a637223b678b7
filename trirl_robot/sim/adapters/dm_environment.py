"""One environment as dm_env has it, for the programs around dm_control and Acme."""

from __future__ import annotations

from typing import Any

import dm_env
import numpy as np
from dm_env import specs
from numpy.typing import NDArray

from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch

Array = NDArray[np.float64]


class DmEnvironment(dm_env.Environment):  # type: ignore[misc] # dm_env has no types
    """A task of ours whose observation is a dictionary of the contract's fields.

    At the end of an episode the discount is 0 where it terminated and 1 where its time was up.
    """

    def __init__(
        self, task: str, *, randomisation: str = "none", seed: int = 0, nthread: int = 1
    ) -> None:
        """Build the simulation.

        Args:
            task: task name or YAML file.
            randomisation: preset of the dynamics drawn at each reset, or a YAML file.
            seed: fixes everything that is drawn.
            nthread: threads to step on; more than one is of no use to one simulation.

        Raises:
            ConfigError: unknown task or randomisation, or a seed that cannot be used.
        """
        self.batch: BatchEnv = make_batch(
            task,
            num_envs=1,
            randomisation=randomisation,
            seed=seed,
            nthread=nthread,
            autoreset=False,
        )
        self._slices = self.batch.contract.observation_slices
        self._ended = True

    def reset(self) -> dm_env.TimeStep:
        """Start a new episode."""
        self._ended = False
        return dm_env.restart(self._fields(self.batch.reset()))

    def step(self, action: Array) -> dm_env.TimeStep:
        """Advance by one control period; after the last step of an episode, start a new one.

        Args:
            action: shape (m,), in [-1, 1]; values outside are clipped.
        """
        if self._ended:
            return self.reset()
        step = self.batch.step(np.asarray(action, dtype=np.float64)[None])
        self._ended = bool(step.done[0])
        reward, observation = float(step.reward[0]), self._fields(step.final_observation)
        if step.terminated[0]:
            return dm_env.termination(reward, observation)
        return (dm_env.truncation if self._ended else dm_env.transition)(reward, observation)

    def observation_spec(self) -> dict[str, specs.Array]:
        """Return shape and type of each field of the observation."""
        fields = self.batch.contract.observation
        return {f.name: specs.Array((f.size,), np.float64, name=f.name) for f in fields}

    def action_spec(self) -> specs.BoundedArray:
        """Return shape, type and range of the action."""
        (field,) = self.batch.contract.action
        return specs.BoundedArray((field.size,), np.float64, -1.0, 1.0, name=field.name)

    def control_timestep(self) -> float:
        """Return the time between two steps [s], as dm_control's environments do."""
        return self.batch.contract.control_period_s

    def _fields(self, observation: Array) -> dict[str, Any]:
        return {name: observation[0, place].copy() for name, place in self._slices.items()}
