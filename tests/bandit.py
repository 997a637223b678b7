"""A bandit: one step, a reward that is the squared distance from an action that is wanted."""

import torch

from trirl_robot.rl.critic import Critic
from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.rl.ppo import PPO, PPOConfig
from trirl_robot.rl.rollout import Rollout

T, N = 32, 32


def setup(**settings):
    generator = torch.Generator().manual_seed(0)
    policy = GaussianPolicy(3, 2, hidden=(32,), initial_std=0.3, generator=generator)
    critic = Critic(3, hidden=(32,), generator=generator)
    return PPO(PPOConfig(minibatch=256, gamma=0.0, **settings), policy, critic), generator


@torch.no_grad()
def make_rollout(policy, generator):
    observation = torch.randn(T, N, 3, generator=generator)
    action, mean = policy.sample(observation, generator)
    never = torch.zeros(T, N, dtype=torch.bool)
    return Rollout(
        observation=observation,
        final_observation=observation,
        action=action,
        mean=mean,
        log_std=policy.log_std.clone(),
        terminated=never,
        truncated=never,
        task_reward=torch.zeros(T, N),
        episodes=0,
        successes=0,
    )


def wanted(observation):
    return torch.tanh(observation[..., :2])


def reward_of(rollout):
    return -((rollout.action - wanted(rollout.observation)) ** 2).sum(-1)


def improve(ppo, generator, rounds, **kwargs):
    results = []
    for _ in range(rounds):
        rollout = make_rollout(ppo.policy, generator)
        settings = {"entropy_coef": 0.0, **kwargs}
        results.append(ppo.update(rollout, reward_of(rollout), generator=generator, **settings))
    return results
