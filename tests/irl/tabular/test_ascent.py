import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tabular_worlds import icy_problem, problem, worlds

from trirl_robot.errors import ConfigError
from trirl_robot.irl.tabular.ascent import ROUNDING, Method, ascend
from trirl_robot.irl.tabular.comparison import REWARDS
from trirl_robot.irl.tabular.matching import kl_divergence
from trirl_robot.irl.tabular.mdp import log_occupancy
from trirl_robot.irl.tabular.soft import soft_value_iteration


def method(**settings):
    return Method(**{"name": "a method", "step_size": 0.5, **settings})


def largest_rise(ascent, name):
    return float(np.diff(ascent.series(name)).max())


@pytest.mark.parametrize("absorbing_goal", [True, False])
@pytest.mark.parametrize("eta", [8.0, 12.0, 50.0])
def test_kl_and_dual_only_fall_where_the_corrected_step_is_small_enough(absorbing_goal, eta):
    ascent = ascend(icy_problem(absorbing_goal=absorbing_goal), method(eta=eta), 40)
    if eta > 8.0:
        # the condition: at the end of each step the dual still slopes downwards
        assert np.all(ascent.series("slope")[1:] <= ROUNDING)
    assert ascent.falls("dual")
    assert ascent.falls("kl")
    assert ascent.iterates[-1].kl < 0.01 * ascent.iterates[0].kl


def test_primal_and_dual_meet():
    ascent = ascend(icy_problem(), method(step_size=1.0, eta=10.0), 80)
    gap = ascent.series("dual") - ascent.series("primal")
    assert gap[0] > 1.0
    assert np.all(gap > -ROUNDING)
    assert gap[-1] < 1e-8


@pytest.mark.parametrize(("kind", "eta"), [("state", 10.0), ("features", 300.0)])
def test_rewards_of_states_alone_and_of_features_fall_alike(kind, eta):
    task = icy_problem(kind, beta=5.0 if kind == "state" else 50.0)
    ascent = ascend(task, method(eta=eta), 60)
    assert ascent.falls("dual")
    assert ascent.falls("kl")
    divergence = [
        task.matching.divergence(log_occupancy(task.mdp, iterate.log_policy))
        for iterate in (ascent.iterates[0], ascent.iterates[-1])
    ]
    assert divergence[1] < 0.1 * divergence[0]


@given(
    world=worlds(st.floats(0.0, 0.95)),
    kind=st.sampled_from(REWARDS),
    step_size=st.floats(0.05, 1.0),
    eta=st.floats(1.0, 100.0),
)
@settings(max_examples=30)
def test_a_step_at_whose_end_the_dual_slopes_down_has_lowered_it(world, kind, step_size, eta):
    ascent = ascend(problem(world, kind), method(step_size=step_size, eta=eta), 6)
    safe = ascent.series("slope")[1:] <= 0.0
    assert np.all(np.diff(ascent.series("dual"))[safe] <= 1e-11)
    assert np.all(ascent.series("dual") >= ascent.series("primal") - ROUNDING)


@given(world=worlds(st.floats(0.0, 0.95)), kind=st.sampled_from(REWARDS))
@settings(max_examples=20)
def test_with_an_eta_large_enough_the_dual_falls_in_any_process(world, kind):
    task = problem(world, kind)
    ascent = ascend(task, method(eta=1000.0), 5)
    assert ascent.falls("dual")
    start = log_occupancy(task.mdp, ascent.iterates[0].log_policy)
    assume(task.matching.divergence(start) > 1e-3)
    assert ascent.iterates[-1].dual < ascent.iterates[0].dual


@pytest.mark.parametrize("absorbing_goal", [True, False])
def test_without_the_correction_neither_dual_nor_kl_is_monotonic(absorbing_goal):
    task = icy_problem(absorbing_goal=absorbing_goal)
    corrected = ascend(task, method(eta=10.0), 20)
    uncorrected = ascend(task, method(eta=10.0, correct=False), 20)
    assert corrected.falls("dual")
    assert largest_rise(uncorrected, "dual") > 0.5
    assert largest_rise(uncorrected, "kl") > 1e-4
    assert np.isnan(uncorrected.series("slope")).all()


def test_a_trust_region_too_wide_keeps_only_the_dual():
    ascent = ascend(icy_problem(), method(eta=2.0), 40)
    assert ascent.falls("dual")
    assert not ascent.falls("kl")
    # the condition is sufficient, not necessary
    assert ascent.series("slope")[1:].max() > 0.0


def test_full_dual_ascent_diverges_with_the_step_that_trirl_takes():
    task = icy_problem()
    full = ascend(task, method(), 30)
    assert full.diverged
    assert len(full.iterates) < 30
    assert not full.falls("dual")
    assert not full.falls("kl")
    assert ascend(task, method(step_size=0.1), 20).falls("dual")
    assert ascend(task, method(eta=10.0), 20).falls("dual")


