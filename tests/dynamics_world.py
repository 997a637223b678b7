"""Small worlds in which one term of a randomisation acts at a time."""

import mujoco
import numpy as np

from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.randomisation.config import RandomisationConfig, RandomisationTerm
from trirl_robot.sim.randomisation.preparation import prepare_spec
from trirl_robot.sim.randomisation.quantities.quantity import Subject
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.simulation import Simulation

WEIGHTLESS = 'gravity="0 0 0"'


def constant(quantity, value, **rest):
    return RandomisationTerm(quantity=quantity, distribution="constant", value=value, **rest)


def uniform(quantity, low, high, **rest):
    return RandomisationTerm(quantity=quantity, distribution="uniform", low=low, high=high, **rest)


def mjcf(options, body):
    return f'<mujoco><option timestep="0.001" integrator="implicitfast" {options}/>{body}</mujoco>'


def world(options, body, *terms, **rest):
    """Simulations of an inline model: attributes of its option, and what follows."""
    return World(mjcf(options, body), *terms, **rest)


class World:
    """Simulations whose dynamics are drawn when they are made."""

    def __init__(self, xml, *terms, num_envs=1, seed=0, substeps=1, **subject):
        spec = mujoco.MjSpec.from_string(xml)
        config = RandomisationConfig(terms=terms)
        prepare_spec(spec, config, hand_site="hand" if spec.site("hand") else None)
        self.model = spec.compile()
        self.substeps = substeps
        self.simulation = Simulation(self.model, num_envs, nthread=1)
        self.random = EpisodeRandom(seed, num_envs)
        subject = Subject(model=self.model, period_s=substeps * self.model.opt.timestep, **subject)
        self.randomiser = Randomiser(self.simulation, config, self.random, subject)
        self.steps = np.zeros(num_envs, dtype=np.int64)
        self.reset()

    def reset(self, ids=None):
        """Start new episodes."""
        ids = np.arange(self.simulation.num_envs) if ids is None else np.asarray(ids, dtype=np.intp)
        self.random.begin(ids)
        self.simulation.reset(ids)
        self.randomiser.start(ids)
        self.simulation.fill_command_history(ids)
        self.randomiser.perturb_initial_state(ids)
        self.steps[ids] = 0

    def step(self, count=1, ctrl=None):
        """Advance by control steps."""
        for _ in range(count):
            if ctrl is not None:
                self.simulation.ctrl[:] = ctrl
            self.randomiser.advance(self.steps)
            assert not self.simulation.advance(self.substeps).any()
            self.steps += 1
        return self

    @property
    def qpos(self):
        return self.simulation.qpos

    @property
    def qvel(self):
        return self.simulation.qvel

    @property
    def drawn(self):
        return self.randomiser.drawn(0)

    def drawn_model(self, sim=0):
        """Return one simulation's model, with what was drawn for it."""
        return self.simulation.batch.get_model(sim)

    def acceleration(self, ctrl=None):
        """Return the accelerations at the present state, (N, nv)."""
        if ctrl is not None:
            self.simulation.ctrl[:] = ctrl
        qacc = self.simulation.batch.bind("qacc")
        self.simulation.batch.forward()
        return qacc.copy()


def compiled(options, body):
    """Return the trajectory's owner of a model that was compiled as it is, to compare with."""
    return world(options, body)
