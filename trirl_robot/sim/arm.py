"""A batch of simulated arms: joints by name, sensors with errors, dynamics of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.kinematics import ForwardKinematics, move_tip
from trirl_robot.sim.compiled import compiled, count
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.joint_loops import collect_poses, read_joints, write_controls
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.preparation import prepare_spec
from trirl_robot.sim.randomisation.quantities.quantity import Subject
from trirl_robot.sim.randomisation.randomiser import Randomiser
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.scene import PREFIX, compile_scene, kinematics_of
from trirl_robot.sim.sensors import Sensors
from trirl_robot.sim.simulation import Simulation
from trirl_robot.sim.wiring import home_state, wire

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]
Rows = Ids | slice

EVERYTHING = slice(None)
MOVE_TIPS = compiled(move_tip)

Furnish = Callable[[mujoco.MjSpec], None]
"""Adds a task's objects to the scene."""


class ObjectSignals:
    """What is measured of the scene's objects, beside the arm itself."""

    def __init__(self, names: Sequence[str], read: Callable[[Simulation, Rows], Array]) -> None:
        """Describe the signals.

        Args:
            names: components, such as `object_position.x`.
            read: simulation and rows to true values, shape (n, components).
        """
        self.names = tuple(names)
        self.read = read


class ArmSimulation:
    """Simulations of one robot; per-joint vectors are in the order of `joint_names`.

    Properties are the truth; `measured_*` is what the robot's sensors reported last.
    """

    def __init__(
        self,
        robot: RobotConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        random: EpisodeRandom,
        nthread: int = 0,
        with_gripper: bool = False,
        furnish: Furnish | None = None,
        objects: ObjectSignals | None = None,
        reading_period_s: float | None = None,
    ) -> None:
        """Compile the scene and allocate the batch.

        Args:
            robot: the robot.
            num_envs: number of simulations.
            randomisation: what is drawn at each reset.
            random: source of every draw.
            nthread: threads to step on; 0 for all cores.
            with_gripper: whether the gripper is commanded, as the last joint.
            furnish: adds objects to the scene.
            objects: what is measured of them.
            reading_period_s: time between two readings of the sensors [s]; the control period by
                default.
        """
        self.robot = robot
        self.num_envs = num_envs
        hand_site = PREFIX + robot.end_effector_site

        def complete(spec: mujoco.MjSpec) -> None:
            if furnish is not None:
                furnish(spec)
            prepare_spec(spec, randomisation, hand_site=hand_site)

        self.model, self.model_xml = compile_scene(robot, complete)
        self.simulation = Simulation(self.model, num_envs, nthread=nthread)
        self._wiring = wire(robot, self.model, PREFIX, with_gripper=with_gripper)
        self._whole = wire(robot, self.model, PREFIX, with_gripper=robot.gripper is not None)
        self._home_state = home_state(robot, self.model, PREFIX)
        self.joint_names = self._wiring.joint_names
        self._qpos_index, self._dof_index = self._wiring.qpos_index, self._wiring.dof_index
        self._chain_index = self._qpos_index[: len(robot.joints)]
        self._objects = objects
        names = [
            f"{signal}.{joint}"
            for signal in ("joint_position", "joint_velocity")
            for joint in self.joint_names
        ] + list(objects.names if objects else ())
        subject = Subject(
            model=self.model,
            period_s=1.0 / robot.control.rate_hz,
            signals=tuple(names),
            encoders=self.joint_names,
            hand=self.model.body(self.model.site(hand_site).bodyid[0]).name,
        )
        self.randomiser = Randomiser(self.simulation, randomisation, random, subject)
        bias = self.randomiser.own("encoder_bias_rad")
        self._encoder_bias = np.zeros((num_envs, len(self.joint_names))) if bias is None else bias
        self._sensors = Sensors(
            self.randomiser,
            random,
            (num_envs, len(names)),
            reading_period_s or 1.0 / robot.control.rate_hz,
        )
        self._kinematics = ForwardKinematics(
            kinematics_of(robot, self.model), robot.joints, loop=MOVE_TIPS
        )
        self.readings = np.zeros(num_envs, dtype=np.int64)
        """How often the sensors have been read since each episode's start, (N,)."""
        self._everyone = np.arange(num_envs)
        self._measured = np.zeros((num_envs, len(names)))
        self._end_effector = np.zeros((2, num_envs, 3))
        self.place(self._everyone, np.tile(self.home_position, (num_envs, 1)))
        self.begin_measuring(self._everyone)

    @property
    def home_position(self) -> Array:
        """Home pose, (joints,), rad or m."""
        return np.asarray(self._home_state[0][self._qpos_index])

    @property
    def takes_velocity(self) -> Mask:
        """Whether a joint's actuators are sent velocities, (joints,); otherwise positions."""
        return self._wiring.joint_takes_velocity

    @property
    def joint_position(self) -> Array:
        """True joint positions, (N, joints), rad or m."""
        return np.asarray(self.simulation.qpos[:, self._qpos_index])

    @property
    def joint_velocity(self) -> Array:
        """True joint velocities, (N, joints), rad/s or m/s."""
        return np.asarray(self.simulation.qvel[:, self._dof_index])

    @property
    def end_effector_position(self) -> Array:
        """True end-effector positions at the last reading, base frame, (N, 3), m."""
        return np.asarray(self._end_effector[0])

    @property
    def measured_joint_position(self) -> Array:
        """Joint positions as measured last, (N, joints), rad or m."""
        return self._measured[:, : len(self.joint_names)]

    @property
    def measured_joint_velocity(self) -> Array:
        """Joint velocities as measured last, (N, joints), rad/s or m/s."""
        return self._measured[:, len(self.joint_names) : 2 * len(self.joint_names)]

    @property
    def measured_end_effector_position(self) -> Array:
        """End-effector positions for the measured joint positions, base frame, (N, 3), m."""
        return np.asarray(self._end_effector[1])

    @property
    def measured_objects(self) -> Array:
        """What was measured last of the scene's objects, (N, components)."""
        return self._measured[:, 2 * len(self.joint_names) :]

    def end_effector_at(self, joint_position: Array) -> Array:
        """Return end-effector positions for given arm positions, (..., arm joints) to (..., 3)."""
        return self._kinematics.end_effector_position(joint_position)

    def encoder_position(self, ids: Ids, joint_position: Array) -> Array:
        """Return what encoders show at true positions, (n, joints): they may be offset."""
        return np.asarray(joint_position + self._encoder_bias[ids])

    def reset(self, ids: Ids, joint_position: Array) -> None:
        """Draw new dynamics for `ids`; put the arms at rest at `joint_position`, (n, joints).

        What else is in the scene goes to its initial place. Call `begin_measuring` when the whole
        state is written.
        """
        self.simulation.reset(ids)
        self.randomiser.start(ids)
        self.place(ids, joint_position)
        self.randomiser.perturb_initial_state(ids)

    def place(self, ids: Ids, joint_position: Array) -> None:
        """Put the arms of `ids` at rest at `joint_position`, (n, joints), and let them hold it."""
        simulation, rows = self.simulation, ids[:, None]
        # a gripper that nobody commands stays at home
        qpos, ctrl = self._home_state
        simulation.qpos[rows, self._whole.position_index] = qpos[self._whole.position_index]
        simulation.ctrl[ids] = ctrl
        wiring = self._wiring
        simulation.qpos[rows, wiring.position_index] = wiring.positions(joint_position)
        simulation.qvel[rows, self._dof_index] = 0.0
        still = np.zeros_like(joint_position)
        simulation.ctrl[rows, wiring.control_index] = wiring.controls(joint_position, still)
        # a delayed actuator reads the past: fill it with the pose that the arm has held
        simulation.fill_command_history(ids)

    def go_on(self, ids: Ids, motion: Array, lead: Array) -> Array:
        """Put simulations of `ids` in motion; return the commands that joints then have.

        Call `begin_measuring` after it.

        Args:
            ids: the simulations.
            motion: positions, then velocities, of the whole scene, (n, nq + nv).
            lead: how far commands are ahead of joints, (n, joints), rad or m.

        Returns:
            Commands as encoders count, (n, joints), rad or m.
        """
        simulation, wiring = self.simulation, self._wiring
        simulation.motion[ids] = motion
        position = simulation.qpos[ids[:, None], self._qpos_index]
        still = np.zeros_like(position)
        controls = wiring.controls(position + lead, still)
        simulation.ctrl[ids[:, None], wiring.control_index] = controls
        simulation.fill_command_history(ids)
        return self.encoder_position(ids, position + lead)

    def draw_dynamics(self, ids: Ids) -> None:
        """Draw new dynamics for `ids`; the arms stay where they are."""
        self.randomiser.start(ids)

    def drawn(self, sim: int) -> dict[str, float]:
        """Return the dynamics drawn for one simulation, by `quantity/object`."""
        return self.randomiser.drawn(sim)

    def set_command(self, joint_position: Array, joint_velocity: Array) -> None:
        """Command the joints; it acts after the drawn latency.

        Args:
            joint_position: for joints whose actuators take positions, (N, joints), rad or m.
            joint_velocity: for those whose actuators take velocities, (N, joints), rad/s or m/s.
        """
        wiring = self._wiring
        write_controls(
            *(joint_position, joint_velocity, self._encoder_bias),
            *(wiring.control_source, wiring.takes_velocity, wiring.control_ratio),
            *(wiring.control_index, self.simulation.ctrl),
        )

    def advance(self, physics_steps: int) -> Mask:
        """Step every simulation; return which have diverged, (N,)."""
        return self.simulation.advance(physics_steps)

    def begin_measuring(self, ids: Ids) -> None:
        """Take the first readings of new episodes in `ids`."""
        self.readings[ids] = 0
        self._measured[ids] = self._sensors.start(ids, self._signals(ids), self.readings)
        self._locate(ids)

    def measure(self) -> None:
        """Read all sensors, once a control step."""
        count(self.readings)
        self._measured = self._sensors.read(self._signals(self._everyone), self.readings)
        self._locate(self._everyone)

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on identically."""
        return {
            "simulation": self.simulation.get_state(),
            "randomiser": self.randomiser.get_state(),
            "sensors": self._sensors.get_state(),
            "readings": self.readings.copy(),
            "measured": self._measured.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned, in this process or another."""
        self.readings[:] = state["readings"]
        self.randomiser.set_state(state["randomiser"])
        self.simulation.set_state(state["simulation"])
        self._sensors.set_state(state["sensors"])
        self._measured = state["measured"].copy()
        self._locate(self._everyone)

    def _signals(self, ids: Ids) -> Array:
        """Return true values of everything that is measured, (n, signals)."""
        simulation = self.simulation
        signals = np.empty((len(ids), self._measured.shape[1]))
        indices = (self._qpos_index, self._dof_index)
        read_joints(simulation.qpos, simulation.qvel, ids, *indices, self._encoder_bias, signals)
        if self._objects is not None:
            signals[:, 2 * len(self.joint_names) :] = self._objects.read(simulation, ids)
        return signals

    def _locate(self, ids: Ids) -> None:
        """Compute where the end effectors of `ids` are, in truth and as measured."""
        poses = np.empty((2, len(ids), len(self._chain_index)))
        collect_poses(self.simulation.qpos, self._chain_index, self._measured, ids, poses)
        places = self._kinematics.end_effector_position(poses)
        if ids is self._everyone:
            self._end_effector = places
        else:
            self._end_effector[:, ids] = places
