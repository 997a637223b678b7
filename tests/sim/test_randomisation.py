import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.sim.randomisation.config import RandomisationTerm, load_randomisation


@given(
    low=st.floats(0.01, 5.0),
    width=st.floats(0.0, 5.0),
    distribution=st.sampled_from(["uniform", "log_uniform"]),
    uniform=st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=20),
)
def test_draws_lie_in_the_range(low, width, distribution, uniform):
    term = RandomisationTerm(
        quantity="body_mass", distribution=distribution, low=low, high=low + width
    )
    values = term.quantile(np.array(uniform))
    assert values.shape == (len(uniform),)
    assert (values >= term.low).all()
    assert (values <= term.high).all()


def test_log_uniform_is_symmetric_about_one():
    term = RandomisationTerm(quantity="body_mass", distribution="log_uniform", low=0.5, high=2.0)
    np.testing.assert_allclose(term.quantile(np.array(0.5)), 1.0, rtol=1e-12)


def test_shifted_dynamics_lie_outside_those_of_training():
    train = {(t.quantity, t.where): t for t in load_randomisation("light").terms}
    for term in load_randomisation("shifted").terms:
        if term.quantity == "encoder_bias_rad":
            continue
        trained = train[term.quantity, term.where]
        assert term.low >= trained.high or term.high <= trained.low, term.quantity
