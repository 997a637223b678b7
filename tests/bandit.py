"""A bandit: one step, a reward that is the squared distance from an action that is wanted."""

import torch

from trirl_robot.rl.critic import Critic
from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.rl.ppo import PPO, PPOConfig
from trirl_robot.rl.rollout import Rollout

T = 32


def setup(*, observation_size=3, action_size=2, hidden=(32,), **settings):
    generator = torch.Generator().manual_seed(0)
    policy = GaussianPolicy(
        observation_size, action_size, hidden=hidden, initial_std=0.3, generator=generator
    )
    critic = Critic(observation_size, hidden=hidden, generator=generator)
    return PPO(PPOConfig(minibatch=256, gamma=0.0, **settings), policy, critic), generator


@torch.no_grad()
def make_rollout(policy, generator, count=32):
    size = policy.network[0].in_features
    observation = torch.randn(T, count, size, generator=generator)
    noise = torch.randn(T, count, len(policy.log_std), generator=generator)
    action, mean = policy.sample(observation, noise)
    never = torch.zeros(T, count, dtype=torch.bool)
    return Rollout(
        observation=observation,
        final_observation=observation,
        action=action,
        mean=mean,
        log_std=policy.log_std.clone(),
        terminated=never,
        truncated=never,
        task_reward=torch.zeros(T, count),
        episodes=0,
        successes=0,
    )


def wanted(observation, action_size=2):
    return torch.tanh(observation[..., :action_size])


def reward_of(rollout):
    best = wanted(rollout.observation, rollout.action.shape[-1])
    return -((rollout.action - best) ** 2).sum(-1)


def improve(ppo, generator, rounds, **kwargs):
    results = []
    for _ in range(rounds):
        rollout = make_rollout(ppo.policy, generator)
        settings = {"entropy_coef": 0.0, **kwargs}
        results.append(ppo.update(rollout, reward_of(rollout), generator=generator, **settings))
    return results
