"""Gymnasium's own environments are the oracle of the benchmark tasks."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from scipy.stats import ks_2samp

from trirl_robot.errors import ConfigError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import load_task, make_env
from trirl_robot.sim.randomisation.config import RandomisationConfig, RandomisationTerm
from trirl_robot.sim.tasks.locomotion.models import gymnasium_spec

pytestmark = pytest.mark.filterwarnings("ignore:compiler attribute:UserWarning")

ORACLES = {
    "half-cheetah": "HalfCheetah-v5",
    "hopper": "Hopper-v5",
    "walker2d": "Walker2d-v5",
    "ant": "Ant-v5",
    "humanoid": "Humanoid-v5",
    "swimmer": "Swimmer-v5",
    "reacher": "Reacher-v5",
    "pusher": "Pusher-v5",
    "inverted-double-pendulum": "InvertedDoublePendulum-v5",
}
STEPS = 1000
TOLERANCE = 1e-9


def oracle(name):
    return gymnasium.make(ORACLES[name], disable_env_checker=True)


class SideBySide:
    """One batch and as many environments of Gymnasium's, which start from the same states."""

    def __init__(self, name, num_envs, **make):
        make = {"randomisation": "none", "nthread": 2, **make}
        self.ours = make_env(name, num_envs=num_envs, autoreset=False, **make)
        self.ours.reset()
        self.theirs = [oracle(name) for _ in range(num_envs)]
        self.resets = 0
        for i in range(num_envs):
            self.reset(i)

    def reset(self, i):
        observation, _ = self.theirs[i].reset(seed=self.resets)
        self.resets += 1
        data, ids = self.theirs[i].unwrapped.data, np.array([i])
        self.ours.task.place(ids, data.qpos[None], data.qvel[None])
        self.ours.task.begin(ids)
        self.ours.elapsed_steps[i] = 0
        same(self.ours.task.observe(ids)[0], observation)

    def step(self, action):
        ours = self.ours.step(action)
        (field,) = self.ours.contract.action
        control = action * np.array(field.scale) + np.array(field.offset)
        for i, environment in enumerate(self.theirs):
            observation, reward, terminated, truncated, info = environment.step(control[i])
            same(ours.final_observation[i], observation)
            same(ours.reward[i], reward)
            for term, values in self.ours.task.reward_terms.items():
                same(values[i], info[term])
            assert ours.terminated[i] == terminated
            assert ours.truncated[i] == (truncated and not terminated)
            if terminated or truncated:
                self.reset(i)
        return ours


def same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ORACLES)
def test_observations_rewards_and_ends_are_gymnasium_s(name):
    pair = SideBySide(name, num_envs=2)
    random = np.random.default_rng(1)
    shape = (2, pair.ours.contract.action_size)
    seen = np.zeros(pair.ours.contract.observation_size, dtype=bool)
    for step in range(STEPS):
        # now and then at the ends of the range, where walkers fall in other ways
        wild = 0.5 if step % 2 else 1.0
        seen |= pair.step(np.clip(random.normal(0.0, wild, shape), -1.0, 1.0)).observation[0] != 0
        if step == STEPS // 2:
            # none of those ends early that have no way to fail
            pair.reset(0)
    assert pair.resets > 2
    if name in ("ant", "humanoid"):
        assert seen[pair.ours.contract.observation_slices["contact_force"]].any()


@pytest.mark.parametrize("name", ORACLES)
def test_starts_are_drawn_as_gymnasium_draws_them(name):
    env = make_env(name, num_envs=600, randomisation="none", seed=3, nthread=2)
    env.reset()
    simulation, environment = env.task.simulation, oracle(name)
    environment.reset(seed=5)
    theirs = []
    for _ in range(600):
        environment.reset()
        data = environment.unwrapped.data
        theirs.append(np.concatenate([data.qpos, data.qvel]))
    theirs = np.array(theirs)
    ours = np.concatenate([simulation.qpos, simulation.qvel], axis=1)
    # neighbours together too: targets and objects are drawn from a disc, or from outside of one
    columns = [(ours[:, i], theirs[:, i]) for i in range(ours.shape[1])]
    columns += [
        tuple(np.hypot(x[:, i], x[:, i + 1]) for x in (ours, theirs))
        for i in range(ours.shape[1] - 1)
    ]
    # one in 10^5 for each: not by accident
    for mine, other in columns:
        assert ks_2samp(mine, other).pvalue > 1e-5


