import dataclasses
import json

import numpy as np
import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.ascent import ascend
from trirl_robot.irl.tabular.comparison import (
    REWARDS,
    ComparisonConfig,
    build_problem,
    compare,
    methods,
)


@pytest.fixture(scope="module")
def comparison():
    return compare(ComparisonConfig(iterations=8))


def test_trirl_its_uncorrected_form_and_full_dual_ascent_are_compared(comparison):
    trirl, uncorrected, diverging, scratch, warm = comparison.ascents
    assert trirl.falls("dual")
    assert trirl.falls("kl")
    assert not uncorrected.falls("dual")
    assert diverging.diverged
    assert scratch.falls("dual")
    assert trirl.sweeps_to(0.02) <= scratch.sweeps_to(0.02)
    np.testing.assert_allclose(trirl.series("kl"), warm.series("kl"), atol=1e-10)


def test_the_theorem_s_error_stands_beside_what_breaks_it(comparison):
    trirl, uncorrected, *full = comparison.policy_gaps
    assert trirl <= 1e-12
    assert uncorrected > 0.1
    assert max(full) <= 1e-8
    assert comparison.per_state_gap > 0.1


def test_all_figures_are_plain_json(comparison):
    plain = json.loads(json.dumps(comparison.to_plain(), allow_nan=False))
    assert plain["config"]["eta"] == 10.0
    assert plain["config"]["beta"] == 5.0
    trirl, _, diverging, *_ = plain["methods"]
    assert len(trirl["kl"]) == 9
    assert trirl["eta"] == [None] + [10.0] * 8
    assert trirl["sweeps_to_target_kl"] == comparison.ascents[0].sweeps_to(0.02)
    assert diverging["sweeps_to_target_kl"] is None
    assert diverging["diverged"]


def test_progress_is_told_of_every_iterate():
    told = []
    config = ComparisonConfig(iterations=2, mdp="random", seed=4)
    compare(config, lambda name, iterate: told.append((name, iterate.kl)))
    assert [name for name, _ in told] == [m.name for m in methods(config) for _ in range(2)]


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("mdp", ["icy-grid-endless", "random"])
def test_every_world_and_reward_has_defaults_with_which_the_dual_falls(mdp, reward):
    config = ComparisonConfig(mdp=mdp, reward=reward)
    ascent = ascend(build_problem(config)[1], methods(config)[0], 10)
    assert ascent.falls("dual")
    assert ascent.falls("kl")


def test_without_a_trust_region_full_dual_ascent_stands_once():
    names = [method.name for method in methods(ComparisonConfig(eta=0.0))]
    assert len(names) == len(set(names)) == 4


def test_nothing_to_learn_is_no_error():
    comparison = compare(ComparisonConfig(discount=0.0, iterations=2))
    assert comparison.ascents[0].iterates[-1].kl == pytest.approx(0.0, abs=1e-12)
    assert comparison.per_state_gap == 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mdp": "icy-gird"}, "did you mean 'icy-grid'"),
        ({"reward": "stat"}, "did you mean 'state'"),
        ({"iterations": 0}, "iterations is 0"),
        ({"discount": 1.0}, "discount is"),
        ({"beta": float("inf")}, "beta is inf"),
        ({"eta": -1.0}, "eta is"),
        ({"eta": float("nan")}, "eta is nan"),
        ({"kl_bound": 0.0}, "kl_bound is"),
        ({"target_kl": 0.0}, "target_kl is"),
        ({"step_size": float("nan")}, "step_size is nan"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(ComparisonConfig(), **wrong)


@pytest.mark.parametrize(("beta", "eta"), [(20.0, 2.0), (15.0, 0.5)])
def test_policies_that_are_nearly_deterministic_are_compared_too(beta, eta):
    compared = compare(ComparisonConfig(beta=beta, eta=eta, iterations=8))
    assert compared.per_state_gap > 0.1


def test_dual_ascent_with_nearly_the_corrected_step_is_not_run_twice():
    names = [method.name for method in methods(ComparisonConfig(eta=1e-4))]
    assert len(names) == len(set(names)) == 4


def test_a_weight_of_the_divergence_beyond_all_digits_is_refused():
    with pytest.raises(ConfigError, match=r"at most 1e\+06"):
        ComparisonConfig(beta=1e308)
