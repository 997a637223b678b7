"""What all benchmark tasks share: a model, its actuators driven directly, a start with noise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import require
from trirl_robot.contract import CONTRACT_VERSION, ActionField, PolicyContract
from trirl_robot.sim.compiled import compiled, count
from trirl_robot.sim.episode_random import EpisodeRandom, Stream
from trirl_robot.sim.moments import Moments
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.distributions import quantile
from trirl_robot.sim.randomisation.preparation import prepare_spec
from trirl_robot.sim.randomisation.quantities.quantity import Subject
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.sensors import Sensors
from trirl_robot.sim.simulation import Simulation
from trirl_robot.sim.tasks.locomotion.layout import Part
from trirl_robot.sim.tasks.locomotion.models import compile_model, gymnasium_spec
from trirl_robot.sim.tasks.task import Task

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]
Rows = Ids | slice

EVERYTHING = slice(None)


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Parameters that every benchmark task has."""

    task: str
    """Kind of task."""
    name: str
    """Name of the task."""
    substeps: int
    """Physics steps in a control step (Gymnasium's frame_skip)."""
    max_episode_steps: int
    """Control steps in an episode."""

    def __post_init__(self) -> None:
        """Check the numbers of steps."""
        require(self, "at least 1", lambda v: v >= 1, "substeps", "max_episode_steps")


