import mujoco
import numpy as np
import pytest

from trirl_robot.sim.env import make_env
from trirl_robot.view.stage import REACHED, TOWARDS, Stage

NOWHERE = np.full(3, np.nan)


def draw(stage, env, sim, trail=(), *, reached=False):
    trail = np.array(trail, dtype=float).reshape(-1, 3)
    stage.draw(sim, env.target_position[sim], trail, reached=reached)


def shown_positions(stage):
    """Positions of the bodies on the page, by body."""
    return {
        int(body): group.handle.batched_positions[i]
        for group in stage.mujoco._mesh_groups
        if group.handle.visible
        for i, body in enumerate(group.body_ids)
    }


def true_positions(env, sim):
    model, data = env.task.simulation.model, mujoco.MjData(env.task.simulation.model)
    data.qpos[:] = env.task.simulation.qpos[sim]
    mujoco.mj_kinematics(model, data)
    return data.xpos


def test_the_bodies_stand_where_those_of_the_chosen_simulation_do(server):
    env = make_env("so101-reach", num_envs=3, seed=0, nthread=1)
    env.reset()
    stage = Stage(server, env)
    for sim in (2, 0, 1):
        draw(stage, env, sim)
        expected = true_positions(env, sim)
        shown = shown_positions(stage)
        assert len(shown) >= 6
        for body, position in shown.items():
            np.testing.assert_allclose(position, expected[body], atol=1e-6)
        np.testing.assert_allclose(stage.target.position, env.target_position[sim])


def test_a_simulation_is_shown_with_the_sizes_drawn_for_it(server, make_maze, monkeypatch):
    term = {"quantity": "geom_size", "distribution": "uniform", "low": 0.5, "high": 1.5}
    env = make_maze({**term, "where": ("point.radius",)}, num_envs=2)
    stage = Stage(server, env)
    rebuilt = []
    rebuild = stage.mujoco.rebuild_visual_handles
    monkeypatch.setattr(
        stage.mujoco, "rebuild_visual_handles", lambda: rebuilt.append(1) or rebuild()
    )
    model = env.task.simulation.model
    nominal = model.geom("point").size[0]
    for sim in (0, 0, 1, 1, 0):
        draw(stage, env, sim)
        wanted = nominal * env.drawn(sim)["geom_size/point.radius"]
        assert stage.mujoco.mj_model.geom("point").size[0] == pytest.approx(wanted)
    # handles are made anew only where the shape has changed
    assert len(rebuilt) == 2
    assert model.geom("point").size[0] == nominal


def test_the_target_tells_whether_it_is_reached(server, make_maze):
    env = make_maze()
    stage = Stage(server, env)
    draw(stage, env, 0)
    assert stage.target.visible
    assert stage.target.color == TOWARDS
    draw(stage, env, 0, reached=True)
    assert stage.target.color == REACHED


def test_the_trail_joins_the_places_where_the_end_effector_was(server, make_maze):
    env = make_maze()
    stage = Stage(server, env)
    places = np.arange(12.0).reshape(4, 3)
    draw(stage, env, 0, places)
    np.testing.assert_array_equal(stage.trail.points[:, 0], places[:-1])
    np.testing.assert_array_equal(stage.trail.points[:, 1], places[1:])
    assert stage.trail.visible
    for nothing in ((), places[:1], np.full((3, 3), np.nan)):
        draw(stage, env, 0, nothing)
        assert not stage.trail.visible


def test_what_runs_away_is_kept_in_the_middle(server):
    env = make_env("half-cheetah", num_envs=1, randomisation="none", seed=0, nthread=1)
    env.reset()
    stage = Stage(server, env)
    env.task.simulation.qpos[0, 0] = 30.0
    stage.draw(0, NOWHERE, np.zeros((0, 3)), reached=False)
    assert not stage.target.visible
    torso = env.task.simulation.model.body("torso").id
    np.testing.assert_allclose(shown_positions(stage)[torso], 0.0, atol=1e-6)


def test_collision_shapes_can_be_shown_instead(server):
    env = make_env("so101-reach", num_envs=1, randomisation="none", seed=0, nthread=1)
    env.reset()
    stage = Stage(server, env)

    def groups():
        draw(stage, env, 0)
        return {g.group_id for g in stage.mujoco._mesh_groups if g.handle.visible}

    assert groups() == {2}
    stage.show_collisions(True)
    assert groups() == {3}
    stage.show_collisions(False)
    assert groups() == {2}
