"""What every learner from rollouts shares: policy, critic, PPO, and their state."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trirl_robot.config import require
from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.critic import Critic
from trirl_robot.rl.networks import Scaling
from trirl_robot.rl.policy import build_policy, require_std
from trirl_robot.rl.ppo import PPO, PPOConfig, PPOResult
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.rl.rollout import Rollout, RolloutCollector
from trirl_robot.sim.interface import Environments


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig:
    """Settings that every learner from rollouts has."""

    algorithm: str = ""
    """Kind of learner."""
    total_steps: int = 1_000_000
    """Environment steps of the whole training."""
    num_envs: int = 128
    """Simulations stepped together."""
    rollout_steps: int = 32
    """Steps of each simulation in one iteration."""
    initial_std: float = 0.2
    """Standard deviation of the policy's actions at the start; from 0.02 to 1.5."""
    policy_hidden: tuple[int, ...] = (128, 128)
    """Widths of the policy's hidden layers."""
    critic_hidden: tuple[int, ...] = (128, 128)
    """Widths of the critic's hidden layers."""
    observation_scaling: Scaling = "compressed"
    """How policy and critic scale what they read; see `InputScaler`."""
    normalise_returns: bool = True
    """Whether the critic predicts returns in units of their spread (PopArt)."""
    average_decay: float = 0.95
    """Decay of the running average of the policy's weights, which is what is evaluated and
    exported: single iterations jitter about it. 0 takes the last iteration's."""
    entropy_coef: float = 0.02
    """Weight of the entropy beside the reward."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """The policy update."""

    def __post_init__(self) -> None:
        """Check ranges."""
        require(self, "at least 1", lambda v: v >= 1, "total_steps", "num_envs", "rollout_steps")
        require_std(self, "initial_std")
        if self.steps_per_iteration < 2:
            raise ConfigError("an iteration has one step, expected num_envs * rollout_steps >= 2")
        require(self, "0 or more", lambda v: v >= 0, "entropy_coef")
        require(self, "a value in [0, 1)", lambda v: 0 <= v < 1, "average_decay")
        widths = ("policy_hidden", "critic_hidden")
        require(self, "widths of at least 1", lambda v: all(w >= 1 for w in v), *widths)

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps in one iteration."""
        return self.num_envs * self.rollout_steps

    @property
    def iterations(self) -> int:
        """Iterations of the whole training."""
        return max(1, round(self.total_steps / self.steps_per_iteration))


