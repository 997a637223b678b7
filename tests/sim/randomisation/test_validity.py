"""Terms that cannot work are refused when they are loaded, in one sentence that names them."""

import mujoco
import numpy as np
import pytest
from dynamics_world import World, constant, mjcf, uniform, world
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.randomisation.config import (
    RandomisationConfig,
    RandomisationTerm,
    load_randomisation,
)
from trirl_robot.sim.randomisation.quantities.quantity import Subject
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.simulation import Simulation

MODEL = """<worldbody><geom name="floor" type="plane" size="1 1 .1"/>
<body name="upper" pos="0 0 1"><joint name="shoulder" type="hinge" axis="0 1 0" damping=".1"
  limited="true" range="-10 10"/><geom name="link" type="box" size=".1 .05 .02" mass="1"/>
</body><body name="ball" pos="1 0 1"><freejoint/><geom name="ball" size=".1" mass="1"/></body>
</worldbody><actuator><motor name="motor" joint="shoulder"/>
<position name="servo" joint="shoulder" kp="2" kv="1"/></actuator>"""


def refusal(*terms, **rest):
    with pytest.raises(ConfigError) as raised:
        world("", MODEL, *terms, **rest)
    message = str(raised.value)
    assert "\n" not in message
    return message


def preset(tmp_path, text):
    """Load terms as a user writes them."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"terms:\n  - {{{text}}}\n", encoding="utf-8")
    return load_randomisation(str(path)).terms


YAML = {
    "quantity: body_mass, distribution: uniform, low: 2.0, high: 1.0": (
        "body_mass: low 2.0 is above high 1.0"
    ),
    "quantity: body_mass, distribution: uniform, low: 2.0": "body_mass: uniform needs 'high'",
    "quantity: body_mass, distribution: constant, value: 1.0, low: 0.5": (
        "body_mass: constant has no use for 'low' (it takes value)"
    ),
    "quantity: body_mass, distribution: log_uniform, low: 0.0, high: 1.0": (
        "body_mass: log_uniform needs low above 0, got 0.0"
    ),
    "quantity: body_mass, distribution: normal, mean: 1.0, std: -1.0": (
        "body_mass: std must not be negative, got -1.0"
    ),
    "quantity: push, distribution: truncated_normal, mean: 1.0, std: 0.0, low: 0.0, high: 1.0": (
        "push: truncated_normal needs std above 0; use constant instead"
    ),
    "quantity: push, distribution: truncated_normal, mean: 9.0, std: 0.1, low: 0.5, high: 1.0": (
        "push: hardly any of the normal with mean 9.0 and std 0.1 lies between 0.5 and 1.0; "
        "move the mean or widen the limits"
    ),
    "quantity: body_mass, distribution: choice, values: []": "body_mass: values is empty",
    "quantity: body_mass, distribution: constant, value: .nan": (
        "terms[0] (body_mass): value: expected a finite number, got float nan"
    ),
    "quantity: body_mass, distribution: choice, values: [1.0, .inf]": (
        "terms[0] (body_mass): values[1]: expected a finite number, got float inf"
    ),
    "quantity: push, distribution: gaussian, mean: 1.0": "unknown value 'gaussian'",
    "quantity: body_mass, distribution: constant, vale: 1.0": "did you mean 'value'?",
    "quantity: push, distribution: constant, value: big": "(push): value: expected a number",
    "quantity: push, distribution: constant, value: 1.0, when: interval": (
        "push: 'interval_s' and 'when: interval' go together"
    ),
    "quantity: push, distribution: constant, value: 1.0, interval_s: [1.0, 2.0]": (
        "push: 'interval_s' and 'when: interval' go together"
    ),
    "quantity: push, distribution: constant, value: 1.0, when: interval, interval_s: [2.0, 1.0]": (
        "push: interval_s is [2.0, 1.0], expected two times above 0, the shorter first"
    ),
    "quantity: push, distribution: constant, value: 1.0, duration_s: 1.0": (
        "push: 'duration_s' must be above 0 and needs 'when: interval'"
    ),
    "quantity: body_mass, distribution: constant, value: 1.0, where: []": (
        "body_mass: where is empty; leave it out to mean all"
    ),
}


@pytest.mark.parametrize("text", YAML)
def test_a_bad_line_of_yaml_is_refused_in_one_sentence(text, tmp_path):
    with pytest.raises(ConfigError) as raised:
        preset(tmp_path, text)
    message = str(raised.value)
    assert YAML[text] in message
    assert "\n" not in message
    assert "mine.yaml" in message


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (constant("bodymass", 1.0), "unknown quantity 'bodymass': did you mean 'body_mass'?"),
        (
            constant("body_mass", 1.0, where=("upperr",)),
            "randomisation of body_mass: unknown object 'upperr': did you mean 'upper'?",
        ),
        (
            constant("body_mass", 1.0, where=("upper", "wheel*")),
            "unknown object 'wheel*': ",
        ),
        (
            constant("actuator_force_limit", 1.0),
            "actuator_force_limit: this model has nothing that it belongs to",
        ),
        (
            constant("joint_friction_loss", 2.0),
            "joint_friction_loss: shoulder is 0 in the model or set to 0 before, so a factor "
            "changes nothing; choose operation add or set",
        ),
        (
            uniform("body_mass", 0.0, 1.0),
            "body_mass/upper could be drawn between 0 and 1 kg, expected above 0",
        ),
        (
            uniform("body_mass", -2.0, 1.0, operation="add"),
            "body_mass/upper could be drawn between -1 and 2 kg, expected above 0",
        ),
        (uniform("joint_damping", -1.0, 1.0), "joint_damping/shoulder could be drawn between -0.1"),
        (uniform("geom_friction", 0.0, 1.0), "geom_friction/floor could be drawn between 0"),
        (uniform("geom_size", 0.0, 1.0), "geom_size/link.x could be drawn between 0"),
        (uniform("geom_solimp_dmax", 0.9, 1.1), "expected above 0 and at most 0.9999"),
        (
            uniform("command_latency_s", 0.0, 9.0),
            "command_latency_s/motor could be drawn between 0 and 9 s, expected at least 0 and "
            "at most 0.2",
        ),
        (
            uniform("command_latency_steps", 0.0, 9.0),
            "drawn between 0 and 9 control steps, expected at least 0 and at most 2",
        ),
        (
            uniform("actuator_damping", -1.0, 2.0),
            "actuator_damping: factors could be drawn down to -1, expected at least 0",
        ),
        (constant("air_density", -1.0), "air_density/all could be drawn between -1"),
        (
            constant("wind", 1.0),
            "wind: the model's air has no density, so wind does nothing; add a term "
            "{quantity: air_density",
        ),
        (
            uniform("initial_joint_position", 0, 1, when="interval", interval_s=(1.0, 2.0)),
            "initial_joint_position: the initial state is drawn at each reset",
        ),
        (
            constant("command_latency_s", 0.5, operation="scale"),
            "command_latency_s: operation scale makes no sense here; expected set or add",
        ),
        (
            uniform("body_inertia_moment", 0.5, 2.0, where=("upper.*",)),
            "body_inertia_moment: upper.x could be drawn up to",
        ),
        (
            constant("joint_range_low", 0.5),
            "joint_range_low of shoulder could be drawn up to 0.325467, and joint_range_high down "
            "to 0.174533, which is below it; narrow one of them",
        ),
        (
            constant("geom_solimp_dmax", 0.5),
            "geom_solimp_dmin of floor could be drawn up to 0.9, and geom_solimp_dmax down to 0.5",
        ),
        (constant("sensor_noise", 0.1), "sensor_noise: this model has nothing that it belongs to"),
    ],
)
def test_what_a_model_cannot_take_is_refused_by_the_term_s_name(term, expected):
    assert expected in refusal(term, substeps=100)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("sensor_noise", -0.1), ("sensor_quantum", -0.1), ("sensor_dropout", 1.1)],
)
def test_impossible_sensor_errors_are_refused(quantity, value):
    assert f"{quantity}/angle could be" in refusal(constant(quantity, value), signals=("angle",))


def test_terms_are_checked_together():
    """Two harmless factors can be too much in a row, and a term can mend what another does."""
    half = constant("command_latency_s", 0.15)
    late = constant("command_latency_s", 0.1, operation="add")
    assert "between 0.25 and 0.25 s" in refusal(half, late)
    low = constant("geom_solimp_dmin", 0.4)
    world("", MODEL, low, constant("geom_solimp_dmax", 0.5))


def test_a_normal_without_limits_is_refused_where_there_are_limits():
    term = RandomisationTerm(quantity="body_mass", distribution="normal", mean=1.0, std=0.1)
    assert "truncated_normal has limits" in refusal(term)


def test_optional_terms_are_left_out_where_a_model_has_nothing_for_them():
    kept = constant("body_mass", 1.0)
    absent = [
        constant("actuator_force_limit", 1.0, optional=True),
        constant("joint_friction_loss", 1.0, optional=True),
        constant("body_mass", 1.0, where=("wheel*",), optional=True),
    ]
    small = world("", MODEL, kept, *absent)
    assert set(small.drawn) == {"body_mass/upper", "body_mass/ball"}


def test_a_preset_that_changes_nothing_in_a_model_is_refused():
    term = constant("actuator_force_limit", 1.0, optional=True)
    assert "none of its terms belongs to anything in this model (actuator_force_limit)" in (
        refusal(term)
    )


def test_bodies_whose_centre_cannot_move_are_refused():
    """A model that was compiled without being prepared."""
    model = mujoco.MjModel.from_xml_string(mjcf("", MODEL))
    config = RandomisationConfig(terms=(constant("body_com", 0.01, where=("ball.x",)),))
    with pytest.raises(ConfigError, match=r"body_com: ball\.x was compiled as a body whose centre"):
        Randomiser(
            Simulation(model, 1), config, EpisodeRandom(0, 1), Subject(model=model, period_s=0.01)
        )


@given(factor=st.floats(0.5, 2.0))
def test_moments_that_a_body_can_have_are_accepted(factor):
    """Of a ball, one moment may be anything between 0 and the sum of the other two."""
    term = constant("body_inertia_moment", factor * 0.999, where=("ball.x",))
    small = World(mjcf("", MODEL), term)
    inertia = small.drawn_model().body("ball").inertia
    assert inertia.max() <= inertia.sum() - inertia.max()
    assert np.isfinite(small.step(5).qpos).all()


def test_objects_that_go_by_the_same_name_are_refused():
    """Names of a robot's bodies lose their prefix."""
    twins = MODEL.replace('name="ball" pos', 'name="robot/upper" pos')
    with pytest.raises(ConfigError, match="2 numbers are called body_mass/upper, expected a name"):
        world("", twins, constant("body_mass", 1.1, where=("upper",)))