def test_trirl_is_full_dual_ascent_with_the_corrected_step_sweep_for_sweep():
    """With the same start and a tolerance in units of the temperature, to the last sweep or two."""
    task = icy_problem()
    trirl = ascend(task, method(eta=10.0), 20)
    full = ascend(task, method(step_size=0.5 / 11.0), 20)
    for one, other in zip(trirl.iterates, full.iterates, strict=True):
        np.testing.assert_allclose(one.parameters, other.parameters, atol=1e-9)
        np.testing.assert_allclose(np.exp(one.log_policy), np.exp(other.log_policy), atol=1e-10)
    difference = trirl.series("sweeps") - full.series("sweeps")
    assert np.abs(difference).max() <= 2
    assert trirl.sweeps_to(0.02) == pytest.approx(full.sweeps_to(0.02), abs=4)
    # what begins from nothing each time needs more
    scratch = ascend(task, method(step_size=0.5 / 11.0, from_scratch=True), 20)
    assert scratch.series("sweeps").sum() > 1.05 * trirl.series("sweeps").sum()


def test_policies_solved_loosely_take_a_fraction_of_the_sweeps():
    task = icy_problem()
    exact = ascend(task, method(eta=10.0), 4)
    loose = ascend(task, method(eta=10.0, tolerance=1e-2), 4)
    scratch = ascend(task, method(step_size=0.5 / 11.0, from_scratch=True, tolerance=1e-2), 4)
    assert 4 * loose.sweeps_to(0.02) < exact.sweeps_to(0.02)
    assert 1.3 * loose.sweeps_to(0.02) < scratch.sweeps_to(0.02)


def test_eta_chased_by_a_kl_target_needs_a_floor():
    """Near the optimum the bound is slack: without a floor eta falls to 0, and the step is full."""
    task = icy_problem()
    chased = ascend(task, method(eta=0.0, kl_bound=0.01), 20)
    assert chased.series("eta")[1:].min() == 0.0
    assert largest_rise(chased, "dual") > 1e-3
    floored = ascend(task, method(eta=8.0, kl_bound=0.01), 20)
    etas = floored.series("eta")[1:]
    assert etas.min() == 8.0
    assert etas.max() > 20.0
    assert floored.series("step_kl")[1:].max() <= 0.01
    assert floored.falls("dual")
    assert floored.falls("kl")


def test_what_is_reported_is_what_it_says():
    task = icy_problem()
    latest = ascend(task, method(eta=10.0), 3).iterates[-1]
    rho = log_occupancy(task.mdp, latest.log_policy)
    assert latest.kl == kl_divergence(rho, task.expert_log_occupancy)
    assert latest.step_size == 0.5 / 11.0
    values = soft_value_iteration(task.mdp, task.matching.reward(latest.parameters)).values
    assert latest.dual == pytest.approx(task.dual(latest.parameters, values), abs=1e-11)
    # the dual of an uncorrected reward is that of its own soft-optimal policy
    uncorrected = ascend(task, method(eta=10.0, correct=False), 3).iterates[-1]
    reward = task.matching.reward(uncorrected.parameters)
    values = soft_value_iteration(task.mdp, reward).values
    assert uncorrected.dual == pytest.approx(task.dual(uncorrected.parameters, values), abs=1e-11)


def test_absorbing_states_keep_the_uniform_policy_and_a_reward_of_their_own():
    task = icy_problem()
    latest = ascend(task, method(eta=10.0), 30).iterates[-1]
    goal = task.mdp.absorbing
    np.testing.assert_allclose(np.exp(latest.log_policy[goal]), 0.25, atol=1e-12)
    reward = task.matching.reward(latest.parameters)
    assert np.ptp(reward[goal]) < 1e-11
    assert reward[goal].mean() > np.median(reward)


def test_sweeps_are_counted_up_to_the_first_that_is_close_enough():
    ascent = ascend(icy_problem(), method(eta=10.0), 5)
    sweeps, kl = ascent.series("sweeps"), ascent.series("kl")
    assert ascent.sweeps_to(kl[0]) == 0
    assert ascent.sweeps_to(kl[2]) == sweeps[1] + sweeps[2]
    assert ascent.sweeps_to(0.0) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"step_size": 0.0}, "step_size is"),
        ({"step_size": 1.5}, "step_size is"),
        ({"eta": -1.0}, "eta is"),
        ({"kl_bound": 0.0}, "kl_bound is"),
        ({"tolerance": 0.0}, "tolerance is"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        method(**wrong)


def test_a_run_has_steps_and_a_problem_a_weight():
    with pytest.raises(ConfigError, match="iterations is 0"):
        ascend(icy_problem(), method(), 0)
    with pytest.raises(ConfigError, match="beta is 0"):
        icy_problem(beta=0.0)
