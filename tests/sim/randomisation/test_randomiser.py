"""Properties of draws, whatever is drawn: range, place, independence, composition."""

import numpy as np
import pytest
from dynamics_world import World, constant, mjcf, uniform
from hypothesis import given, settings
from hypothesis import strategies as st

from trirl_robot.errors import ConfigError
from trirl_robot.sim.randomisation.config import RandomisationTerm

CHAIN = """<worldbody><geom name="floor" type="plane" size="1 1 .1"/>
<body name="upper" pos="0 0 1"><joint name="shoulder" type="hinge" axis="0 1 0" damping=".1"
  armature=".01" stiffness="1"/><geom name="upper" type="capsule" fromto="0 0 0 .3 0 0" size=".03"/>
<body name="lower" pos=".3 0 0"><joint name="elbow" type="hinge" axis="0 1 0" damping=".1"
  armature=".01" stiffness="1"/><geom name="lower" type="capsule" fromto="0 0 0 .3 0 0" size=".03"/>
  <site name="hand" pos=".3 0 0"/></body></body></worldbody>
<actuator><position name="shoulder" joint="shoulder" kp="5"/><motor name="elbow" joint="elbow"/>
</actuator>"""
MODEL = mjcf("", CHAIN)


def chain(*terms, **rest):
    return World(MODEL, *terms, **rest)


QUANTITIES = {
    "body_mass": ("upper", "lower"),
    "joint_damping": ("shoulder", "elbow"),
    "geom_friction": ("floor", "upper", "lower"),
    "actuator_gain": ("shoulder", "elbow"),
    "sensor_noise": ("angle.shoulder", "angle.elbow"),
}
SIGNALS = ("angle.shoulder", "angle.elbow")
positive = st.floats(0.05, 20.0)


@st.composite
def terms(draw, when=("episode",)):
    """One term of any distribution over any objects."""
    quantity = draw(st.sampled_from(sorted(QUANTITIES)))
    kind = draw(
        st.sampled_from(["uniform", "log_uniform", "truncated_normal", "choice", "constant"])
    )
    low, width = draw(positive), draw(st.floats(0.0, 3.0))
    parameters = {
        "uniform": {"low": low, "high": low + width},
        "log_uniform": {"low": low, "high": low + width},
        "truncated_normal": {
            "low": low,
            "high": low + width,
            "mean": low + draw(st.floats(-1.0, 2.0)) * width,
            "std": draw(st.floats(0.5, 2.0)) * (width or 1.0),
        },
        "choice": {"values": tuple(draw(st.lists(positive, min_size=1, max_size=4)))},
        "constant": {"value": low},
    }[kind]
    objects = QUANTITIES[quantity]
    where = draw(st.sets(st.sampled_from(objects), min_size=1)) if draw(st.booleans()) else ("*",)
    return RandomisationTerm(
        quantity=quantity,
        distribution=kind,
        where=tuple(sorted(where)),
        shared=draw(st.booleans()),
        when=draw(st.sampled_from(when)),
        **parameters,
    )


@given(term=terms(), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=60)
def test_values_lie_in_their_range_and_belong_to_the_named_objects(term, seed):
    small = chain(term, num_envs=5, seed=seed, signals=SIGNALS)
    objects = QUANTITIES[term.quantity] if term.where == ("*",) else term.where
    low, high = term.support
    for sim in range(5):
        drawn = small.randomiser.drawn(sim)
        assert set(drawn) == {f"{term.quantity}/{name}" for name in objects}
        values = list(drawn.values())
        assert all(low <= value <= high for value in values)
        if term.shared:
            assert len(set(values)) == 1
        if term.distribution == "choice":
            assert set(values) <= set(term.values)


