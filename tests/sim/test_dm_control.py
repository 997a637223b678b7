"""Tasks of dm_control against dm_control itself."""

import os

import numpy as np
import pytest

os.environ.setdefault("MUJOCO_GL", "disable")  # dm_control looks for a screen otherwise
from dm_control import manipulation, suite
from dm_control.suite import lqr_solver

from trirl_robot.errors import ConfigError, RunError
from trirl_robot.evaluation.rollouts import RandomPolicy, evaluate
from trirl_robot.sim.env import build_env, make_batch, make_env
from trirl_robot.sim.foreign.config import DmControlConfig
from trirl_robot.sim.foreign.env import _say_that_it_is_slow
from trirl_robot.sim.foreign.group import EnvironmentGroup
from trirl_robot.sim.foreign.messages import contract_of
from trirl_robot.sim.randomisation.config import RandomisationConfig, RandomisationTerm

CARTPOLE = "dm_control:cartpole-swingup"
LQR = "dm_control:lqr-lqr_2_1"
REACH = "dm_control:manipulation/reach_site_features"


def make(name, num_envs, *, seed=0, autoreset=True, **settings):
    task = DmControlConfig(name=name, **settings)
    nothing = RandomisationConfig()
    return build_env(task, num_envs, randomisation=nothing, seed=seed, autoreset=autoreset)


def actions(env, steps, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (steps, env.num_envs, env.contract.action_size))


def flat(observation):
    return np.concatenate([np.ravel(value) for value in observation.values()])


def seeded(state, seed, environment, episode):
    entropy = [part for number in (seed, environment, episode) for part in (number, 0)]
    words = np.random.SeedSequence(entropy).generate_state(4)
    state.seed(words.astype(np.uint32))


def test_episodes_are_those_of_the_suite_until_its_time_is_up():
    env = make(CARTPOLE, 3, seed=5)
    oracles = [suite.load("cartpole", "swingup") for _ in range(3)]
    assert [(f.name, f.size) for f in env.contract.observation] == [
        ("position", 3),
        ("velocity", 2),
    ]
    assert {f.source for f in env.contract.observation} == {"simulation"}
    assert env.contract.action[0].kind == "actuator_control"
    assert env.max_episode_steps == 1000
    observation = env.reset()
    for i, oracle in enumerate(oracles):
        seeded(oracle.task.random, 5, i, 0)
        np.testing.assert_array_equal(flat(oracle.reset().observation), observation[i])
    taken = actions(env, 1000)
    for action in taken:
        step = env.step(1.5 * action)  # what is outside is clipped
        for i, oracle in enumerate(oracles):
            truth = oracle.step(np.clip(1.5 * action[i], -1, 1))
            np.testing.assert_array_equal(flat(truth.observation), step.final_observation[i])
            assert truth.reward == step.reward[i]
            assert truth.last() == step.done[i]
    assert truth.last()
    assert step.truncated.all()
    assert not step.terminated.any()
    assert not np.allclose(step.observation, step.final_observation)
    seeded(oracles[0].task.random, 5, 0, 1)
    np.testing.assert_array_equal(flat(oracles[0].reset().observation), step.observation[0])


def test_a_discount_of_zero_is_a_termination():
    env = make(LQR, 1, autoreset=False, max_episode_steps=20_000)
    _, gain, _ = lqr_solver.solve(suite.load("lqr", "lqr_2_1"))
    observation = env.reset()
    while True:
        step = env.step(observation @ gain.T)
        observation = step.observation
        if step.done[0]:
            break
    assert step.terminated[0]
    assert not step.truncated[0]
    assert step.success[0]
    with pytest.raises(ConfigError, match=r"environments \[0\] have ended: reset these first"):
        env.step(np.zeros((1, 1)))


