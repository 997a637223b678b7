"""The discriminator of AIRL: a reward, its shaping, and the density of the policy itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trirl_robot.contract import PolicyContract
from trirl_robot.irl.discriminator import Classifier, Discriminator
from trirl_robot.irl.features import ACTION, NEXT, OBSERVATION, FeatureSelection
from trirl_robot.rl.policy import GaussianPolicy, log_prob


def transition_rows(
    observation: Tensor, action: Tensor, following: Tensor, terminated: Tensor
) -> Tensor:
    """Return one row a transition, (B, n), (B, m), (B, n) and (B,) to (B, 2 n + m + 1).

    The last number is 1 where the next state is an absorbing one.
    """
    return torch.cat([observation, action, following, terminated[:, None].float()], dim=-1)


class ShapedFeatures:
    """What AIRL's discriminator reads of a transition (s, a, s'), a row of `transition_rows`.

    That is, side by side, what the reward reads, what the shaping reads of s and of s', and
    log pi(a | s) of the policy as it is now.

    log pi is the density of the policy's Gaussian at the action as the environment took it, for
    demonstrations and policy alike, so that the logit stays a function of the transition. Where
    actions are clipped, the policy has more mass at the bound than this density says, which the
    reward has to make up for.
    """

    def __init__(
        self,
        reward: FeatureSelection,
        state: FeatureSelection,
        policy: GaussianPolicy,
        contract: PolicyContract,
    ) -> None:
        """Put the parts together.

        Args:
            reward: what the reward reads.
            state: what the shaping reads of an observation; nothing of action or next observation.
            policy: whose density is compared.
            contract: what observation and action are.
        """
        self.reward, self.state, self._policy = reward, state, policy
        size = contract.observation_size
        self._widths = [size, contract.action_size, size, 1]
        # an absorbing state is left by no action, and the best policy there is the uniform one
        uniform = reward.absorbing.new_full((1,), -contract.action_size * math.log(2.0))
        self.absorbing = torch.cat([reward.absorbing, state.absorbing, state.absorbing, uniform])
        self._noise = self._noise_of_rows()

    def fit(self, inputs: Tensor, generator: torch.Generator) -> None:
        """Take the scales from the demonstrations' inputs."""
        observation, action, following, _ = self._parts(inputs)
        self.reward.fit(self.reward.select(observation, action, following), generator)
        self.state.fit(self.state.select(observation, action, following), generator)

    @torch.no_grad()
    def scale(self, inputs: Tensor) -> Tensor:
        """Return the features of inputs, (B, f)."""
        observation, action, following, ended = self._parts(inputs)
        after = self.state(following, action)
        after = torch.where(ended > 0.5, self.state.absorbing, after)
        density = log_prob(action, self._policy(observation), self._policy.log_std)
        reward = self.reward(observation, action, following)
        return torch.cat([reward, self.state(observation, action), after, density[:, None]], dim=-1)

    def disturbed(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return unscaled inputs with instance noise, same shape."""
        if not self.reward.is_noisy:
            return inputs
        return inputs + torch.randn(inputs.shape, generator=generator).to(inputs) * self._noise

    def _parts(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        observation, action, following, ended = torch.split(inputs, self._widths, dim=-1)
        return observation, action, following, ended

    def _noise_of_rows(self) -> Tensor:
        """Return the deviation of the noise of each input, the same before and after a step."""
        size, after = self._widths[0], self._widths[0] + self._widths[1]
        noise = self.reward.noise_of(sum(self._widths))
        noise[after:-1] = torch.maximum(noise[after:-1], noise[:size])
        return noise


class ShapedDiscriminator(Classifier):
    """Expert logit f(s, a, s') - log pi(a | s), with f = g + gamma h(s') - h(s).

    Fu, Luo and Levine 2018, arXiv 1710.11248, equations 4 to 6: the classifier
    exp(f) / (exp(f) + pi), of which g is the reward and h the shaping, which changes no optimal
    policy (Ng, Harada and Russell 1999).
    """

    def __init__(self, reward: Discriminator, shaping: Discriminator, gamma: float) -> None:
        """Put the networks g and h together; gamma is the discount."""
        super().__init__()
        self.reward, self.shaping = reward, shaping
        state = shaping.size
        self._sizes = [reward.size, state, state, 1]
        self._gamma = gamma

    def forward(self, features: Tensor) -> Tensor:
        """Return the expert logit, (B, f) to (B,)."""
        reward, before, after, density = torch.split(features, self._sizes, dim=-1)
        value: Tensor = self.reward(reward)
        value = value + self._gamma * self.shaping(after) - self.shaping(before)
        return value - density.squeeze(-1)

    def logit_and_slope(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expert logit, (B,), and its gradient by the features, (B, f).

        The density is given, not learnt, and its gradient is left out.
        """
        reward, before, after, density = torch.split(features, self._sizes, dim=-1)
        g, g_slope = self.reward.logit_and_slope(reward)
        h, h_slope = self.shaping.logit_and_slope(before)
        h_after, h_after_slope = self.shaping.logit_and_slope(after)
        logit = g + self._gamma * h_after - h - density.squeeze(-1)
        parts = [g_slope, -h_slope, self._gamma * h_after_slope, torch.zeros_like(density)]
        return logit, torch.cat(parts, dim=-1)

    def head(self) -> Tensor:
        """Return the parameters of the reward alone, (p,): the shaping is not kept."""
        return self.reward.head()


def shaping_inputs(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return what the shaping reads of an observation: all that the reward reads of any.

    Reading more would tell the expert by what the reward is not to see.
    """
    named = dict.fromkeys(
        name.removeprefix(NEXT) for name in inputs if name.split(".")[0] != ACTION
    )
    return (OBSERVATION,) if OBSERVATION in named or not named else tuple(named)
