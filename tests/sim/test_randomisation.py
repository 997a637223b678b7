import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.sim.randomisation import RandomisationConfig, RandomisationTerm, load_randomisation


@given(
    low=st.floats(0.01, 5.0),
    width=st.floats(0.0, 5.0),
    shared=st.booleans(),
    distribution=st.sampled_from(["uniform", "log_uniform"]),
)
def test_draws_lie_in_the_range(low, width, shared, distribution):
    term = RandomisationTerm(
        quantity="body_mass", distribution=distribution, low=low, high=low + width, shared=shared
    )
    values = term.draw(np.random.default_rng(0), (7, 3))
    assert values.shape == (7, 3)
    assert (values >= low * (1 - 1e-12)).all()
    assert (values <= (low + width) * (1 + 1e-12)).all()
    if shared:
        assert (values == values[:, :1]).all()


def test_log_uniform_is_symmetric_about_one():
    term = RandomisationTerm(quantity="body_mass", distribution="log_uniform", low=0.5, high=2.0)
    values = term.draw(np.random.default_rng(0), (20_000, 1))
    np.testing.assert_allclose(np.median(values), 1.0, atol=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantity": "body_mass", "low": 2.0, "high": 1.0}, "above high"),
        ({"quantity": "body_mass", "low": 0.0, "high": 1.0}, "factor must be above 0"),
        ({"quantity": "command_latency_s", "low": 0.0, "high": 9.0}, "at most"),
        ({"quantity": "position_noise_rad", "low": -1.0, "high": 0.0}, "negative"),
    ],
)
def test_a_draw_that_would_break_the_model_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message) as raised:
        RandomisationTerm(distribution="uniform", **settings)
    assert settings["quantity"] in str(raised.value)


def test_a_quantity_is_named_once():
    term = RandomisationTerm(quantity="body_mass", distribution="uniform", low=1.0, high=1.0)
    with pytest.raises(ConfigError, match="body_mass more than once"):
        RandomisationConfig(terms=(term, term))


def test_shifted_dynamics_lie_outside_those_of_training():
    train = {t.quantity: t for t in load_randomisation("train").terms}
    for term in load_randomisation("shifted").terms:
        if term.quantity == "encoder_bias_rad":
            continue
        trained = train[term.quantity]
        assert term.low >= trained.high or term.high <= trained.low, term.quantity
