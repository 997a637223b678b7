import numpy as np
import pytest
from dynamics_world import World, mjcf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trirl_robot.sim.episode_random import Stream
from trirl_robot.sim.randomisation.config import RandomisationTerm

unit = st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=20)

DISTRIBUTIONS = {
    "uniform": ({"low": 0.5, "high": 2.0}, stats.uniform(0.5, 1.5)),
    "log_uniform": ({"low": 0.5, "high": 2.0}, stats.loguniform(0.5, 2.0)),
    "normal": ({"mean": 0.3, "std": 2.0}, stats.norm(0.3, 2.0)),
    "truncated_normal": (
        {"mean": 0.3, "std": 2.0, "low": -1.0, "high": 1.5},
        stats.truncnorm(-0.65, 0.6, loc=0.3, scale=2.0),
    ),
    "choice": ({"values": (3.0, 1.0, 2.0)}, None),
    "constant": ({"value": 4.0}, None),
}


def term(name, quantity="sensor_bias", **rest):
    return RandomisationTerm(quantity=quantity, distribution=name, **DISTRIBUTIONS[name][0], **rest)


@given(low=st.floats(0.01, 5.0), width=st.floats(0.0, 5.0), uniform=unit)
@pytest.mark.parametrize("distribution", ["uniform", "log_uniform"])
def test_draws_lie_in_the_range(distribution, low, width, uniform):
    drawn = RandomisationTerm(
        quantity="body_mass", distribution=distribution, low=low, high=low + width
    )
    values = drawn.quantile(np.array(uniform))
    assert values.shape == (len(uniform),)
    assert (values >= drawn.low).all()
    assert (values <= drawn.high).all()


@given(uniform=unit)
@pytest.mark.parametrize("name", ["uniform", "log_uniform", "normal", "truncated_normal"])
def test_draws_are_the_quantiles_of_the_distribution(name, uniform):
    inside = np.clip(uniform, 1e-12, 1.0 - 1e-12)
    expected = DISTRIBUTIONS[name][1].ppf(inside)
    np.testing.assert_allclose(term(name).quantile(inside), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["normal", "truncated_normal"])
def test_the_ends_of_a_normal_are_finite(name):
    values = term(name).quantile(np.array([0.0, 1.0 - 2.0**-53]))
    assert np.isfinite(values).all()
    assert values[0] < values[1]


def test_choices_are_equally_likely():
    values = term("choice").quantile(np.arange(999) / 999.0)
    assert sorted(np.unique(values, return_counts=True)[1]) == [333, 333, 333]


@given(
    names=st.lists(st.sampled_from(sorted(DISTRIBUTIONS)), min_size=1, max_size=6),
    shared=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_terms_drawn_together_are_those_drawn_one_by_one(names, shared):
    """What the sampler does for all terms at once is what each term's own quantiles say."""
    signals = ("a", "b", "c")
    terms = [term(name, shared=s) for name, s in zip(names, shared, strict=False)]
    point = "<worldbody><body><joint/><geom size='.1'/></body></worldbody>"
    small = World(mjcf("", point), *terms, num_envs=3, signals=signals)
    counts = [1 if t.shared else 3 for t in terms]
    uniform = small.random.uniform(np.arange(3), Stream.DYNAMICS, sum(counts))
    parts = np.split(uniform, np.cumsum(counts)[:-1], axis=1)
    for bound, part in zip(small.randomiser.terms, parts, strict=True):
        expected = np.broadcast_to(bound.config.quantile(part), (3, 3))
        np.testing.assert_allclose(bound.values, expected, rtol=1e-14)
