"""Episodes run again from their records, bit for bit, whatever batch they were part of."""

import dataclasses
import json

import numpy as np
import pytest
import yaml

from trirl_robot.config import CONFIGS
from trirl_robot.demos.schema import Demonstration
from trirl_robot.errors import ConfigError, ContractError, DatasetError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.record import EpisodeRecord, origin_of, record_of, replay
from trirl_robot.sim.tasks.registry import load_task


@dataclasses.dataclass
class Witness:
    """What was seen of one environment since its episode began."""

    origin: object
    observation: list
    state: list
    actions: list = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, env, sim, observation):
        return cls(origin_of(env, sim), [observation.copy()], [env.state_vector(sim)])

    def record(self):
        return EpisodeRecord(origin=self.origin, actions=np.array(self.actions))


def witnessed(env, steps, seed=0):
    """Drive every environment at random; return the episodes that ended, and those that did not."""
    generator = np.random.default_rng(seed)
    observation = env.reset()
    env.stagger()
    running = [Witness.of(env, i, observation[i]) for i in range(env.num_envs)]
    ended = []
    for _ in range(steps):
        # beyond the limits too: clipping belongs to the episode
        action = generator.uniform(-1.3, 1.3, (env.num_envs, env.contract.action_size))
        step = env.step(action)
        for i, witness in enumerate(running):
            witness.actions.append(action[i])
            witness.observation.append(step.final_observation[i].copy())
            if step.done[i]:
                ended.append(witness)
                running[i] = Witness.of(env, i, step.observation[i])
            else:
                witness.state.append(env.state_vector(i))
    return ended, running


def check(witness):
    text = json.dumps(witness.record().to_mapping())
    record = EpisodeRecord.from_mapping(json.loads(text), "test")
    assert record.origin == witness.origin
    again = replay(record)
    np.testing.assert_array_equal(again.observation, witness.observation)
    # the last state of an episode that has ended is that of the next one
    np.testing.assert_array_equal(again.state[: len(witness.state)], witness.state)


@pytest.mark.parametrize("task", ["so101-reach", "so101-lift", "half-cheetah", "ant", "hopper"])
def test_an_episode_of_a_batch_of_16_runs_again_alone(task):
    """Noise, jitter, events, drop-out, latencies, contacts: all of `strong` is in it."""
    env = make_batch(task, num_envs=16, randomisation="strong", seed=11, nthread=3)
    ended, running = witnessed(env, 130)
    later = [w for w in ended if w.origin.key.episode > 0]
    longest = sorted(later or ended or running, key=lambda w: len(w.actions))[-2:]
    for witness in (*longest, running[9]):
        check(witness)


ONCE = """terms:
  - {quantity: body_mass, distribution: uniform, low: 0.8, high: 1.2, when: once}
  - {quantity: joint_damping, distribution: uniform, low: 0.8, high: 1.2}
"""


def test_what_is_drawn_once_belongs_to_the_environment(tmp_path):
    path = tmp_path / "once.yaml"
    path.write_text(ONCE, encoding="utf-8")
    env = make_batch("so101-reach", num_envs=3, randomisation=str(path), seed=1, nthread=1)
    ended, _ = witnessed(env, 220)
    for witness in ended[-3:]:
        check(witness)


def test_a_record_of_another_contract_is_refused():
    env = make_batch("so101-reach", num_envs=1, randomisation="none")
    env.reset()
    origin = dataclasses.replace(origin_of(env, 0), contract_sha256="0" * 64)
    with pytest.raises(ContractError, match="'so101-reach' has changed since the episode was"):
        replay(EpisodeRecord(origin=origin, actions=np.zeros((1, 5))))


def test_a_record_of_another_version_of_mujoco_is_refused():
    env = make_batch("so101-reach", num_envs=1, randomisation="none")
    env.reset()
    origin = dataclasses.replace(origin_of(env, 0), mujoco_version="1.2.3")
    with pytest.raises(ContractError, match=r"was recorded with MuJoCo 1\.2\.3, and this is"):
        replay(EpisodeRecord(origin=origin, actions=np.zeros((1, 5))))


