import numpy as np
import pytest
import torch

from trirl_robot.irl.trust_region.forms import build_trust_region
from trirl_robot.irl.trust_region.penalty import AdaptedPenaltyConfig, AnnealedPenaltyConfig
from trirl_robot.rl.policy import GaussianPolicy, gaussian_kl

POLICY = GaussianPolicy(
    2, 2, hidden=(), initial_std=0.3, generator=torch.Generator().manual_seed(0)
)


def make(config, scale=1.0):
    region = build_trust_region(config, entropy_coef=0.05)
    region.begin(POLICY, scale)
    return region


def test_eta_undoes_the_scale_that_advantages_were_divided_by():
    # 0.5 KL beside A / 2 is 1.0 KL beside A, which is 20 KL beside A / 0.05
    region = make(AdaptedPenaltyConfig(initial_penalty=0.5), scale=2.0)
    assert region.eta == pytest.approx(20.0)
    assert region.finish(0.015, 0.0) == pytest.approx(20.0)


def test_the_coefficient_follows_the_bound():
    region = make(AdaptedPenaltyConfig(kl_bound=0.01, initial_penalty=1.0, minimum_eta=0.1))
    for kl, next_penalty in ((0.02, 1.3), (0.008, 1.3), (0.0076, 1.0), (0.001, 1.0 / 1.3)):
        used = region.penalty
        region.constrain(*torch.zeros(4, 2))
        region.finish(kl, 0.0)
        assert region.penalty == pytest.approx(next_penalty)
        # what is reported is that of the update, not of the next
        assert region.metrics["trust_region/penalty"] == used


def test_the_multiplier_has_a_floor():
    region = make(AdaptedPenaltyConfig(minimum_eta=3.0), scale=2.0)
    for scale in np.linspace(2.0, 7.0, 50):
        region.begin(POLICY, scale)
        assert region.finish(0.0, 0.0) >= 3.0 - 1e-9
    assert region.eta < 6.0
    # the floor is that of the update that is made, not of the one before
    region.begin(POLICY, 0.01)
    assert region.finish(0.0, 0.0) == pytest.approx(3.0)


def test_what_an_update_is_worth_has_the_same_floor():
    region = make(AdaptedPenaltyConfig(minimum_eta=3.0, multiplier="marginal"))
    assert region.finish(0.0, 0.0) == 3.0
    region.marginal_eta = 8.0
    assert region.finish(0.0, 0.0) == 8.0


def test_an_annealed_multiplier_is_the_schedules_whatever_the_scale():
    region = make(AnnealedPenaltyConfig(initial_eta=100.0, final_eta=0.0), scale=2.0)
    assert region.finish(1.0, 0.25) == pytest.approx(100.0)
    region.begin(POLICY, 0.5)
    assert region.eta == pytest.approx(75.0)
    assert region.penalty == pytest.approx(75.0 * 0.05 / 0.5)
    assert region.finish(1.0, 1.0) == pytest.approx(75.0)
    region.begin(POLICY, 1.0)
    assert region.eta == 0.0


def test_the_mean_kl_is_what_is_penalised():
    region = make(AdaptedPenaltyConfig(initial_penalty=0.5))
    mean, old_mean = torch.randn(2, 6, 2)
    log_std, old_log_std = torch.randn(2, 2)
    *policy, loss = region.constrain(mean, log_std, old_mean, old_log_std)
    assert policy[0] is mean
    assert policy[1] is log_std
    kl = gaussian_kl(mean, log_std, old_mean, old_log_std)
    torch.testing.assert_close(loss, 0.5 * kl.mean())


def test_the_kl_of_policies_that_nearly_agree_survives_single_precision():
    mean, log_std = torch.zeros(1, 3), torch.full((3,), -1.5)
    kl = gaussian_kl(mean, log_std + 1e-4, mean, log_std)
    assert float(kl) == pytest.approx(3e-8, rel=5e-3)


@pytest.mark.parametrize("config", [AdaptedPenaltyConfig(), AnnealedPenaltyConfig()])
def test_a_restored_region_goes_on_as_it_would_have(config):
    first, second = make(config), make(config)
    first.finish(0.5, 0.3)
    second.set_state(first.get_state())
    for region in (first, second):
        region.begin(POLICY, 0.7)
    assert first.finish(0.1, 0.4) == second.finish(0.1, 0.4)
    assert first.get_state() == second.get_state()
