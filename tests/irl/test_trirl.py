"""One iteration of TRIRL, against its equations written out."""

import pytest
import torch
from corridor import Corridor, demonstrations

from trirl_robot.irl.discriminator import DiscriminatorConfig
from trirl_robot.irl.trirl import Trirl, TrirlConfig
from trirl_robot.rl.clock import PhaseClock
from trirl_robot.rl.ppo import PPOConfig

STEP_SIZE = 0.3


def finisher(position, random):
    return 0.5 + 0.1 * random.standard_normal(len(position))


@pytest.fixture(params=["corrected", "uncorrected"])
def learner(request):
    """A learner whose reward is no longer 0."""
    config = TrirlConfig(
        num_envs=16,
        rollout_steps=20,
        policy_hidden=(8,),
        critic_hidden=(8,),
        start="scratch",
        warmup_iterations=1,
        step_size=STEP_SIZE,
        correct=request.param == "corrected",
        entropy_coef=0.1,
        ppo=PPOConfig(gamma=0.95, minibatch=160),
        discriminator=DiscriminatorConfig(hidden=8, learning_rate=1e-2, minibatch=160),
    )
    result = Trirl(config, demonstrations(finisher), Corridor(16), 0)
    for _ in range(4):
        result.step()
    return result


def test_an_iteration_rewards_with_the_provisional_reward_and_keeps_the_corrected_one(learner):
    rollout = learner.collector.collect(learner.policy, learner.generator)
    scaled = learner.features.scale(learner.inputs_of(rollout))
    points = torch.cat([scaled, learner.features.absorbing[None]])
    demonstrated = learner.features.scale(learner.expert_inputs)

    def known(network):
        with torch.no_grad():
            return network(points), network(demonstrated)

    before = known(learner.reward.from_features)
    update, given = learner.ppo.update, {}

    def observed(rollout, reward, **others):
        # the tail is worth what it is with the policy before the update
        given.update(reward=reward, **others)
        logit = known(learner.discriminator.discriminator)[0]
        provisional = (1.0 - STEP_SIZE) * before[0] + STEP_SIZE * logit
        given.update(expected=provisional, tail=learner.absorbing_value(float(provisional[-1])))
        return update(rollout, reward, **others)

    learner.ppo.update = observed
    metrics = learner.learn(rollout, PhaseClock())
    provisional = given["expected"]
    torch.testing.assert_close(given["reward"].flatten(), provisional[:-1], atol=1e-6, rtol=1e-5)
    assert given["absorbing_value"] == pytest.approx(given["tail"], rel=1e-5)
    assert given["entropy_coef"] == 0.1

    eta = metrics["trust_region/eta"]
    assert eta >= learner.config.trust_region.minimum_eta
    step = STEP_SIZE / (1.0 + eta) if learner.config.correct else STEP_SIZE
    logits = known(learner.discriminator.discriminator)
    expected = [(1.0 - step) * r + step * d for r, d in zip(before, logits, strict=True)]
    after = known(learner.reward.from_features)
    for found, wanted in zip(after, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(learner.expert_reward, after[1], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(after[0], before[0], atol=1e-3)

    assert metrics["dual/corrected_step_size"] == pytest.approx(step)
    assert learner.newest.corrected_step_size == pytest.approx(step)
    assert learner.newest.eta == eta
    drift = float((after[1] - before[1]).abs().mean())
    assert metrics["reward/drift_on_demonstrations"] == pytest.approx(drift, rel=1e-3)
    assert metrics["reward/policy_mean"] == pytest.approx(float(after[0][:-1].mean()), rel=1e-3)
    assert metrics["reward/absorbing"] == pytest.approx(float(after[0][-1]), rel=1e-3)
    dual = learner._dual_value(rollout, after[0])
    assert metrics["dual/value"] == pytest.approx(dual, rel=1e-4)
    # which is that of the provisional reward where nothing is corrected
    same = dual == pytest.approx(learner._dual_value(rollout, provisional), rel=1e-3)
    assert same != learner.config.correct