class BenchmarkTask(Task):
    """A model whose actuators the policy drives directly.

    An action of -1 or 1 is the lower or upper end of an actuator's control range.
    """

    config: BenchmarkConfig
    """The task's parameters."""
    model_file: ClassVar[str] = ""
    """Gymnasium's model; empty for one of our own."""
    num_draws: int
    """How many uniform numbers a start takes."""

    def __init__(
        self,
        config: BenchmarkConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        random: EpisodeRandom,
        nthread: int = 0,
    ) -> None:
        """Compile the model and allocate the simulations.

        Args:
            config: the task's parameters.
            num_envs: number of simulations N.
            randomisation: what is drawn at each reset.
            random: source of every draw.
            nthread: threads to step on; 0 for all cores.
        """
        self.config = config
        spec = self._spec()
        prepare_spec(spec, randomisation)
        model, self.model_xml = compile_model(spec)
        parts = self._parts(model)
        self.random = random
        self.simulation = Simulation(model, num_envs, nthread=nthread)
        self.substeps = config.substeps
        self.max_episode_steps = config.max_episode_steps
        self.contract = _contract(config, model, parts)
        self.components = {part.name: part.components for part in parts}
        """What each number of a field of the observation is, by field."""
        self.reward_terms: dict[str, Array] = {}
        """What the last reward was made of, (N,) each, by Gymnasium's names."""
        self._period_s = self.contract.control_period_s
        signals = [f"{part.name}.{label}" for part in parts for label in part.components]
        subject = Subject(model=model, period_s=self._period_s, signals=tuple(signals))
        self.randomiser = Randomiser(self.simulation, randomisation, random, subject)
        self._sensors = Sensors(self.randomiser, random, (num_envs, len(signals)), self._period_s)
        self._readings = np.zeros(num_envs, dtype=np.int64)
        self._measured = np.zeros((num_envs, len(signals)))
        (action,) = self.contract.action
        self._control_scale = np.array(action.scale)
        self._control_offset = np.array(action.offset)
        self._control = np.zeros((num_envs, model.nu))
        self._bind()

    def start(self, ids: Ids) -> None:
        """Draw and write the initial state of new episodes in `ids`."""
        qpos, qvel = self._start_state(self.random.uniform(ids, Stream.TASK, self.num_draws))
        self.place(ids, qpos, qvel)
        self.randomiser.start(ids)
        self.randomiser.perturb_initial_state(ids)
        self.begin(ids)

    def go_on(self, ids: Ids, moments: Moments) -> None:
        """Let episodes in `ids` go on from `moments`, one each."""
        motion = self.simulation.motion
        motion[ids] = moments.state[:, 1:]
        self.begin(ids)

    def place(self, ids: Ids, qpos: Array, qvel: Array) -> None:
        """Reset simulations and write their state; call `begin` when it is complete.

        Args:
            ids: the simulations.
            qpos: positions, shape (n, nq).
            qvel: velocities, shape (n, nv).
        """
        self.simulation.reset(ids)
        self.simulation.qpos[ids] = qpos
        self.simulation.qvel[ids] = qvel
        self.simulation.fill_command_history(ids)

    def begin(self, ids: Ids) -> None:
        """Begin episodes in `ids` from the state that they are in."""
        self.simulation.batch.forward(ids)
        self._remember(ids)
        self._readings[ids] = 0
        self._measured[ids] = self._sensors.start(ids, self._true(ids), self._readings)

    def apply(self, action: Array) -> None:
        """Set the controls for actions in [-1, 1], shape (N, m); others are clipped."""
        scale, offset = self._control_scale, self._control_offset
        _set_controls(action, scale, offset, self._control, self.simulation.ctrl)
        self.randomiser.advance(self._readings)

    def observe(self, rows: Rows = EVERYTHING) -> Array:
        """Return a new array of the observations of some environments, (n, observation size)."""
        return np.array(self._measured[rows])

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {
            "simulation": self.simulation.get_state(),
            "randomiser": self.randomiser.get_state(),
            "sensors": self._sensors.get_state(),
            "readings": self._readings.copy(),
            "measured": self._measured.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._readings[:] = state["readings"]
        self.randomiser.set_state(state["randomiser"])
        self.simulation.set_state(state["simulation"])
        self._sensors.set_state(state["sensors"])
        self._measured = state["measured"].copy()

    def _spec(self) -> mujoco.MjSpec:
        """Return the model, not yet compiled."""
        return gymnasium_spec(self.model_file)

    def _bind(self) -> None:
        """Look up what the task reads of the simulations, once these are there."""

    @abstractmethod
    def _parts(self, model: mujoco.MjModel) -> list[Part]:
        """Return the parts of the observation, in order."""

    @abstractmethod
    def _start_state(self, draws: Array) -> tuple[Array, Array]:
        """Return positions (n, nq) and velocities (n, nv) for uniform draws (n, `num_draws`)."""

    @abstractmethod
    def _true(self, rows: Rows) -> Array:
        """Return a new array of true observations, (n, observation size)."""

    def _remember(self, ids: Ids) -> None:
        """Note what the next reward needs of the state that episodes in `ids` begin with."""

    def _measure(self) -> None:
        """Read the observation, once a control step."""
        count(self._readings)
        self._measured = self._sensors.read(self._true(EVERYTHING), self._readings)

    def _control_effort(self) -> Array:
        """Return the sum of the squared controls, (N,)."""
        effort: Array = np.einsum("ij,ij->i", self._control, self._control)
        return effort


def symmetric(draws: Array, size: float) -> Array:
    """Return uniform numbers between -size and size for draws from [0, 1), of the same shape."""
    return size * (2.0 * draws - 1.0)


def normal(draws: Array, size: float) -> Array:
    """Return normal numbers of standard deviation `size` for draws from [0, 1)."""
    return quantile("normal", {"mean": 0.0, "std": size}, draws)


@compiled
def _set_controls(action: Array, scale: Array, offset: Array, control: Array, ctrl: Array) -> None:
    """Write the controls of actions, cut to [-1, 1], into `control` and `ctrl`, all (N, m)."""
    for i in range(action.shape[0]):
        for j in range(action.shape[1]):
            control[i, j] = min(max(action[i, j], -1.0), 1.0) * scale[j] + offset[j]
            ctrl[i, j] = control[i, j]


def _contract(
    config: BenchmarkConfig, model: mujoco.MjModel, parts: Sequence[Part]
) -> PolicyContract:
    joints = [model.joint(int(joint)) for joint in model.actuator_trnid[:, 0]]
    low, high = model.actuator_ctrlrange.T
    return PolicyContract(
        contract_version=CONTRACT_VERSION,
        # both mazes have one contract: a policy or a reward may go from one to the other
        robot=config.task,
        joint_names=tuple(joint.name for joint in joints),
        observation=tuple(part.field() for part in parts),
        action=(
            ActionField(
                name="actuator_control",
                size=model.nu,
                kind="actuator_control",
                unit="1",
                scale=tuple(((high - low) / 2.0).tolist()),
                offset=tuple(((high + low) / 2.0).tolist()),
            ),
        ),
        control_rate_hz=1.0 / (model.opt.timestep * config.substeps),
        limits=(),
        default_joint_positions=tuple(float(model.qpos0[j.qposadr[0]]) for j in joints),
        kinematics=None,
        gripper=None,
    )