def test_a_manipulation_task_goes_on_exactly_where_it_was_saved():
    env = make(REACH, 3, seed=2, max_episode_steps=12)
    oracle = manipulation.load("reach_site_features")
    seeded(oracle.random_state, 2, 2, 0)
    observation = env.reset()
    np.testing.assert_array_equal(flat(oracle.reset().observation), observation[2])
    first = env.contract.observation_slices["target_position"]
    np.testing.assert_array_equal(
        oracle.physics.bind(oracle.task._target).pos, observation[2, first]
    )
    env.stagger()
    taken = actions(env, 40)
    for action in taken[:15]:
        env.step(action)
    other = make(REACH, 3, seed=77, max_episode_steps=12, processes=1)
    other.set_state(env.get_state())
    for action in taken[15:]:
        one, two = env.step(action), other.step(action)
        np.testing.assert_array_equal(one.observation, two.observation)
        np.testing.assert_array_equal(one.final_observation, two.final_observation)
        np.testing.assert_array_equal(one.truncated, two.truncated)
    state = env.get_state()
    state["observation"][1, 0] += 1e-12
    with pytest.raises(RunError, match="environment 1 is not where it was"):
        other.set_state(state)


SLOW_OR_LIKE_ANOTHER = ("dog", "humanoid_CMU", "stacker", "manipulator")
EVERY_DOMAIN = [
    f"dm_control:{domain}-{tasks[-1]}"
    for domain, tasks in suite.TASKS_BY_DOMAIN.items()
    if domain not in SLOW_OR_LIKE_ANOTHER
]
SHUFFLED = "dm_control:manipulation/reassemble_5_bricks_random_order_features"


@pytest.mark.parametrize("name", [*EVERY_DOMAIN, SHUFFLED])
def test_an_episode_is_the_same_whatever_went_before(name):
    group, other = (EnvironmentGroup(DmControlConfig(name=name), 1) for _ in range(2))
    task, row = group.describe(), np.array([0])
    contract = contract_of(name, task)
    first, second = [np.arange(4, dtype=np.uint32)], [np.arange(1, 5, dtype=np.uint32)]
    controls = np.random.default_rng(0).uniform(
        task.action_min, task.action_max, (8, contract.action_size)
    )
    group.replay(row, first, [controls])
    group.reset(row, second)
    for control in controls:
        step = group.step(control[None])
    np.testing.assert_array_equal(step.observation, other.replay(row, second, [controls]))
    assert step.observation.shape == (1, contract.observation_size)


def test_a_diverged_simulation_is_an_end_by_time():
    env = make(LQR, 2)
    # its actuator has no limit
    env._scale[:] = 1e300
    before = env.reset()
    step = env.step(np.array([[1.0], [0.0]]))
    np.testing.assert_array_equal(step.truncated, [True, False])
    np.testing.assert_array_equal(step.final_observation[0], before[0])
    assert step.reward[0] == 0.0
    assert env.num_diverged == 1


def test_names_and_terms_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match=f"did you mean '{CARTPOLE}'"):
        make("dm_control:cartpole-swing", 1)
    with pytest.raises(ConfigError, match="choose 'dm_control:manipulation/reach_site_features'"):
        make("dm_control:manipulation/reach_site_vision", 1)
    with pytest.raises(ConfigError, match="expected dm_control:DOMAIN-TASK"):
        DmControlConfig(name="dm_control:cartpole")
    heavy = RandomisationTerm(quantity="body_mass", distribution="constant", value=2.0)
    with pytest.raises(ConfigError, match="body_mass: tasks of dm_control draw their own starts"):
        build_env(
            DmControlConfig(name=CARTPOLE),
            1,
            randomisation=RandomisationConfig(terms=(heavy,)),
            seed=0,
        )
    with pytest.raises(ConfigError, match="is simulated by dm_control; expected one of ours"):
        make_batch(CARTPOLE, num_envs=1, randomisation="none")


def test_an_evaluation_runs(caplog):
    _say_that_it_is_slow.cache_clear()
    env, _ = (make_env(CARTPOLE, num_envs=2, randomisation="light", seed=0) for _ in range(2))
    assert caplog.text.count("slower than tasks of this project") == 1
    env._max_episode_steps = 20
    result = evaluate(RandomPolicy(1), env, 5, seed=3)
    assert result.length.tolist() == [20] * 5
    assert result.dynamics == ({},) * 5
    assert np.isnan(result.final_distance_m).all()
