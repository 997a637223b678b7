import dataclasses
import math

import pytest

pytest.importorskip("mujoco")
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.view.session import Status
from trirl_robot.view.tables import drawn_groups, drawn_html, status_html

TERMS = (
    {"quantity": "body_mass", "distribution": "uniform", "low": 0.5, "high": 2.0},
    {
        "quantity": "joint_damping",
        "distribution": "uniform",
        "low": 0.9,
        "high": 1.1,
        "shared": True,
    },
    {"quantity": "command_latency_s", "distribution": "constant", "value": 0.02},
    {"quantity": "gravity", "where": ("z",), "distribution": "normal", "mean": 0.0, "std": 0.1},
)
STATUS = Status(
    sim=2,
    key=EpisodeKey(seed=7, environment=2, episode=4),
    elapsed_s=1.2,
    duration_s=5.0,
    reward=-0.5,
    episode_return=-3.25,
    distance_m=0.0423,
    success=False,
    ended=False,
    episodes=9,
    successes=4,
    diverged=0,
)


@pytest.fixture
def env(make_maze):
    return make_maze(*TERMS)


def test_groups_hold_every_value_that_was_drawn(env):
    for sim in (0, 1):
        groups = drawn_groups(env.task.randomiser.terms, sim)
        assert [g.quantity for g in groups] == [t["quantity"] for t in TERMS]
        found = {f"{g.quantity}/{o}": v.value for g in groups for v in g.values for o in v.objects}
        assert found == env.drawn(sim)


def test_objects_with_the_same_value_come_together(env):
    mass, damping, latency, gravity = drawn_groups(env.task.randomiser.terms, 0)
    assert [v.objects for v in damping.values] == [("x", "y")]
    assert (mass.values[0].low, mass.values[0].high) == (0.5, 2.0)
    assert (mass.operation, mass.unit) == ("scale", "")
    assert (latency.operation, latency.unit) == ("set", "s")
    assert gravity.values[0].low == -math.inf


def test_the_table_says_what_the_values_mean(env):
    groups = drawn_groups(env.task.randomiser.terms, 0)
    text = drawn_html(groups)
    mass = env.drawn(0)["body_mass/point"]
    assert f"<td title='{mass!r}'>{mass:.3g}</td>" in text
    assert "body mass <small>× the model's" in text.replace("&#x27;", "'")
    assert "command latency <small> [s]" in text
    assert "2 objects" in text
    assert text.count("<meter") == 2  # a constant has no range, a normal no end
    assert "Nothing is drawn" in drawn_html([])


def test_names_are_escaped(env):
    (group, *_) = drawn_groups(env.task.randomiser.terms, 0)
    value = dataclasses.replace(group.values[0], objects=("<script>'",))
    text = drawn_html([dataclasses.replace(group, values=(value,))])
    assert "<script>" not in text
    assert "&lt;script&gt;&#x27;" in text


def test_objects_together_are_named_by_what_their_names_share(env):
    (group, *_) = drawn_groups(env.task.randomiser.terms, 0)

    def label(*objects):
        value = dataclasses.replace(group.values[0], objects=objects)
        return drawn_html([dataclasses.replace(group, values=(value,))])

    assert ">joint_velocity.* (2)<" in label("joint_velocity.a", "joint_velocity.b")
    assert ">2 objects<" in label("floor", "cube")
    assert "title='floor, cube'" in label("floor", "cube")


def table(**changes):
    status = dataclasses.replace(STATUS, **changes)
    return status_html(status, paused=False, speed=1.0, measured_speed=1.0)


def test_the_status_tells_how_the_episode_goes():
    text = table()
    for part in ("1.20 of 5.00 s", "-0.5", "-3.25", "42.3 mm", "running", "9, 4 with success"):
        assert part in text
    assert "5 <small>(seed 7, environment 2)" in text
    assert "diverged" not in text
    assert "distance" not in table(distance_m=math.nan)
    assert "ended, success" in table(success=True, ended=True)
    assert ">ended<" in table(ended=True)
    assert "diverged" in table(diverged=3)


def test_the_status_tells_the_speed_that_is_reached():
    def pace(**arguments):
        return status_html(STATUS, **{"paused": False, "speed": 2.0, **arguments})

    assert "<td>2×</td>" in pace(measured_speed=1.99)
    assert "<td>2×</td>" in pace(measured_speed=math.nan)
    assert "2× wanted, 0.70× reached" in pace(measured_speed=0.7)
    assert "paused" in pace(measured_speed=2.0, paused=True)