@pytest.mark.parametrize(
    "change",
    [
        {"gravity_compensation": False},
        {"physics_timestep_s": 0.004},
        {"collision": {}},
        {"actuators": {"kind": "position", "stiffness": 30.0}},
    ],
)
def test_a_record_of_a_robot_whose_file_has_changed_is_refused(change, tmp_path):
    robot = yaml.safe_load((CONFIGS / "robots" / "so101.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(robot), encoding="utf-8")
    task = dataclasses.replace(load_task("so101-reach"), robot=str(path))
    env = BatchEnv(task, 1, randomisation=load_randomisation("none"), seed=0, nthread=1)
    env.reset()
    record = EpisodeRecord(origin=origin_of(env, 0), actions=np.zeros((1, 5)))
    replay(record)
    path.write_text(yaml.safe_dump({**robot, **change}), encoding="utf-8")
    with pytest.raises(ContractError, match="the scene of task 'so101-reach' has changed since"):
        replay(record)


def test_actions_of_another_robot_are_refused():
    env = make_batch("so101-reach", num_envs=1, randomisation="none")
    env.reset()
    record = EpisodeRecord(origin=origin_of(env, 0), actions=np.zeros((4, 3)))
    with pytest.raises(ConfigError, match=r"have the shape \(4, 3\), expected \(steps, 5\)"):
        replay(record)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda plain: plain.pop("actions"), "key 'actions' is missing"),
        (lambda plain: plain["actions"].update(float64="AAA"), "expected 'shape' and, in base64"),
        (lambda plain: plain["actions"].update(shape=[3, 5]), "expected 'shape' and, in base64"),
        (lambda plain: plain["origin"].update(keys=1), "unknown key 'keys': did you mean 'key'"),
        (lambda plain: plain["origin"]["key"].update(seed="x"), "seed: expected a whole number"),
    ],
)
def test_a_damaged_record_is_refused_in_one_sentence(damage, message):
    env = make_batch("so101-reach", num_envs=1, randomisation="strong")
    env.reset()
    plain = EpisodeRecord(origin=origin_of(env, 0), actions=np.zeros((2, 5))).to_mapping()
    damage(plain)
    with pytest.raises(ConfigError, match=message):
        EpisodeRecord.from_mapping(plain, "episode.json")


def test_an_episode_without_steps_is_its_start():
    env = make_batch("so101-reach", num_envs=2, randomisation="strong", seed=4)
    observation = env.reset()
    again = replay(EpisodeRecord(origin=origin_of(env, 1), actions=np.zeros((0, 5))))
    np.testing.assert_array_equal(again.observation, observation[1:])
    assert again.reward.shape == (0,)


def test_demonstrations_of_a_real_robot_hold_no_record(demonstration):
    with pytest.raises(DatasetError, match="demo_0: holds no record to replay it from"):
        record_of(demonstration, "demo_0")


@pytest.fixture
def demonstration():
    from trirl_robot.demos.schema import EpisodeMetadata

    metadata = EpisodeMetadata(
        episode_id="x",
        task="so101-reach",
        task_parameters={"target_position": [0.1, 0.2, 0.3]},
        dynamics={},
        model_xml="",
        operator="",
        device="",
        started_utc="",
        started_ns=0,
        versions={},
    )
    one = np.zeros(1)
    return Demonstration(
        metadata=metadata,
        outcome="success",
        observation=np.zeros((1, 2)),
        action=np.zeros((1, 2)),
        next_observation=np.zeros((1, 2)),
        state=np.zeros((1, 0)),
        reward=one,
        terminated=one.astype(bool),
        truncated=one.astype(bool),
        observation_ns=one.astype(np.int64),
        command_ns=one.astype(np.int64),
    )
