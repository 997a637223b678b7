"""What every learner from demonstrations and rollouts shares: a discriminator and a start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trirl_robot.baselines.bc import CloningConfig, CloningResult, clone
from trirl_robot.config import require
from trirl_robot.contract import PolicyContract
from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.errors import ConfigError
from trirl_robot.irl.archive import ArchivedDiscriminator
from trirl_robot.irl.discriminator import (
    ClassifierT,
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorResult,
    DiscriminatorTrainer,
    Features,
)
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.irl.samples import Samples
from trirl_robot.rl.on_policy import OnPolicyConfig, OnPolicyLearner
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.rl.rollout import Rollout
from trirl_robot.sim.interface import Environments


@dataclass(frozen=True, kw_only=True)
class ImitationConfig(OnPolicyConfig):
    """Settings that every learner from demonstrations and rollouts has."""

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """The classifier of expert against policy."""
    start: Literal["clone", "scratch"] = "clone"
    """Whether the policy starts from behavioural cloning or from random weights."""
    demonstrated_starts: float = 0.0
    """Share of the episodes in training that go on from a moment of a demonstration, in [0, 1]: for
    a task of which chance never shows the end. It takes demonstrations that were simulated."""
    warmup_iterations: int = 4
    """Iterations at the start in which only critic and discriminator learn."""
    cloning: CloningConfig = field(default_factory=CloningConfig)
    """Behavioural cloning, from which the policy may start."""
    absorbing_tail: bool = True
    """Whether a state in which an episode ends early goes on for ever, among what the discriminator
    sees and in returns. Without it, the sign of the reward decides whether to end."""

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        require(self, "0 or more", lambda v: v >= 0, "warmup_iterations")
        require(self, "a value in [0, 1]", lambda v: 0 <= v <= 1, "demonstrated_starts")
        if self.warmup_iterations >= self.iterations:
            raise ConfigError(
                f"total_steps={self.total_steps} make {self.iterations} iterations, all of them of "
                "the warm-up, in which the policy stays as it is; train for longer, or set "
                "warmup_iterations=0"
            )


def build_features(config: ImitationConfig, contract: PolicyContract) -> FeatureSelection:
    """Return what the discriminator of a configuration reads, its scales not yet fitted."""
    return FeatureSelection(
        contract,
        config.discriminator.inputs,
        noise=config.discriminator.instance_noise,
        scaling=config.discriminator.scaling,
    )


class ImitationLearner(OnPolicyLearner):
    """Holds the demonstrations, and the discriminator that compares the policy with them."""

    config: ImitationConfig
    reads_action = False
    """Whether the algorithm itself needs demonstrated actions, whatever its discriminator reads."""

    def __init__(
        self,
        config: ImitationConfig,
        demonstrations: Demonstrations,
        env: Environments,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks.

        Args:
            config: settings.
            demonstrations: what to imitate; its contract must be the environment's.
            env: the environments to learn in, those of this process.
            seed: fixes weights, samples and actions.
            processes: which learn together, and the device of this one.
        """
        device = processes.device
        self.expert_observation = torch.from_numpy(demonstrations.observation).float().to(device)
        self.expert_action = self._actions(demonstrations, config, env.contract).to(device)
        super().__init__(config, env, seed, self.expert_observation, processes)
        self.newest: ArchivedDiscriminator | None = None
        """The discriminator of the last iteration, for the run to keep; None in the warm-up."""
        self.archived = 0
        """Discriminators that the run keeps so far."""
        self.features = build_features(config, env.contract).to(device)
        terminated = torch.from_numpy(demonstrations.terminated).to(device)
        self.expert_inputs = self.transition_inputs(
            self.expert_observation,
            self.expert_action,
            torch.from_numpy(demonstrations.next_observation).float().to(device),
            terminated,
        )
        steps = int(demonstrations.recorded_lengths.sum())
        expert = self._samples(self.expert_inputs, terminated, steps)
        self.discriminator = self.build_discriminator(expert)

    def _actions(
        self, demonstrations: Demonstrations, config: ImitationConfig, contract: PolicyContract
    ) -> Tensor:
        """Return the demonstrated actions, (T, m): not a number where none are needed nor known."""
        if config.start == "clone":
            demonstrations.require_actions("a policy that starts from cloning (start=clone)")
        if self.reads_action or build_features(config, contract).reads_action:
            demonstrations.require_actions(f"algorithm {config.algorithm} with these inputs")
        if demonstrations.action.shape[1]:
            return torch.from_numpy(demonstrations.action).float()
        return torch.full((len(demonstrations.action), contract.action_size), torch.nan)

    def transition_inputs(
        self, observation: Tensor, action: Tensor, following: Tensor, terminated: Tensor
    ) -> Tensor:
        """Return what the discriminator reads of transitions, unscaled, one row each.

        Args:
            observation: what was acted on, (B, n).
            action: what was done, (B, m).
            following: what was observed then, (B, n).
            terminated: whether that was an absorbing state, bool, (B,).
        """
        del terminated
        return self.features.select(observation, action, following)

    def build_discriminator(self, expert: Samples) -> DiscriminatorTrainer[Any]:
        """Return the discriminator with what trains it."""
        settings = self.config.discriminator
        network = Discriminator(self.features.size, settings.hidden, self.generator)
        return self.trainer_of(network, self.features, expert)

    def trainer_of(
        self, network: ClassifierT, features: Features, expert: Samples
    ) -> DiscriminatorTrainer[ClassifierT]:
        """Return what trains a network on these features."""
        return DiscriminatorTrainer(
            self.config.discriminator,
            network.to(self.processes.device),
            features,
            expert,
            self.generator,
            self.processes,
        )

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything with parameters or statistics, by name."""
        return {
            **super().modules,
            "discriminator": self.discriminator.discriminator,
            "features": self.features,
        }

    @property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers, by name."""
        return {**super().optimisers, "discriminator_optimiser": self.discriminator.optimiser}

    @property
    def is_warming_up(self) -> bool:
        """Whether the policy is still left as it is."""
        return self.iteration < self.config.warmup_iterations

    def clone(self) -> CloningResult:
        """Fit the policy to the demonstrations by behavioural cloning."""
        result = clone(
            self.policy,
            self.expert_observation,
            self.expert_action,
            self.config.cloning,
            self.generator,
        )
        self.averaged.load_state_dict(self.policy.state_dict())
        return result

    def inputs_of(self, rollout: Rollout) -> Tensor:
        """Return the discriminator's unscaled inputs of a rollout's transitions, (T N, f - 1)."""
        return self.transition_inputs(
            rollout.observation.flatten(0, 1),
            rollout.applied_action.flatten(0, 1),
            rollout.final_observation.flatten(0, 1),
            rollout.terminated.flatten(),
        )

    def train_discriminator(self, rollout: Rollout, inputs: Tensor) -> DiscriminatorResult:
        """Train the discriminator on a rollout, whose unscaled inputs are given."""
        samples = self._samples(inputs, rollout.terminated)
        return self.discriminator.update(samples, self.generator)

    def absorbing_value(self, reward: float) -> float:
        """Return the value of an absorbing state, for the reward of a step there."""
        return super().absorbing_value(reward) if self.config.absorbing_tail else 0.0

    def absorbing_share(self, terminated: Tensor) -> float:
        """Return the share of its time that a policy of these ends spends in absorbing states."""
        return self._samples(terminated.flatten(), terminated).absorbing_share

    def _samples(self, inputs: Tensor, terminated: Tensor, steps: int | None = None) -> Samples:
        terminations = int(terminated.sum()) if self.config.absorbing_tail else 0
        return Samples.of(inputs, terminations, self.config.ppo.gamma, steps)

    def archive(self, corrected_step_size: float, eta: float = 0.0) -> None:
        """Let the run keep the discriminator as it is now; see `ArchivedDiscriminator`."""
        self.newest = ArchivedDiscriminator(
            iteration=self.iteration + 1,
            corrected_step_size=corrected_step_size,
            eta=eta,
            head=self.discriminator.discriminator.head(),
        )
        self.archived += 1

    def discriminator_metrics(self, result: DiscriminatorResult) -> dict[str, float]:
        """Return what a round of the discriminator reports."""
        return {
            "discriminator/loss": result.loss,
            "discriminator/accuracy": result.accuracy,
            "discriminator/calibration": result.calibration,
            "discriminator/gradient_norm": result.gradient_norm,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs to go on bit for bit (on a CPU)."""
        return {
            **super().state_dict(),
            "replay": self.discriminator.replay.state_dict(),
            "absorbed": self.discriminator.absorbed,
            "archived": self.archived,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.discriminator.replay.load_state_dict(state["replay"])
        self.discriminator.absorbed = float(state["absorbed"])
        self.archived = int(state["archived"])
