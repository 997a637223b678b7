import pytest

from trirl_robot.irl.trust_region import AdaptiveKLPenalty, TrustRegionConfig


def make(**settings):
    return AdaptiveKLPenalty(TrustRegionConfig(**settings), entropy_coef=0.05)


def test_eta_undoes_the_scale_that_advantages_were_divided_by():
    penalty = make()
    # 0.5 KL beside A / 2 is 1.0 KL beside A, which is 20 KL beside A / 0.05
    assert penalty.eta(0.5, 2.0) == pytest.approx(20.0)


def test_the_coefficient_follows_the_bound():
    penalty = make(kl_bound=0.01, initial_penalty=1.0, minimum_eta=0.0)
    penalty.adapt(0.02, 1.0)
    assert penalty.penalty > 1.0
    penalty.adapt(0.001, 1.0)
    penalty.adapt(0.001, 1.0)
    assert penalty.penalty < 1.0


def test_the_multiplier_has_a_floor():
    penalty = make(minimum_eta=3.0)
    for _ in range(50):
        penalty.adapt(0.0, 2.0)
    assert penalty.eta(penalty.penalty, 2.0) == pytest.approx(3.0)
