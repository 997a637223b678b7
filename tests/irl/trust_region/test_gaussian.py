"""Projections of Gaussians against numeric optimisation and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize

from trirl_robot.irl.trust_region.gaussian import mean_kl, project_log_std, project_mean

SEEDS = st.integers(0, 2**31 - 1)
BOUNDS = st.floats(1e-4, 1.0)


def normal(seed, *shape, scale=1.0):
    values = np.random.default_rng(seed).normal(scale=scale, size=shape)
    return torch.from_numpy(values)


def covariance_kl(log_std, other):
    """KL of two diagonal Gaussians of the same mean, written with variances."""
    ratio = np.exp(2.0 * np.asarray(log_std)) / np.exp(2.0 * np.asarray(other))
    return 0.5 * np.sum(ratio - 1.0 - np.log(ratio))


def solve(objective, constraint, start):
    """Minimise the objective where the constraint is at most 0; return the point and multiplier."""
    found = minimize(
        objective,
        start,
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda x: -constraint(x)},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    down, out = (approx_fprime(found.x, f, 1e-7) for f in (objective, constraint))
    return found.x, float(-down @ out / (out @ out))


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_is_the_nearest_one_within_the_bound(seed):
    mean, old = normal(seed, 1, 3), normal(seed + 100, 1, 3)
    old_log_std = normal(seed + 200, 3, scale=0.5)
    bound = 0.05
    inverse = np.exp(-2.0 * old_log_std.numpy())
    expected, multiplier = solve(
        lambda x: 0.5 * np.sum(inverse * (x - mean[0].numpy()) ** 2),
        lambda x: 0.5 * np.sum(inverse * (x - old[0].numpy()) ** 2) - bound,
        old[0].numpy(),
    )
    projected, eta = project_mean(mean, old, old_log_std, bound)
    np.testing.assert_allclose(projected[0].numpy(), expected, atol=1e-5)
    assert float(eta) == pytest.approx(multiplier, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_covariance_is_the_nearest_one_within_the_bound(seed):
    log_std, old = normal(seed, 4, scale=0.5), normal(seed + 100, 4, scale=0.5)
    bound = 0.02
    expected, multiplier = solve(
        lambda x: covariance_kl(x, log_std.numpy()),
        lambda x: covariance_kl(x, old.numpy()) - bound,
        old.numpy() + 1e-3,
    )
    projected, eta = project_log_std(log_std, old, bound)
    np.testing.assert_allclose(projected.numpy(), expected, atol=1e-5)
    assert eta == pytest.approx(multiplier, rel=1e-3)


@given(seed=SEEDS, bound=BOUNDS, spread=st.floats(1e-3, 3.0), size=st.integers(1, 8))
@settings(max_examples=100)
def test_what_is_outside_comes_to_the_boundary_and_what_is_inside_stays(seed, bound, spread, size):
    mean, old = normal(seed, 16, size, scale=spread), normal(seed, 16, size)
    log_std, old_log_std = normal(seed + 1, size, scale=spread), normal(seed + 2, size, scale=0.5)
    kl = mean_kl(mean, old, old_log_std)
    projected, eta = project_mean(mean, old, old_log_std, bound)
    outside = kl > bound
    torch.testing.assert_close(
        mean_kl(projected, old, old_log_std)[outside], torch.full_like(kl[outside], bound)
    )
    assert torch.equal(projected[~outside], mean[~outside])
    assert bool((eta[outside] > 0.0).all())
    assert bool((eta[~outside] == 0.0).all())

    before = covariance_kl(log_std, old_log_std)
    nearest, multiplier = project_log_std(log_std, old_log_std, bound)
    if before > bound:
        assert covariance_kl(nearest, old_log_std) == pytest.approx(bound, rel=1e-6)
        assert multiplier > 0.0
    else:
        assert torch.equal(nearest, log_std)
        assert multiplier == 0.0


@pytest.mark.parametrize("bound", [1e-3, 0.1, 100.0])
@pytest.mark.parametrize("size", [1, 3])
def test_gradients_agree_with_finite_differences(bound, size):
    mean, old = normal(0, 5, size).requires_grad_(), normal(1, 5, size)
    log_std, old_log_std = normal(2, size).requires_grad_(), normal(3, size, scale=0.3)
    inside = mean_kl(mean, old, old_log_std) < bound
    assert bool(inside.all()) == (bound == 100.0)
    assert torch.autograd.gradcheck(
        lambda m: project_mean(m, old, old_log_std, bound)[0], mean, atol=1e-7
    )
    assert torch.autograd.gradcheck(
        lambda s: project_log_std(s, old_log_std, bound)[0], log_std, atol=1e-7
    )


def test_a_policy_that_has_not_moved_has_a_gradient():
    mean = torch.zeros(2, 3, requires_grad=True)
    projected, _ = project_mean(mean, torch.zeros(2, 3), torch.zeros(3), 0.1)
    projected.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(2, 3))


def test_single_precision_finds_the_same():
    log_std, old = normal(0, 6, scale=0.3), normal(1, 6, scale=0.3)
    exact, _ = project_log_std(log_std, old, 5e-3)
    single, _ = project_log_std(log_std.float(), old.float(), 5e-3)
    torch.testing.assert_close(single.double(), exact, atol=1e-6, rtol=0.0)
