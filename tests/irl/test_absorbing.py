"""What an early end is worth, in a corridor where that alone decides what is learnt.

The discriminator sees actions alone, and no policy has the expert's gait: with 0.9 one way or the
other, never in between. So the policy's own steps look bad for ever, -KL on average where rewards
are log ratios, or good for ever where they are positive by their form. Only an absorbing state that
is rewarded like any other tells whether the expert ends its episodes.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from corridor import EPISODE_STEPS, Corridor, demonstrations

from trirl_robot.baselines.airl import Airl, AirlConfig
from trirl_robot.baselines.gail import Gail, GailConfig
from trirl_robot.evaluation.rollouts import evaluate
from trirl_robot.irl.discriminator import DiscriminatorConfig
from trirl_robot.irl.samples import Samples
from trirl_robot.irl.trirl import Trirl, TrirlConfig
from trirl_robot.rl.policy import MeanAction
from trirl_robot.rl.ppo import PPOConfig

LEARNERS = {"trirl": (Trirl, TrirlConfig), "gail": (Gail, GailConfig), "airl": (Airl, AirlConfig)}


def gait(forward, random):
    sign = np.where(random.random(len(forward)) < forward, 1.0, -1.0)
    return 0.9 * sign + 0.02 * random.standard_normal(len(forward))


def survivor(position, random):
    """Stays about the middle until the time is up."""
    return gait(1.0 / (1.0 + np.exp(6.0 * position)), random)


def finisher(position, random):
    """Walks out at the right end."""
    return gait(np.full(len(position), 0.75), random)


def learnt(algorithm, expert, seed=0, iterations=18, **settings):
    """Return a learner after some iterations, and by how much absorbing states are rewarded more.

    That is the mean of the first ten iterations: later, a policy that has come to end its episodes
    as the expert does has nothing more to learn from it.
    """
    kind, config = LEARNERS[algorithm]
    config = config(
        total_steps=iterations * 1024,
        num_envs=32,
        rollout_steps=32,
        initial_std=0.5,
        average_decay=0.5,
        policy_hidden=(32,),
        critic_hidden=(32,),
        observation_scaling="linear",
        start="scratch",
        warmup_iterations=1,
        ppo=PPOConfig(
            gamma=0.95, policy_learning_rate=3e-3, final_learning_rate=1e-3, minibatch=256
        ),
        discriminator=DiscriminatorConfig(
            inputs=("action",), scaling="linear", hidden=32, learning_rate=2e-3, minibatch=256
        ),
        **settings,
    )
    learner = kind(config, demonstrations(expert), Corridor(32, seed), seed)
    metrics = [learner.step() for _ in range(iterations)]
    surplus = [m["reward/absorbing"] - m["reward/policy_mean"] for m in metrics[:10]]
    return learner, np.mean(surplus)


def finished_share(learner):
    """Return the share of episodes that end before their time."""
    result = evaluate(MeanAction(learner.averaged), Corridor(32, seed=99), 64)
    assert (result.length[~result.success] == EPISODE_STEPS).all()
    return result.success.mean()


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_a_policy_ends_its_episodes_if_and_only_if_the_expert_does(algorithm):
    survived, surplus = learnt(algorithm, survivor)
    assert finished_share(survived) == 0.0
    assert surplus < 0.0
    finished, surplus = learnt(algorithm, finisher)
    assert finished_share(finished) == 1.0
    assert surplus > 0.0


@pytest.mark.parametrize(
    ("algorithm", "expert", "share"),
    [
        # log ratios are negative on average over the policy's own steps: the sooner over the better
        ("trirl", survivor, 1.0),
        # softplus is positive everywhere: whatever is done, it must not end
        ("gail", finisher, 0.0),
    ],
)
def test_without_the_absorbing_state_the_opposite_is_learnt(algorithm, expert, share):
    learner, _ = learnt(algorithm, expert, absorbing_tail=False)
    assert finished_share(learner) == share
    assert learner.absorbing_value(5.0) == 0.0


def test_steps_that_are_left_out_make_no_episode_end_more_often():
    config = TrirlConfig(num_envs=4, rollout_steps=4)
    shares = []
    for every in (1, 5):
        kept = demonstrations(finisher).subset(every=every)
        expert = Trirl(config, kept, Corridor(4), 0).discriminator.expert
        assert len(expert.inputs) == len(kept.observation)
        shares.append(expert.absorbing_share)
    assert shares[0] == shares[1] > 0.5


def test_an_absorbing_state_is_worth_its_reward_and_what_the_uniform_policy_has_more_entropy():
    learner, _ = learnt("trirl", survivor, iterations=2, entropy_coef=0.1)
    with torch.no_grad():
        learner.policy.log_std.fill_(math.log(0.5))
    # uniform on [-1, 1] has log 2, a Gaussian log(sigma sqrt(2 pi e)); 1 / (1 - gamma) is 20
    surplus = math.log(2.0) - math.log(0.5 * math.sqrt(2.0 * math.pi * math.e))
    assert learner.absorbing_value(-0.3) == pytest.approx(20.0 * (-0.3 + 0.1 * surplus))


@pytest.mark.parametrize("expert", [survivor, finisher])
def test_the_dual_is_what_its_formula_gives_for_policy_and_demonstrations(expert):
    learner, _ = learnt("trirl", expert, iterations=2, entropy_coef=0.1)
    rollout = learner.collector.collect(learner.policy, learner.generator)
    ended = torch.zeros_like(rollout.terminated)
    ended[:4, 0] = True
    rollout = dataclasses.replace(rollout, terminated=ended)
    with torch.no_grad():
        # the policy that collected the rollout counts, not the one that comes of it
        learner.policy.log_std.add_(0.7)
    reward = torch.linspace(-1.0, 0.5, 1025)
    learner.expert_reward = torch.tensor([0.3, -0.2, 0.9])
    found = learner._dual_value(rollout, reward)

    # four ends in 1,024 steps, of 19 discounted steps each
    absorbed = 4 * 19.0 / (4 * 19.0 + 1024.0)
    collected = (1.0 - absorbed) * float(reward[:-1].mean()) + absorbed * 0.5
    spread = float(rollout.log_std) + 0.5 * math.log(2.0 * math.pi * math.e)
    entropy = (1.0 - absorbed) * spread + absorbed * math.log(2.0)
    share = learner.discriminator.expert.absorbing_share
    assert (share > 0.0) == (expert is finisher)
    paid = np.mean(np.exp(-np.array([0.3, -0.2, 0.9])))
    paid = (1.0 - share) * paid + share * np.exp(-0.5)
    assert found == pytest.approx(10.0 * (collected + math.log(paid)) + entropy, rel=1e-5)


def test_time_outs_are_no_absorbing_states():
    learner, _ = learnt("trirl", survivor, iterations=2)
    seen: list[Samples] = []
    learner.discriminator.update = lambda samples, generator: seen.append(samples)
    rollout = learner.collector.collect(learner.policy, learner.generator)
    assert rollout.truncated.any()
    for terminations in (0, 3):
        terminated = torch.zeros_like(rollout.terminated)
        terminated[:terminations, 0] = True
        ended = dataclasses.replace(rollout, terminated=terminated)
        learner.train_discriminator(ended, learner.inputs_of(ended))
        # each counts gamma / (1 - gamma) = 19 steps, next to the 1,024 of the rollout
        expected = 19.0 * terminations / (19.0 * terminations + 1024.0)
        assert seen[-1].absorbing_share == pytest.approx(expected)
