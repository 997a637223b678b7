import numpy as np
import pytest

from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.evaluation.rollouts import RandomPolicy

pytest.importorskip("mujoco")
from trirl_robot.sim.env import make_env


def episodes(session):
    return [session.env.episode_key(i).episode for i in range(session.env.num_envs)]


def test_next_and_previous_go_round(make_session):
    session = make_session()
    seen = [session.sim]
    for _ in range(3):
        session.next()
        seen.append(session.sim)
    assert seen == [0, 1, 2, 0]
    session.previous()
    assert session.sim == 2


def test_each_simulation_shows_what_was_drawn_for_it(make_session):
    session = make_session()
    statuses = []
    for sim in range(3):
        session.show(sim)
        statuses.append(session.status())
        assert statuses[-1].key == session.env.episode_key(sim)
    assert [s.sim for s in statuses] == [0, 1, 2]
    assert len({s.distance_m for s in statuses}) == 3


def test_a_reset_begins_an_episode_in_the_shown_simulation_alone(make_session):
    session = make_session()
    session.advance()
    drawn = [session.env.drawn(i) for i in range(3)]
    session.show(1)
    session.reset()
    assert episodes(session) == [0, 1, 0]
    assert session.status().elapsed_s == 0.0
    assert session.status().reward == session.status().episode_return == 0.0
    assert session.env.drawn(1) != drawn[1]
    assert [session.env.drawn(i) for i in (0, 2)] == [drawn[0], drawn[2]]
    session.show(0)
    assert session.status().elapsed_s == pytest.approx(session.period_s)


def test_a_reset_of_all_begins_an_episode_everywhere(make_session):
    session = make_session()
    session.reset_all()
    assert episodes(session) == [1, 1, 1]


def test_a_single_step_halts_and_goes_on_by_one_period(make_session):
    session = make_session()
    session.step_once()
    assert session.paused
    session.step_once()
    assert session.status().elapsed_s == pytest.approx(2 * session.period_s)
    session.toggle_pause()
    assert not session.paused


def test_an_episode_stays_as_it_ended_until_the_next_step(make_session):
    session = make_session(num_envs=2)
    for _ in range(session.env.max_episode_steps):
        session.advance()
    status = session.status()
    assert status.ended
    assert status.elapsed_s == pytest.approx(status.duration_s)
    assert status.episodes == 2
    assert len(session.history.rewards(0)) == session.env.max_episode_steps
    assert status.episode_return == pytest.approx(session.history.rewards(0).sum())
    session.advance()
    assert not session.status().ended
    assert episodes(session) == [1, 1]
    assert session.status().elapsed_s == pytest.approx(session.period_s)


def test_successes_are_counted_at_the_end_of_episodes(make_session):
    session = make_session(num_envs=1)
    goal = session.env.target_position[0, :2].copy()
    for _ in range(session.env.max_episode_steps):
        # put the point where the task wants it
        session.env.task.simulation.qpos[0, :2] = goal
        session.env.task.simulation.qvel[0, :2] = 0.0
        session.advance()
    assert session.status().success
    assert session.status().successes == 1


def test_it_runs_as_the_environments_do(make_session):
    session = make_session("so101-reach", num_envs=2)
    twin = make_env("so101-reach", num_envs=2, seed=0, nthread=1)
    policy = RandomPolicy(twin.contract.action_size, 0)
    observation = twin.reset()
    tips = [twin.task.arm.end_effector_position[1].copy()]
    rewards = []
    for _ in range(twin.max_episode_steps - 1):
        step = twin.step(policy(observation))
        observation = step.observation
        rewards.append(step.reward[1])
        tips.append(twin.task.arm.end_effector_position[1].copy())
        session.advance()
    np.testing.assert_array_equal(session.history.rewards(1), rewards)
    np.testing.assert_array_equal(session.history.distances(1), -np.array(rewards))
    np.testing.assert_array_equal(session.history.trail(1, 10), tips[-11:])
    np.testing.assert_array_equal(session.history.trail(1, 10_000), tips)


def test_actions_can_come_from_elsewhere(make_session):
    session = make_session(chosen="zero")
    assert session.action_sources == ("random", "zero")
    session.choose_actions("random")
    with pytest.raises(ConfigError, match="did you mean 'zero'"):
        session.choose_actions("zeroo")


def test_an_action_that_is_no_number_ends_the_session(make_session):
    session = make_session(chosen="broken", broken=lambda o: np.full((len(o), 2), np.nan))
    with pytest.raises(NonFiniteError, match="'broken'"):
        session.advance()


def test_only_the_listed_speeds_are_taken(make_session):
    session = make_session()
    session.choose_speed(2.0)
    assert session.speed == 2.0
    with pytest.raises(ConfigError, match="expected one of"):
        session.choose_speed(0.0)
