"""Every form within the learner: what it reports, and a run that is taken up again."""

import copy

import numpy as np
import pytest
import torch
from corridor import Corridor, demonstrations
from run_states import leaves, same

from trirl_robot.irl.discriminator import DiscriminatorConfig
from trirl_robot.irl.trirl import Trirl, TrirlConfig
from trirl_robot.irl.trust_region.penalty import AdaptedPenaltyConfig, AnnealedPenaltyConfig
from trirl_robot.irl.trust_region.projection import ProjectionConfig
from trirl_robot.rl.ppo import PPOConfig

FORMS = [
    AdaptedPenaltyConfig(),
    AdaptedPenaltyConfig(multiplier="marginal", minimum_eta=0.1),
    AnnealedPenaltyConfig(),
    ProjectionConfig(),
    ProjectionConfig(multiplier="projection"),
]


def to_the_right(position, random):
    return 0.6 + 0.1 * random.standard_normal(len(position))


def learner(region, seed=0):
    config = TrirlConfig(
        total_steps=640,
        num_envs=8,
        rollout_steps=16,
        start="scratch",
        warmup_iterations=1,
        policy_hidden=(16,),
        critic_hidden=(16,),
        ppo=PPOConfig(epochs=2, minibatch=64, policy_learning_rate=3e-3),
        discriminator=DiscriminatorConfig(hidden=16, epochs=1, minibatch=64),
        trust_region=region,
    )
    return Trirl(config, demonstrations(to_the_right), Corridor(8, seed), seed)


@pytest.mark.parametrize("region", FORMS)
def test_a_run_that_is_taken_up_again_goes_on_as_it_would_have(region):
    whole = learner(region)
    for _ in range(3):
        whole.step()
    saved = copy.deepcopy(whole.state_dict())
    resumed = learner(region, seed=1)
    resumed.load_state_dict(saved)
    for _ in range(2):
        rows = whole.step(), resumed.step()
        measured = [{k: v for k, v in row.items() if not k.startswith("time")} for row in rows]
        np.testing.assert_equal(*measured)
    expected, found = (dict(leaves(run.state_dict())) for run in (whole, resumed))
    assert expected.keys() == found.keys()
    assert all(same(value, found[name]) for name, value in expected.items())


@pytest.mark.parametrize("region", FORMS)
def test_it_reports_kl_multiplier_and_whether_the_bound_was_met(region):
    run = learner(region)
    before, after = run.step(), run.step()
    assert before["trust_region/kl_max"] == pytest.approx(0.0, abs=1e-6)
    assert after["trust_region/kl_max"] >= after["trust_region/kl_mean"] > 0.0
    assert after["trust_region/marginal_eta"] >= 0.0
    if region.multiplier == "marginal":
        assert after["trust_region/eta"] == after["trust_region/marginal_eta"] > 0.0
    met = after["trust_region/bound_met"]
    measured = "kl_max" if isinstance(region, ProjectionConfig) else "kl_mean"
    assert met == float(after[f"trust_region/{measured}"] <= after["trust_region/kl_bound"])
    step = run.config.step_size / (1.0 + after["trust_region/eta"])
    assert after["dual/corrected_step_size"] == pytest.approx(step)


def test_the_projection_s_bound_is_met_in_every_state_throughout_a_run():
    region = ProjectionConfig(mean_bound=1e-3, covariance_bound=1e-4)
    run, kept = learner(region), []
    for _ in range(5):
        row = run.step()
        assert row["trust_region/bound_met"] == 1.0
        assert row["trust_region/kl_max"] <= 1.1e-3
        kept.append(row.get("trust_region/step_kept", 1.0))
    assert min(kept) < 1.0
    assert all(torch.isfinite(p).all() for p in run.policy.parameters())
