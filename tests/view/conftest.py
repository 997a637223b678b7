"""Sessions of small batches, and pages that end with their test."""

import pytest

pytest.importorskip("mujoco")
pytest.importorskip("viser")
from trirl_robot.evaluation.rollouts import RandomPolicy, ZeroPolicy
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_env
from trirl_robot.sim.randomisation.config import RandomisationConfig, RandomisationTerm
from trirl_robot.sim.tasks.registry import load_task
from trirl_robot.view.guard import close_server, open_server
from trirl_robot.view.session import Session


@pytest.fixture
def make_session():
    """A session of a task by name, or of an environment, with further sources of actions."""

    def make(task="point-maze", num_envs=3, chosen="random", **extra):
        env = task
        if isinstance(task, str):
            env = make_env(task, num_envs=num_envs, seed=0, nthread=1)
        size = env.contract.action_size
        sources = {"random": RandomPolicy(size, 0), "zero": ZeroPolicy(size), **extra}
        return Session(env, sources, chosen)

    return make


@pytest.fixture
def make_maze():
    """Point mazes with given terms of randomisation."""

    def make(*terms, num_envs=2):
        randomisation = RandomisationConfig(terms=tuple(RandomisationTerm(**t) for t in terms))
        env = BatchEnv(
            load_task("point-maze"), num_envs, randomisation=randomisation, seed=0, nthread=1
        )
        env.reset()
        return env

    return make


@pytest.fixture
def server():
    """A page that nobody looks at."""
    server, _ = open_server("127.0.0.1", 0, "test")
    yield server
    close_server(server)
