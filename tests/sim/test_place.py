import numpy as np
import pytest

from trirl_robot.sim.env import build_env
from trirl_robot.sim.interface import Place
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.tasks.registry import load_task

ENVS, STEPS = 6, 220


def made(task, randomisation, num_envs, place=None):
    env = build_env(
        load_task(task),
        num_envs,
        randomisation=load_randomisation(randomisation),
        seed=3,
        nthread=1,
        place=place,
    )
    env.reset()
    env.stagger()
    return env


@pytest.mark.parametrize(
    ("task", "randomisation"), [("so101-push", "strong"), ("hopper", "none"), ("ant", "strong")]
)
def test_an_environment_is_the_same_whichever_batch_holds_it(task, randomisation):
    whole = made(task, randomisation, ENVS)
    parts = [
        made(task, randomisation, count, Place(first=first, total=ENVS))
        for first, count in ((0, 2), (2, 4))
    ]
    generator = np.random.default_rng(0)
    ended = 0
    for _ in range(STEPS):
        action = generator.uniform(-1, 1, (ENVS, whole.contract.action_size))
        expected = whole.step(action)
        found = [parts[0].step(action[:2]), parts[1].step(action[2:])]
        for name in ("observation", "final_observation", "reward", "terminated", "truncated"):
            both = np.concatenate([getattr(step, name) for step in found])
            np.testing.assert_array_equal(both, getattr(expected, name))
        ended += int(expected.done.sum())
    assert ended >= ENVS
    assert [parts[1].episode_key(i) for i in range(4)] == [
        whole.episode_key(i) for i in range(2, ENVS)
    ]
