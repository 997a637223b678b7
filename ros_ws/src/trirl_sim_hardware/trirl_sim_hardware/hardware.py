"""The simulated arm behind the node: commands in, measurements out, paced by the caller's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError, NonFiniteError
from trirl_robot.files import replaced_atomically
from trirl_robot.sim.arm import ArmSimulation
from trirl_robot.sim.episode_random import EpisodeRandom, Purpose
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.robots import load_robot
from trirl_robot.sim.scene import PREFIX
from trirl_robot.sim.wiring import wire

Array = NDArray[np.float64]

MAXIMUM_CATCH_UP_S = 0.25
"""Longest time that is simulated at once after the process was held up [s]."""
_ONLY = np.array([0], dtype=np.intp)


@dataclass(kw_only=True)
class HardwareLog:
    """What the hardware did and received, kept until the node stops."""

    stamp_s: list[float] = field(default_factory=list)
    """ROS time of each state [s]."""
    state: list[Array] = field(default_factory=list)
    """Simulation states [time, qpos, qvel]."""
    command_stamp_s: list[float] = field(default_factory=list)
    """ROS time of each received command [s]."""
    command: list[Array] = field(default_factory=list)
    """Received commands, each (joints,), before the arm's own limits."""

    def save(self, path: Path, model_xml: str) -> None:
        """Write everything to one .npz file, atomically."""
        with replaced_atomically(path) as temporary, temporary.open("wb") as handle:
            np.savez_compressed(
                handle,
                stamp_s=np.array(self.stamp_s),
                state=np.array(self.state),
                command_stamp_s=np.array(self.command_stamp_s),
                command=np.array(self.command),
                model_xml=np.array(model_xml),
            )