@pytest.mark.parametrize("name", ORACLES)
def test_episode_length_and_rate_are_gymnasium_s(name):
    env = make_env(name, num_envs=1, randomisation="none", nthread=1)
    environment = oracle(name)
    assert env.max_episode_steps == environment.spec.max_episode_steps
    assert env.contract.control_period_s == pytest.approx(environment.unwrapped.dt, rel=1e-12)
    low, high = environment.action_space.low, environment.action_space.high
    env.reset()
    for action, control in ((-1.0, low), (1.0, high), (7.0, high)):
        env.step(np.full((1, env.contract.action_size), action))
        # Gymnasium rounds the range to 32 bits, and no further
        np.testing.assert_array_equal(env.task.simulation.ctrl[0].astype(np.float32), control)


@pytest.mark.parametrize("name", ORACLES)
def test_every_number_of_an_observation_has_a_name(name):
    env = make_env(name, num_envs=1, randomisation="none", nthread=1)
    for field in env.contract.observation:
        labels = env.task.components[field.name]
        assert len(labels) == len(set(labels)) == field.size
        assert all(labels)
        assert field.source == "simulation"
    names = env.contract.joint_names
    assert len(set(names)) == len(names)


def test_names_of_an_ant_s_observation():
    components = make_env("ant", num_envs=1, randomisation="none").task.components
    assert components["base_position"] == ("z",)
    assert components["joint_angle"][:2] == ("hip_1", "ankle_1")
    # the body that has no name in Gymnasium's file
    assert "left_ankle.fz" in components["contact_force"]


@pytest.mark.parametrize("name", ORACLES)
def test_going_on_from_a_saved_state_is_the_same_to_the_bit(name):
    first, second = (
        make_env(name, num_envs=6, randomisation="none", seed=4, nthread=n) for n in (1, 2)
    )
    actions = np.random.default_rng(2).uniform(-1.0, 1.0, (40, 6, first.contract.action_size))
    first.reset()
    first.stagger()
    for action in actions[:20]:
        first.step(action)
    second.set_state(first.get_state())
    for action in actions[20:]:
        one, two = first.step(action), second.step(action)
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


def test_an_unhealthy_walker_goes_on_where_the_task_says_so():
    config = dataclasses.replace(load_task("hopper"), terminate_when_unhealthy=False)
    env = BatchEnv(config, 4, randomisation=RandomisationConfig(), seed=0, nthread=1)
    env.reset()
    survived = []
    for _ in range(120):
        step = env.step(np.ones((4, 3)))
        assert not step.terminated.any()
        survived.append(env.task.reward_terms["reward_survive"])
    assert survived[0].all()
    assert not survived[-1].any()


@pytest.mark.parametrize(
    ("name", "target", "moved"),
    [("reacher", "target_position", "target_to_fingertip"), ("pusher", "goal_position", None)],
)
def test_targets_and_distances_are_named(name, target, moved):
    env = make_env(name, num_envs=3, randomisation="none", nthread=1)
    observation, slices = env.reset(), env.contract.observation_slices
    size = slices[target].stop - slices[target].start
    np.testing.assert_allclose(env.target_position[:, :size], observation[:, slices[target]])
    if moved is not None:
        offset = observation[:, slices[moved]]
        np.testing.assert_allclose(env.task.distance(), np.linalg.norm(offset, axis=1))