@given(
    drawn=st.lists(terms(when=("episode", "once")), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    episodes=st.integers(1, 3),
)
@settings(max_examples=30)
def test_draws_of_an_episode_do_not_hang_on_the_batch(drawn, seed, episodes):
    """The same key gives the same values, alone and amid others, whatever ran before."""
    many = chain(*drawn, num_envs=6, seed=seed, signals=SIGNALS)
    for _ in range(episodes - 1):
        many.reset()
    one = chain(*drawn, num_envs=1, seed=99, signals=SIGNALS)
    for sim in (4, 0):
        one.random.repeat(many.random.key(sim))
        one.reset()
        assert one.randomiser.drawn(0) == many.randomiser.drawn(sim)
        for field in ("body_mass", "dof_damping", "geom_friction", "actuator_gainprm"):
            np.testing.assert_array_equal(
                getattr(one.drawn_model(0), field), getattr(many.drawn_model(sim), field)
            )


@given(
    drawn=st.lists(terms(when=("episode", "once")), min_size=1, max_size=3),
    ids=st.sets(st.integers(0, 4), max_size=5),
)
@settings(max_examples=30)
def test_a_reset_leaves_the_others_as_they_are(drawn, ids):
    reset, kept = (chain(*drawn, num_envs=5, seed=1, signals=SIGNALS) for _ in range(2))
    for small in (reset, kept):
        small.step(3, ctrl=0.1)
    reset.reset(sorted(ids))
    others = sorted(set(range(5)) - ids)
    for small in (reset, kept):
        small.step(3, ctrl=0.2)
    np.testing.assert_array_equal(
        reset.simulation.batch.state[others], kept.simulation.batch.state[others]
    )
    assert [reset.randomiser.drawn(i) for i in others] == [kept.randomiser.drawn(i) for i in others]


def test_simulations_and_episodes_differ_and_what_is_drawn_once_stays():
    small = chain(
        uniform("body_mass", 0.5, 2.0),
        uniform("joint_damping", 0.5, 2.0, when="once"),
        num_envs=4,
    )
    first = [small.randomiser.drawn(i) for i in range(4)]
    small.reset()
    second = [small.randomiser.drawn(i) for i in range(4)]
    for name in first[0]:
        assert len({drawn[name] for drawn in first}) == 4
        same = [a[name] == b[name] for a, b in zip(first, second, strict=True)]
        assert all(same) if name.startswith("joint_damping") else not any(same)


# composition


def test_later_terms_act_on_what_earlier_ones_left():
    small = chain(
        constant("joint_damping", 2.0),
        constant("joint_damping", 0.3, operation="add"),
        constant("joint_damping", 10.0, where=("elbow",)),
        constant("joint_damping", 0.7, operation="set", where=("shoulder",)),
        constant("joint_damping", 0.1, operation="add", where=("shoulder",)),
    )
    np.testing.assert_allclose(small.drawn_model().dof_damping, [0.8, 5.0])
    assert small.drawn == {
        "joint_damping/shoulder": 2.0,
        "joint_damping/elbow": 2.0,
        "joint_damping/shoulder#2": 0.3,
        "joint_damping/elbow#2": 0.3,
        "joint_damping/elbow#3": 10.0,
        "joint_damping/shoulder#3": 0.7,
        "joint_damping/shoulder#4": 0.1,
    }


def test_quantities_that_share_a_field_act_in_their_order():
    """A mass takes the inertia along, and the inertia's own factor comes on top."""
    small = chain(
        constant("body_inertia", 3.0, where=("upper",)),
        constant("body_mass", 2.0),
        constant("body_mass", 5.0, operation="set", where=("lower",)),
        constant("body_inertia_moment", 1.01, where=("lower.x",)),
    )
    model, drawn = small.model, small.drawn_model()
    np.testing.assert_allclose(drawn.body_inertia[1], 6.0 * model.body_inertia[1])
    ratio = 5.0 / model.body_mass[2]
    np.testing.assert_allclose(
        drawn.body_inertia[2], ratio * model.body_inertia[2] * [1.01, 1.0, 1.0]
    )


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("operation", ["set", "add"])
def test_what_an_earlier_term_has_given_can_be_scaled(operation, optional):
    """The model's own value is 0."""
    small = chain(
        constant("joint_friction_loss", 0.5, operation=operation, where=("elbow",)),
        uniform("joint_friction_loss", 3.0, 3.0, operation="scale", optional=optional),
    )
    np.testing.assert_array_equal(small.drawn_model().dof_frictionloss, [0.0, 1.5])
    # the shoulder's is 0 still, and so left out
    assert list(small.drawn) == ["joint_friction_loss/elbow", "joint_friction_loss/elbow#2"]


def test_a_factor_of_what_a_later_term_gives_changes_nothing():
    late = constant("joint_friction_loss", 0.5, operation="set", where=("elbow",))
    small = chain(constant("joint_friction_loss", 3.0, optional=True), late)
    assert small.drawn == {"joint_friction_loss/elbow": 0.5}
    with pytest.raises(ConfigError, match="shoulder is 0 in the model or set to 0 before"):
        chain(constant("joint_friction_loss", 3.0), late)


def test_a_gain_scaled_to_nothing_can_be_set_again_without_nan():
    small = chain(constant("actuator_gain", 0.0), constant("actuator_gain", 3.0, operation="set"))
    assert np.isfinite(small.drawn_model().actuator_biasprm).all()


@given(st.lists(st.tuples(st.sampled_from(["scale", "add", "set"]), positive), max_size=6))
@settings(max_examples=40)
def test_composition_is_that_of_the_operations_one_by_one(steps):
    drawn = [constant("joint_damping", value, operation=op) for op, value in steps]
    expected = 0.1
    for op, value in steps:
        expected = {"scale": expected * value, "add": expected + value, "set": value}[op]
    np.testing.assert_allclose(chain(*drawn).drawn_model().dof_damping, expected, rtol=1e-12)


def test_every_reset_starts_from_the_model():
    small = chain(
        uniform("body_mass", 0.5, 2.0), uniform("body_mass", -0.01, 0.01, operation="add")
    )
    for _ in range(5):
        small.reset()
        drawn = small.drawn
        for body in ("upper", "lower"):
            expected = small.model.body(body).mass * drawn[f"body_mass/{body}"]
            expected = expected + drawn[f"body_mass/{body}#2"]
            np.testing.assert_allclose(small.drawn_model().body(body).mass, expected, rtol=1e-14)


# within an episode


def event_terms():
    return (
        uniform("body_mass", 0.5, 2.0),
        uniform("body_mass", 1.5, 2.5, when="interval", interval_s=(0.004, 0.02), duration_s=0.006),
        uniform(
            "joint_damping", 1.0, 3.0, operation="set", when="interval", interval_s=(0.003, 0.009)
        ),
    )


def test_an_event_acts_for_its_duration_on_top_of_the_episode():
    small = chain(*event_terms(), num_envs=3)
    before = small.model.body("upper").mass[0]
    seen = set()
    for _ in range(60):
        small.step()
        for sim in range(3):
            drawn = small.randomiser.drawn(sim)
            factor = drawn["body_mass/upper"] * drawn["body_mass/upper#2"]
            np.testing.assert_allclose(
                small.drawn_model(sim).body("upper").mass[0], before * factor, rtol=1e-12
            )
            seen.add(drawn["body_mass/upper#2"])
            damping = drawn.get("joint_damping/elbow", 0.1)
            assert small.drawn_model(sim).dof_damping[1] == damping
    assert 1.0 in seen
    assert len(seen) > 5


def test_events_are_named_beforehand_and_come_so():
    small = chain(*event_terms(), num_envs=4, seed=5)
    small.reset([2])
    planned = {sim: small.randomiser.events(sim, 50) for sim in range(4)}
    assert planned[1] != planned[2]
    for step in range(50):
        small.step()
        for sim, events in planned.items():
            for event in events:
                if event.step == step:
                    assert event.drawn.items() <= small.randomiser.drawn(sim).items()
    assert sum(len(events) for events in planned.values()) > 30
    intervals = [e.step for e in planned[0] if "joint_damping/elbow" in e.drawn]
    assert all(3 <= gap <= 9 for gap in np.diff([0, *intervals]))


def test_events_do_not_hang_on_the_batch():
    many, one = chain(*event_terms(), num_envs=5), chain(*event_terms(), num_envs=1)
    many.step(7)
    many.reset([3])
    one.random.repeat(many.random.key(3))
    one.reset()
    for _ in range(80):
        many.step(ctrl=0.1)
        one.step(ctrl=0.1)
        np.testing.assert_array_equal(many.qpos[3], one.qpos[0])
        assert many.randomiser.drawn(3) == one.randomiser.drawn(0)


def test_a_restored_randomiser_goes_on_bit_for_bit():
    drawn = (*event_terms(), constant("command_latency_jitter_s", 0.003))
    first, second = chain(*drawn, num_envs=3, seed=2), chain(*drawn, num_envs=3, seed=8)
    first.step(70, ctrl=0.1)
    second.steps[:] = first.steps
    second.random.set_state(first.random.get_state())
    second.randomiser.set_state(first.randomiser.get_state())
    second.simulation.set_state(first.simulation.get_state())
    for _ in range(100):
        first.step(ctrl=0.2)
        second.step(ctrl=0.2)
        np.testing.assert_array_equal(first.qpos, second.qpos)
    assert first.randomiser.drawn(1) == second.randomiser.drawn(1)