class SimulatedHardware:
    """One arm with drawn dynamics, its encoders, and a watchdog over its commands."""

    def __init__(
        self,
        robot: str,
        randomisation: str,
        *,
        seed: int,
        command_timeout_s: float,
        reading_period_s: float = 0.005,
        keep_log: bool = False,
    ) -> None:
        """Build the arm at its home pose.

        Args:
            robot: robot name or YAML file.
            randomisation: preset of the dynamics that are drawn.
            seed: fixes every draw.
            command_timeout_s: silence after which the arm holds [s].
            reading_period_s: time between two calls of `measure` [s].
            keep_log: whether states and commands are kept; they grow for as long as it runs.

        Raises:
            ConfigError: an unknown robot or preset, a robot whose actuators take velocities, or a
                time-out that is not positive.
        """
        if not command_timeout_s > 0.0:
            raise ConfigError(f"command_timeout_s is {command_timeout_s}, expected more than 0")
        self.robot = load_robot(robot)
        self._random = EpisodeRandom(seed, 1, Purpose.DEPLOYMENT)
        self.arm = ArmSimulation(
            self.robot,
            1,
            randomisation=load_randomisation(randomisation),
            random=self._random,
            nthread=1,
            reading_period_s=reading_period_s,
        )
        self._cycles = np.zeros(1, dtype=np.int64)
        self._cycles_done = 0
        self.draw_dynamics()
        self.log = HardwareLog() if keep_log else None
        self.commands = 0
        self.refused_commands = 0
        self.watchdog_trips = 0
        self.holding = False
        self._timeout_s = command_timeout_s
        self._commanded_s: float | None = None
        model = self.arm.model
        if wire(self.robot, model, PREFIX).takes_velocity.any():
            raise ConfigError(
                f"robot '{self.robot.name}' has actuators that take velocities, and the simulated "
                "hardware has the topics of a position controller; choose a robot with position "
                "actuators, or set actuators: {kind: position} in a file of its own"
            )
        ranges = np.array([model.joint(PREFIX + name).range for name in self.robot.joints])
        self._minimum, self._maximum = ranges.T
        self._start_s: float | None = None
        self._steps_done = 0
        # another order than any contract's, as on real drivers: readers must go by name
        gripper = () if self.robot.gripper is None else (self.robot.gripper.joint,)
        self.joint_names = (*gripper, *reversed(self.robot.joints))

    def command(self, position: Array, now_s: float, stamp_s: float) -> None:
        """Take a command, (joints,), in the robot's order; a malformed one is refused."""
        if position.shape != self._minimum.shape or not np.isfinite(position).all():
            self.refused_commands += 1
            return
        self.commands += 1
        if self.log is not None:
            self.log.command.append(position)
            self.log.command_stamp_s.append(stamp_s)
        self._commanded_s = now_s
        self.holding = False
        command = np.clip(position, self._minimum, self._maximum)[None]
        self.arm.set_command(command, np.zeros_like(command))

    def advance_to(self, now_s: float) -> None:
        """Simulate up to a time of the caller's clock, so that the arm lives in real time.

        Raises:
            NonFiniteError: the simulation diverged.
        """
        step_s = self.robot.physics_timestep_s
        if self._start_s is None:
            self._start_s = now_s
        due = int((now_s - self._start_s) / step_s) - self._steps_done
        if due * step_s > MAXIMUM_CATCH_UP_S:
            skipped = due - int(MAXIMUM_CATCH_UP_S / step_s)
            self._steps_done += skipped
            due -= skipped
        if due > 0:
            self._steps_done += due
            if self.arm.advance(due).any():
                raise NonFiniteError(f"the simulated arm diverged; drawn: {self.drawn()}")
        self._advance_dynamics()
        self._watch(now_s)

    def measure(self) -> tuple[Array, Array]:
        """Return what the encoders report, positions and velocities in `joint_names`' order."""
        arm = self.arm
        arm.measure()
        position = arm.measured_joint_position[0, ::-1]
        velocity = arm.measured_joint_velocity[0, ::-1]
        if self.robot.gripper is None:
            return position, velocity
        joint = arm.model.joint(PREFIX + self.robot.gripper.joint)
        state = arm.simulation.state_vector(0)
        qpos = 1 + int(joint.qposadr[0])
        qvel = 1 + arm.model.nq + int(joint.dofadr[0])
        return np.append(state[qpos], position), np.append(state[qvel], velocity)

    def end_effector(self) -> Array:
        """Return the true end-effector position in the base frame, (3,), m."""
        return np.asarray(self.arm.end_effector_position[0])

    def draw_dynamics(self) -> dict[str, float]:
        """Draw new dynamics; the arm stays where it is."""
        self._random.begin(_ONLY)
        self.arm.draw_dynamics(_ONLY)
        self.arm.begin_measuring(_ONLY)
        self._cycles[:] = 0
        return self.drawn()

    def drawn(self) -> dict[str, float]:
        """Return the dynamics drawn last, by `quantity/object`."""
        return self.arm.drawn(0)

    def record(self, stamp_s: float) -> None:
        """Keep the present state for the log, if there is one."""
        if self.log is not None:
            self.log.stamp_s.append(stamp_s)
            self.log.state.append(self.arm.simulation.state_vector(0))

    def _advance_dynamics(self) -> None:
        """Draw what changes between control cycles, such as jitter and pushes."""
        now_s = self._steps_done * self.robot.physics_timestep_s
        due = int(now_s * self.robot.control.rate_hz + 1e-9)
        for _ in range(due - self._cycles_done):
            self.arm.randomiser.advance(self._cycles)
            self._cycles += 1
        self._cycles_done = due

    def _watch(self, now_s: float) -> None:
        """Hold when commands that had been coming have stopped.

        A position servo holds its last command by itself; what the watchdog adds is that it is
        noticed, counted and shown.
        """
        if self._commanded_s is None or self.holding:
            return
        if now_s - self._commanded_s > self._timeout_s:
            self.holding = True
            self.watchdog_trips += 1
