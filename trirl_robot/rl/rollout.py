"""Experience of the current policy in a batch of environments."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.rl.processes import ALONE, PROCESSOR, Processes
from trirl_robot.sim.interface import Environments


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """T steps of N environments; n observation values, m action values."""

    observation: Tensor
    """Observation acted on, (T, N, n)."""
    final_observation: Tensor
    """Observation that the action led to, (T, N, n)."""
    action: Tensor
    """Action as drawn, before clipping, (T, N, m)."""
    mean: Tensor
    """Mean that the action was drawn around, (T, N, m)."""
    log_std: Tensor
    """Log standard deviation that the action was drawn with, (m,)."""
    terminated: Tensor
    """Episode ended in an absorbing state, bool, (T, N)."""
    truncated: Tensor
    """Episode ended by its time limit, bool, (T, N)."""
    task_reward: Tensor
    """The task's own reward, for the record only, (T, N)."""
    episodes: int
    """Episodes that ended."""
    successes: int
    """How many of them fulfilled the task."""

    @property
    def applied_action(self) -> Tensor:
        """The action as the environment took it, (T, N, m), in [-1, 1]."""
        return self.action.clamp(-1.0, 1.0)

    @property
    def success_rate(self) -> float:
        """Share of the ended episodes that fulfilled the task; NaN where none ended."""
        return self.successes / self.episodes if self.episodes else float("nan")

    @property
    def steps(self) -> int:
        """Environment steps in the rollout."""
        return self.terminated.numel()


class RolloutCollector:
    """Steps the environments, keeping the observation between calls."""

    def __init__(self, env: Environments, steps: int, processes: Processes = ALONE) -> None:
        """Start the environments out of phase.

        Args:
            env: the environments of this process.
            steps: steps T of each rollout.
            processes: which together have N environments.
        """
        self.env = env
        self._processes = processes
        self._steps = steps
        self.observation = env.reset()
        env.stagger()

    @torch.no_grad()
    def collect(self, policy: GaussianPolicy, generator: torch.Generator) -> Rollout:
        """Run the policy for T steps; return what the environments of all processes met.

        Args:
            policy: the policy; it acts on the processor, beside the simulations.
            generator: noise of the actions, which every process draws for all environments.
        """
        count, env, processes = self._steps, self.env, self._processes
        on_processor = policy.log_std.device == PROCESSOR
        acting = policy if on_processor else copy.deepcopy(policy).to(PROCESSOR)
        n, m = env.contract.observation_size, env.contract.action_size
        shape = (count, env.num_envs)
        own = processes.part(processes.size * env.num_envs).rows
        noise = torch.randn(count, processes.size * env.num_envs, m, generator=generator)[:, own]
        # a row goes into an array faster than into a tensor
        observation, final = np.empty((*shape, n), np.float32), np.empty((*shape, n), np.float32)
        terminated, truncated, success = (np.empty(shape, np.bool_) for _ in range(3))
        reward = np.empty(shape, np.float32)
        action, mean = torch.empty(*shape, m), torch.empty(*shape, m)
        for t in range(count):
            observation[t] = self.observation
            action[t], mean[t] = acting.sample(torch.from_numpy(observation[t]), noise[t])
            step = env.step(action[t].numpy().astype(np.float64))
            final[t], reward[t] = step.final_observation, step.reward
            terminated[t], truncated[t], success[t] = step.terminated, step.truncated, step.success
            self.observation = step.observation
        done = terminated | truncated

        def everyones(values: Tensor | NDArray[Any]) -> Tensor:
            return processes.gathered(torch.as_tensor(values), dim=1)

        return Rollout(
            observation=everyones(observation),
            final_observation=everyones(final),
            action=everyones(action),
            mean=everyones(mean),
            log_std=policy.log_std.detach().clone(),
            terminated=everyones(terminated),
            truncated=everyones(truncated),
            task_reward=everyones(reward),
            episodes=int(processes.total(int(done.sum()))),
            successes=int(processes.total(int((success & done).sum()))),
        )
