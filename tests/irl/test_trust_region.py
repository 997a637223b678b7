import pytest
import torch

from trirl_robot.irl.trust_region import (
    AdaptedPenaltyConfig,
    AnnealedPenaltyConfig,
    build_trust_region,
)


def make(config, scale=1.0):
    region = build_trust_region(config, entropy_coef=0.05)
    region.begin(scale)
    return region


def test_eta_undoes_the_scale_that_advantages_were_divided_by():
    # 0.5 KL beside A / 2 is 1.0 KL beside A, which is 20 KL beside A / 0.05
    region = make(AdaptedPenaltyConfig(initial_penalty=0.5), scale=2.0)
    assert region.eta == pytest.approx(20.0)
    assert region.finish(0.015, 0.0) == pytest.approx(20.0)


def test_the_coefficient_follows_the_bound():
    region = make(AdaptedPenaltyConfig(kl_bound=0.01, initial_penalty=1.0, minimum_eta=0.0))
    region.finish(0.02, 0.0)
    assert region.penalty > 1.0
    region.finish(0.001, 0.0)
    region.finish(0.001, 0.0)
    assert region.penalty < 1.0


def test_the_multiplier_has_a_floor():
    region = make(AdaptedPenaltyConfig(minimum_eta=3.0), scale=2.0)
    for _ in range(50):
        region.finish(0.0, 0.0)
    assert region.eta == pytest.approx(3.0)


def test_an_annealed_multiplier_is_the_schedules_whatever_the_scale():
    region = make(AnnealedPenaltyConfig(initial_eta=100.0, final_eta=0.0), scale=2.0)
    assert region.finish(1.0, 0.25) == pytest.approx(100.0)
    region.begin(0.5)
    assert region.eta == pytest.approx(75.0)
    assert float(region.loss(torch.tensor(0.01))) == pytest.approx(75.0 * 0.05 / 0.5 * 0.01)
    assert region.finish(1.0, 1.0) == pytest.approx(75.0)
    region.begin(1.0)
    assert region.eta == 0.0


@pytest.mark.parametrize("config", [AdaptedPenaltyConfig(), AnnealedPenaltyConfig()])
def test_a_restored_region_goes_on_as_it_would_have(config):
    first, second = make(config), make(config)
    first.finish(0.5, 0.3)
    second.set_state(first.get_state())
    for region in (first, second):
        region.begin(0.7)
    assert first.finish(0.1, 0.4) == second.finish(0.1, 0.4)
    assert first.get_state() == second.get_state()
