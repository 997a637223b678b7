import pytest
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.irl.correction import corrected_step_size


@given(step_size=st.floats(0.001, 1.0), eta=st.floats(0.0, 1e4))
def test_the_corrected_step_is_smaller_and_positive(step_size, eta):
    corrected = corrected_step_size(step_size, eta)
    assert 0.0 < corrected <= step_size
    assert corrected * (1.0 + eta) == pytest.approx(step_size)


@pytest.mark.parametrize(
    ("step_size", "eta"), [(0.0, 1.0), (1.1, 1.0), (0.5, -0.1), (0.5, float("nan"))]
)
def test_steps_outside_the_theorem_are_refused(step_size, eta):
    with pytest.raises(ConfigError, match="expected"):
        corrected_step_size(step_size, eta)
