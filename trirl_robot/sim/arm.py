"""A batch of simulated arms, each with dynamics of its own."""

from __future__ import annotations

import logging
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

from trirl_robot.kinematics import ForwardKinematics
from trirl_robot.sim.randomisation import RandomisationConfig, Randomiser
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.scene import PREFIX, compile_scene, kinematics_of

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]

logger = logging.getLogger(__name__)

_DIVERGED = [
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
]


class ArmSimulation:
    """Simulations of one robot on MuJoCo's native batch; joints in the order of the robot's file.

    The properties are the truth; `measure` is what the robot's encoders report.
    """

    def __init__(
        self,
        robot: RobotConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        generator: np.random.Generator,
        nthread: int = 0,
    ) -> None:
        """Compile the scene and allocate the batch.

        Args:
            robot: the robot.
            num_envs: number of simulations.
            randomisation: what is drawn at each reset.
            generator: source of every draw.
            nthread: threads to step on; 0 for all cores.
        """
        self.robot = robot
        self.num_envs = num_envs
        self.model, self.model_xml = compile_scene(robot)
        self._generator = generator
        self._batch = Batch(self.model, num_envs, nthread)
        self._randomiser = Randomiser(self._batch, randomisation, robot.joints)
        joints = [self.model.joint(PREFIX + name) for name in robot.joints]
        self._qpos_index = np.array([j.qposadr[0] for j in joints])
        self._dof_index = np.array([j.dofadr[0] for j in joints])
        self._ctrl_index = np.array([self.model.actuator(PREFIX + n).id for n in robot.joints])
        self._qpos, self._qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._ctrl, self._time = self._batch.bind("ctrl"), self._batch.bind("time")
        self._history = self._batch.bind("history")
        self._history_template, self._history_places = _history_layout(self.model)
        self._kinematics = ForwardKinematics(kinematics_of(robot, self.model), robot.joints)
        self._warnings = np.zeros(num_envs, dtype=np.int64)
        self.reset(np.arange(num_envs), np.tile(robot.home_position, (num_envs, 1)))

    @property
    def joint_position(self) -> Array:
        """True joint positions, shape (N, joints), rad."""
        return np.asarray(self._qpos[:, self._qpos_index])

    @property
    def joint_velocity(self) -> Array:
        """True joint velocities, shape (N, joints), rad/s."""
        return np.asarray(self._qvel[:, self._dof_index])

    @property
    def end_effector_position(self) -> Array:
        """True end-effector positions in the base frame, shape (N, 3), m."""
        return self._kinematics.end_effector_position(self.joint_position)

    def end_effector_at(self, joint_position: Array) -> Array:
        """Return end-effector positions for given joint positions, (..., joints) to (..., 3)."""
        return self._kinematics.end_effector_position(joint_position)

    def measure(self) -> tuple[Array, Array]:
        """Return measured joint positions and velocities, each (N, joints), with fresh noise."""
        draws = self._generator.standard_normal((2, self.num_envs, len(self.robot.joints)))
        randomiser = self._randomiser
        position = self.joint_position + randomiser.encoder_bias
        return (
            position + draws[0] * randomiser.position_noise,
            self.joint_velocity + draws[1] * randomiser.velocity_noise,
        )

    def reset(self, ids: Ids, joint_position: Array) -> None:
        """Draw new dynamics for `ids`; put them at rest at `joint_position`, (n, joints)."""
        self.draw_dynamics(ids)
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self._qpos[np.ix_(ids, self._qpos_index)] = joint_position
        self._ctrl[np.ix_(ids, self._ctrl_index)] = joint_position
        if self.robot.gripper is not None:
            gripper = self.model.joint(PREFIX + self.robot.gripper.joint)
            actuator = self.model.actuator(PREFIX + self.robot.gripper.joint)
            self._qpos[ids, gripper.qposadr[0]] = self.robot.gripper_home
            self._ctrl[ids, actuator.id] = self.robot.gripper_home
        # a delayed actuator reads the past: fill it with the pose that the arm has held
        history = np.tile(self._history_template, (len(ids), 1))
        for actuator_id, place in self._history_places.items():
            history[:, place] = self._ctrl[ids, actuator_id, None]
        self._history[ids] = history
        # the batch counts warnings from its last reset
        self._warnings[ids] = self._count_warnings()[ids]

    def draw_dynamics(self, ids: Ids) -> None:
        """Draw new dynamics for `ids`; the arms stay where they are."""
        self._randomiser.draw(ids, self._generator)

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the dynamics drawn for one simulation, by `quantity/object`."""
        return self._randomiser.drawn(sim)

    def set_command(self, joint_position: Array) -> None:
        """Command joint positions, shape (N, joints), rad; they act after the drawn latency."""
        self._ctrl[:, self._ctrl_index] = joint_position

    def advance(self, physics_steps: int) -> Mask:
        """Step every simulation.

        Returns:
            Which simulations diverged, shape (N,); their state is not to be used.
        """
        failed = np.zeros(self.num_envs, dtype=np.bool_)
        try:
            self._batch.step(nstep=physics_steps)
        except SimulationError as error:
            failed[error.ids] = True
        # MuJoCo resets a diverged simulation by itself and only counts a warning
        warnings = self._count_warnings()
        failed |= warnings > self._warnings
        self._warnings = warnings
        for sim in np.flatnonzero(failed):
            logger.warning("simulation %d diverged; drawn: %s", sim, self.drawn(int(sim)))
        return failed

    def state_vector(self, sim: int) -> Array:
        """Return [time, qpos, qvel] of one simulation."""
        return np.concatenate(
            [np.atleast_1d(self._time[sim]).ravel(), self._qpos[sim], self._qvel[sim]]
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on identically."""
        return {
            "batch": self._batch.state.copy(),
            "randomiser": self._randomiser.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned, in this process or another."""
        self._randomiser.set_state(state["randomiser"])
        self._batch.state[:] = state["batch"]
        # a new batch has counted no warnings yet
        self._warnings = self._count_warnings()

    def _count_warnings(self) -> NDArray[np.int64]:
        """Return how often each simulation was found diverged since its last reset, (N,)."""
        return np.asarray(self._batch.warning[:, _DIVERGED, 1].sum(axis=1), dtype=np.int64)


def _history_layout(model: mujoco.MjModel) -> tuple[Array, dict[int, NDArray[np.intp]]]:
    """Return the history row of a fresh simulation and where each actuator's values stand in it.

    The layout is read off by writing ones, so it does not hang on MuJoCo's internals.
    """
    data = mujoco.MjData(model)
    template = data.history.copy()
    places = {}
    for actuator in range(model.nu):
        samples = int(model.actuator_history[actuator, 0])
        if samples == 0:
            continue
        mujoco.mj_initCtrlHistory(model, data, actuator, None, np.zeros(samples))
        before = data.history.copy()
        mujoco.mj_initCtrlHistory(model, data, actuator, None, np.ones(samples))
        places[actuator] = np.flatnonzero(data.history != before)
    return template, places