class OnPolicyLearner(ABC):
    """Everything that an iteration reads and changes; what it learns from stands in subclasses."""

    def __init__(
        self,
        config: OnPolicyConfig,
        env: Environments,
        seed: int,
        examples: Tensor | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks and start the environments.

        Args:
            config: settings.
            env: the environments to learn in, those of this process.
            seed: fixes weights, samples and actions.
            examples: observations from which input scales are taken and then kept, (B, n); None
                takes them from what the policy meets, as long as it learns.
            processes: which learn together, and the device of this one.
        """
        self.config = config
        self.env = env
        self.processes = processes
        device = processes.device
        # numbers are drawn on the processor, so that a seed means the same on every device
        self.generator = torch.Generator().manual_seed(seed)
        self.policy = build_policy(config, env.contract, self.generator).to(device)
        self.critic = Critic(
            env.contract.observation_size,
            hidden=config.critic_hidden,
            scaling=config.observation_scaling,
            normalise=config.normalise_returns,
            generator=self.generator,
        ).to(device)
        self._tracks_scales = examples is None
        if examples is not None:
            for scaler in (self.policy.scaler, self.critic.scaler):
                scaler.fit(examples)
        self.averaged = copy.deepcopy(self.policy)
        self.ppo = PPO(config.ppo, self.policy, self.critic, processes)
        self.collector = RolloutCollector(env, config.rollout_steps, processes)
        self.iteration = 0

    @abstractmethod
    def learn(self, rollout: Rollout, clock: PhaseClock) -> dict[str, float]:
        """Learn from a rollout; return metrics. Phases that end are marked on the clock."""

    def step(self) -> dict[str, float]:
        """Run one iteration; return its metrics.

        Raises:
            NonFiniteError: training has diverged; the state is not to be saved.
        """
        clock = PhaseClock()
        self.ppo.set_progress(self.progress)
        rollout = self.collector.collect(self.policy, self.generator)
        clock.mark("rollout")
        metrics = self.learn(rollout, clock)
        self._check_finite()
        if self._tracks_scales:
            # after the update, whose probability ratios are taken under the scales of the rollout
            observation = rollout.observation.flatten(0, 1)
            for scaler in (self.policy.scaler, self.critic.scaler, self.averaged.scaler):
                scaler.track(observation)
        self.iteration += 1
        return {
            "iteration": self.iteration,
            "env_steps": self.iteration * self.config.steps_per_iteration,
            **metrics,
            "policy/entropy": float(self.policy.entropy().detach()),
            "policy/std": float(self.policy.log_std.detach().exp().mean()),
            "policy/saturated_share": float((rollout.action.abs() > 1.0).float().mean()),
            "policy/learning_rate": self.ppo.learning_rate,
            "rollout/success_rate": rollout.success_rate,
            "rollout/task_reward": float(rollout.task_reward.mean()),
            "rollout/terminated": float(rollout.terminated.sum()),
            "env/diverged": self.processes.total(float(self.env.num_diverged)),
            **clock.shares(),
        }

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(1.0, self.iteration / self.config.iterations)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything with parameters or statistics, by name."""
        return {"policy": self.policy, "averaged": self.averaged, "critic": self.critic}

    @property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers, by name."""
        return {
            "policy_optimiser": self.ppo.policy_optimiser,
            "critic_optimiser": self.ppo.regression.optimiser,
        }

    def absorbing_value(self, reward: float) -> float:
        """Return the value of an absorbing state, for the reward of a step there.

        For ever a step earns that reward and the entropy of the uniform policy, which is what is
        best where no action matters: (r + entropy_coef H_uniform) / (1 - gamma). Returns of other
        states hold no entropy, whose bonus is a term of its own in the objective, so what counts is
        by how much more the uniform policy has than the present one.
        """
        size = self.env.contract.action_size
        uniform = size * float(torch.log(torch.tensor(2.0)))
        surplus = uniform - float(self.policy.entropy().detach())
        return (reward + self.config.entropy_coef * surplus) / (1.0 - self.config.ppo.gamma)

    def update_metrics(self, update: PPOResult) -> dict[str, float]:
        """Return what an update of the policy reports."""
        return {
            "trust_region/kl_mean": update.kl_mean,
            "trust_region/kl_max": update.kl_max,
            "critic/explained_variance": update.explained_variance,
            "critic/loss": update.critic_loss,
            "advantage/scale": update.advantage_scale,
            "policy/loss": update.policy_loss,
        }

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged policy towards the current one (Polyak and Juditsky 1992)."""
        for mean, now in zip(self.averaged.parameters(), self.policy.parameters(), strict=True):
            mean.lerp_(now, 1.0 - self.config.average_decay)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs to go on bit for bit (on a CPU).

        All processes have to ask for it together.
        """
        return {
            "iteration": self.iteration,
            **{name: module.state_dict() for name, module in self.modules.items()},
            **{name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "rate_factor": self.ppo.rate_factor,
            "generator": self.generator.get_state(),
            "env": self.processes.joint_state(self.env.get_state()),
            "observation": self.processes.joint_state(self.collector.observation),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.iteration = int(state["iteration"])
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state[name])
        self.ppo.rate_factor = float(state["rate_factor"])
        self.generator.set_state(state["generator"])
        self.env.set_state(self.processes.own_state(state["env"]))
        self.collector.observation = self.processes.own_state(state["observation"])

    def _check_finite(self) -> None:
        """Refuse to go on, and to save, once a parameter is not finite.

        Raises:
            NonFiniteError: training has diverged.
        """
        for module in self.modules.values():
            if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
                raise NonFiniteError(
                    f"the {type(module).__name__} has parameters that are not finite: training has "
                    "diverged; start a new run with lower learning rates, such as "
                    "--set ppo.policy_learning_rate=1e-4"
                )