def test_success_is_a_fast_episode():
    env = make_env("half-cheetah", num_envs=2, randomisation="none", nthread=1)
    env.reset()
    simulation = env.task.simulation
    simulation.time[:] = 1.0
    simulation.qpos[:, 0] = (3.0, 8.0)
    assert env.step(np.zeros((2, 6))).success.tolist() == [False, True]


def with_terms(name, num_envs, *terms):
    config = RandomisationConfig(
        terms=tuple(RandomisationTerm(distribution="constant", **term) for term in terms)
    )
    env = BatchEnv(load_task(name), num_envs, randomisation=config, seed=7, nthread=1)
    return env, env.reset()


def test_sensor_errors_change_what_is_seen_and_nothing_else():
    bias = {"quantity": "sensor_bias", "where": ("joint_angle.bfoot",), "value": 0.25}
    (biased, seen), (exact, true) = (
        with_terms("half-cheetah", 3, bias),
        with_terms("half-cheetah", 3),
    )
    column = 1 + biased.task.components["joint_angle"].index("bfoot")
    action = np.full((3, 6), 0.3)
    for _ in range(5):
        np.testing.assert_allclose(seen[:, column] - true[:, column], 0.25, atol=1e-12)
        one, other = biased.step(action), exact.step(action)
        seen, true = one.observation, other.observation
        np.testing.assert_array_equal(one.reward, other.reward)


def test_latency_delays_the_controls():
    late = {"quantity": "command_latency_s", "value": 0.05}
    (slow, _), (fast, _) = with_terms("half-cheetah", 2, late), with_terms("half-cheetah", 2)
    push, rest = np.ones((2, 6)), np.zeros((2, 6))
    # a latency of one control step: the push of the first step acts in the second
    for env, actions in ((slow, (push, rest)), (fast, (rest, push))):
        for action in actions:
            step = env.step(action)
        env.last = step.observation
    np.testing.assert_allclose(slow.last, fast.last, atol=1e-9)


def test_disabled_legs_do_not_push():
    """The shift of Fu et al. 2018, as far as the motors go; the ant's legs go by their names."""
    legs = ("hip_1", "ankle_1", "hip_2", "ankle_2")
    off = {"quantity": "actuator_gain", "where": legs, "operation": "scale", "value": 0.0}
    env, _ = with_terms("ant", 2, off)
    forces = env.task.simulation.batch.bind("actuator_force")
    env.step(np.ones((2, 8)))
    names = [env.task.simulation.model.actuator(i).name for i in range(8)]
    assert {n for n, force in zip(names, forces[0], strict=True) if force == 0.0} == set(legs)


def test_gravity_of_mars():
    mars = {"quantity": "gravity", "where": ("z",), "operation": "set", "value": -3.711}
    heights = []
    for terms in ((), (mars,)):
        env, _ = with_terms("half-cheetah", 1, *terms)
        env.task.place(np.array([0]), np.eye(1, 9, 1), np.zeros((1, 9)))
        env.task.begin(np.array([0]))
        heights.append([1.0, env.step(np.zeros((1, 6))).final_observation[0, 0]])
    # 1 m above its usual height, it falls freely: semi-implicit Euler falls n (n + 1) / 2 steps
    for (start, end), gravity in zip(heights, (9.81, 3.711), strict=True):
        assert start - end == pytest.approx(gravity * 0.01**2 * 15, rel=1e-9)


def test_an_empty_range_and_an_unknown_model_are_refused():
    with pytest.raises(ConfigError, match=r"healthy_z_range_m is .* expected a range"):
        dataclasses.replace(load_task("ant"), healthy_z_range_m=(1.0, 0.2))
    with pytest.raises(ConfigError, match="substeps is 0"):
        dataclasses.replace(load_task("ant"), substeps=0)
    with pytest.raises(ConfigError, match=r"did you mean 'ant\.xml'"):
        gymnasium_spec("ants.xml")
