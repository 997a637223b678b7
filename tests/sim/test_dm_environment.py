"""Our tasks as dm_env's environments, by dm_env's own tests."""

import dm_env
import numpy as np
from absl.testing import absltest
from dm_env import test_utils

from trirl_robot.sim.adapters.dm_environment import DmEnvironment
from trirl_robot.sim.env import make_env


class TestReach(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """Episodes that end by time."""

    def make_object_under_test(self):
        return DmEnvironment("so101-reach", randomisation="light")

    def make_action_sequence(self):
        for _ in range(self.environment.batch.max_episode_steps + 5):
            yield self.make_action()


class TestHopper(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """Episodes that end by a fall."""

    def make_object_under_test(self):
        return DmEnvironment("hopper")

    def make_action_sequence(self):
        generator = np.random.default_rng(0)
        for _ in range(200):
            yield generator.uniform(-1, 1, 3)


def test_the_discount_tells_a_fall_from_the_end_of_time(short_hopper):
    env = DmEnvironment(short_hopper, seed=3)
    batch = make_env(
        short_hopper, num_envs=1, randomisation="none", seed=3, nthread=1, autoreset=False
    )
    generator = np.random.default_rng(0)
    discounts = []
    for _ in range(12):
        start, observation = env.reset(), batch.reset()
        assert start.first()
        while True:
            flat = np.concatenate(list(start.observation.values()))
            np.testing.assert_array_equal(flat, observation[0])
            action = generator.uniform(-1, 1, 3)
            start, step = env.step(action), batch.step(action[None])
            observation = step.observation
            assert start.reward == step.reward[0]
            if start.last():
                assert start.discount == (0.0 if step.terminated[0] else 1.0)
                discounts.append(start.discount)
                break
            assert start.discount == 1.0
        assert env.step(action).step_type is dm_env.StepType.FIRST
        batch.reset()
    assert set(discounts) == {0.0, 1.0}
