"""The presets: usable where they are meant, and held-out shifts outside what is trained on."""

import numpy as np
import pytest

from trirl_robot.config import names_of
from trirl_robot.errors import ConfigError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.randomisation.fields import model_value
from trirl_robot.sim.tasks.registry import load_task

SIMULATIONS = 60

HELD_OUT = (
    ("shifted", "so101-reach", "body_mass", 1),
    ("shifted", "so101-reach", "actuator_gainprm", -1),
    ("shifted", "so101-reach", "dof_damping", 1),
    ("shifted", "so101-reach", "dof_armature", 1),
    ("shifted", "so101-reach", "geom_friction", -1),
    ("shifted", "so101-reach", "actuator_delay", 1),
    ("heavy-payload", "so101-reach", "body_mass", 1),
    ("heavy-payload", "half-cheetah", "body_mass", 1),
    ("worn-joints", "so101-reach", "dof_damping", 1),
    ("worn-joints", "so101-reach", "dof_frictionloss", 1),
    ("worn-joints", "half-cheetah", "dof_damping", 1),
    ("weak-motors", "so101-reach", "actuator_gainprm", -1),
    ("weak-motors", "so101-reach", "actuator_forcerange", -1),
    ("weak-motors", "half-cheetah", "actuator_gainprm", -1),
    ("extra-latency", "so101-reach", "actuator_delay", 1),
    ("extra-latency", "half-cheetah", "actuator_delay", 1),
    ("low-friction", "half-cheetah", "geom_friction", -1),
    ("high-friction", "half-cheetah", "geom_friction", 1),
    ("mars", "half-cheetah", "opt.gravity", 1),
    ("windy", "half-cheetah", "opt.wind", -1),
    ("disabled-legs", "ant", "actuator_gainprm", -1),
)
"""Preset, task, what is shifted there, and whether up or down."""


@pytest.fixture(scope="module")
def environments():
    """Environments of a task under a preset, made once."""
    made = {}

    def make(task, preset):
        if (task, preset) not in made:
            made[task, preset] = BatchEnv(
                load_task(task),
                SIMULATIONS,
                randomisation=load_randomisation(preset),
                seed=0,
                nthread=1,
            )
            made[task, preset].reset()
        return made[task, preset]

    return make


def values(env, field):
    """A field of every simulation, the same in all where no term draws it."""
    live = env.task.randomiser.own(field)
    if live is None:
        live = np.repeat(model_value(env.task.simulation.model, field)[None], SIMULATIONS, axis=0)
    return live


@pytest.mark.parametrize(("preset", "task", "field", "direction"), HELD_OUT)
def test_held_out_shifts_lie_outside_what_is_trained_on(
    preset, task, field, direction, environments
):
    """Everything that is shifted lies beyond any value that `light` or `strong` draws."""
    # the shift of the demo, whose policies are trained on `light`
    trained_on = ("light",) if preset == "shifted" else ("light", "strong")
    held_out = environments(task, preset)
    shifted = values(held_out, field)
    terms = [t for t in held_out.task.randomiser.terms if t.quantity.field == field]
    names = [name.partition("/")[2] for t in terms for name in t.names]
    places = np.concatenate([np.array(t.index).T for t in terms])
    assert len(places)
    for name, place in zip(names, places, strict=True):
        for trained in (environments(task, training) for training in trained_on):
            body = "hand" if name == "hand" else None
            where = _place(trained, place, body)
            drawn = values(trained, field)[(slice(None), *where)] if where else np.zeros(1)
            ours = shifted[(slice(None), *place)]
            assert (direction * ours).min() >= (direction * drawn).max() - 1e-12, (name, field)


def _place(env, place, body):
    """Where the same number stands in another model; None where it has no payload at all."""
    if body is None:
        return tuple(place)
    model = env.task.simulation.model
    found = [i for i in range(model.nbody) if model.body(i).name == "robot/payload"]
    return (found[0],) if found else None


def test_every_preset_of_the_table_is_there():
    wanted = {"none", "light", "strong", *(preset for preset, *_ in HELD_OUT)}
    assert wanted == set(names_of("randomisation"))


def test_nothing_is_drawn_under_none():
    assert load_randomisation("none").terms == ()


@pytest.mark.parametrize("task", names_of("tasks"))
def test_training_presets_run_on_every_task(task):
    for preset in ("light", "strong"):
        env = BatchEnv(
            load_task(task), 4, randomisation=load_randomisation(preset), seed=1, nthread=1
        )
        env.reset()
        generator = np.random.default_rng(0)
        for _ in range(12):
            step = env.step(generator.uniform(-1, 1, (4, env.contract.action_size)))
            assert np.isfinite(step.final_observation).all()
            assert np.isfinite(step.reward).all()
        assert env.num_diverged == 0
        assert env.drawn(0) != env.drawn(1)


def test_strong_draws_most_kinds_of_quantity():
    quantities = {term.quantity for term in load_randomisation("strong").terms}
    light = {term.quantity for term in load_randomisation("light").terms}
    assert len(quantities) >= 20
    assert light <= quantities
    assert {term.when for term in load_randomisation("strong").terms} == {"episode", "interval"}


def test_a_preset_for_another_robot_is_refused():
    with pytest.raises(ConfigError, match="actuator_gain: unknown object 'hip_1'"):
        BatchEnv(
            load_task("half-cheetah"),
            1,
            randomisation=load_randomisation("disabled-legs"),
            seed=0,
        )


def test_disabled_legs_do_not_push_and_the_others_do(environments):
    model = environments("ant", "disabled-legs").task.simulation.batch.get_model(0)
    gains = {model.actuator(i).name: model.actuator_gainprm[i, 0] for i in range(model.nu)}
    assert {name for name, gain in gains.items() if gain == 0.0} == {
        "hip_1",
        "ankle_1",
        "hip_2",
        "ankle_2",
    }
    assert all(gain == 1.0 for name, gain in gains.items() if name[-1] in "34")


def test_the_wind_blows_against_the_running_direction(environments):
    env = environments("half-cheetah", "windy")
    force = env.task.simulation.batch.bind("qfrc_passive")
    env.task.simulation.batch.forward()
    mass = env.task.simulation.model.body_mass.sum()
    assert (force[:, 0] < -0.02 * 9.81 * mass).all()
    assert (force[:, 0] > -0.1 * 9.81 * mass).all()


def test_wind_does_not_take_swimmer_out_of_its_water(environments):
    density = values(environments("swimmer", "windy"), "opt.density")
    assert (density >= environments("swimmer", "none").task.simulation.model.opt.density).all()
    assert (values(environments("half-cheetah", "windy"), "opt.density") == 1.2).all()


def test_the_mark_of_a_goal_is_no_part_of_the_dynamics():
    env = BatchEnv(
        load_task("so101-push"), 1, randomisation=load_randomisation("strong"), seed=0, nthread=1
    )
    env.reset()
    bodies = {name.split("/")[1] for name in env.drawn(0) if name.startswith("body_mass/")}
    assert "cube" in bodies
    assert "target" not in bodies
