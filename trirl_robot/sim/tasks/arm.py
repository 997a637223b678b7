"""What all tasks of an arm share: commands within limits, sensors, and the observation."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trirl_robot.command import ActionMapping, limit_commands
from trirl_robot.contract import PER_JOINT_SOURCES, ObservationField, PolicyContract
from trirl_robot.observation import ObservationBuilder, Signals
from trirl_robot.sim.arm import EVERYTHING, ArmSimulation, Furnish, ObjectSignals, Rows
from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.moments import Moments
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.robots import RobotConfig, load_robot
from trirl_robot.sim.scene import contract_of
from trirl_robot.sim.tasks.task import Task

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

LIMIT_COMMANDS = compiled(limit_commands)


class ArmTaskConfig(Protocol):
    """What the parameters of every arm task hold."""

    @property
    def name(self) -> str:
        """Name of the task."""

    @property
    def robot(self) -> str:
        """Robot, by built-in name or file."""

    @property
    def duration_s(self) -> float:
        """Length of an episode [s]."""


class ArmTask(Task):
    """A task of one arm; what it is about stands in the classes derived from this."""

    def __init__(
        self,
        config: ArmTaskConfig,
        num_envs: int,
        *,
        randomisation: RandomisationConfig,
        random: EpisodeRandom,
        nthread: int = 0,
        with_gripper: bool = False,
        furnish: Furnish | None = None,
        objects: ObjectSignals | None = None,
    ) -> None:
        """Build the simulations; see `ArmSimulation`."""
        robot = load_robot(config.robot)
        self.random = random
        self.arm = ArmSimulation(
            robot,
            num_envs,
            randomisation=randomisation,
            random=random,
            nthread=nthread,
            with_gripper=with_gripper,
            furnish=furnish,
            objects=objects,
        )
        self.simulation, self.randomiser = self.arm.simulation, self.arm.randomiser
        self.model_xml = self.arm.model_xml
        self.substeps = robot.substeps
        self.max_episode_steps = round(config.duration_s * robot.control.rate_hz)
        self.contract = contract_of(
            robot, self.arm.model, self.observation_fields(robot), with_gripper=with_gripper
        )
        self.components = {f.name: _components(f, self.contract) for f in self.contract.observation}
        self._builder = ObservationBuilder(self.contract)
        self._mapping = ActionMapping(self.contract, loop=LIMIT_COMMANDS)
        shape = (num_envs, len(self.arm.joint_names))
        self.command = np.zeros(shape)
        self._command_velocity = np.zeros(shape)
        self._by_velocity = self.arm.takes_velocity
        self._previous_action = np.zeros((num_envs, self.contract.action_size))
        self._target_position = np.zeros((num_envs, 3))

    @abstractmethod
    def observation_fields(self, robot: RobotConfig) -> tuple[ObservationField, ...]:
        """Return what a policy is shown, of what a real arm knows."""

    @abstractmethod
    def draw_start(self, ids: Ids) -> Array:
        """Draw start and target of new episodes; return start poses, (n, joints), rad or m."""

    def place_objects(self, ids: Ids) -> None:
        """Write the initial state of the scene's objects; the arm has been placed."""

    def show_target(self, ids: Ids) -> None:
        """Put the target's mark, if there is one, where the target is."""

    def object_signals(self, rows: Rows) -> dict[str, Array]:
        """Return observation sources beyond the arm's own, by name, (n, size) each."""
        del rows
        return {}

    @property
    def target_position(self) -> Array:
        """Targets in the base frame, (N, 3), m."""
        return self._target_position

    def start(self, ids: Ids) -> None:
        """Draw and write the initial state of new episodes in `ids`."""
        pose = self.draw_start(ids)
        self.arm.reset(ids, pose)
        self.place_objects(ids)
        self.arm.begin_measuring(ids)
        self.command[ids] = self.arm.encoder_position(ids, pose)
        self._command_velocity[ids] = 0.0
        self._previous_action[ids] = 0.0

    def go_on(self, ids: Ids, moments: Moments) -> None:
        """Let episodes in `ids` go on from `moments`, one each.

        Joints are commanded as far from where they are as they were then.
        """
        self._target_position[ids] = moments.target
        self.show_target(ids)
        place = self.contract.observation_slices
        lead = (
            moments.observation[:, place["joint_command"]]
            - moments.observation[:, place["joint_position"]]
        )
        command = self.arm.go_on(ids, moments.state[:, 1:], lead)
        self.arm.begin_measuring(ids)
        self.command[ids] = command
        self._command_velocity[ids] = 0.0
        self._previous_action[ids] = moments.observation[:, place["previous_action"]]

    def apply(self, action: Array) -> None:
        """Command the joints, within the contract's limits, by actions (N, m) in [-1, 1]."""
        limited = self._mapping.command(action, self.command, self._command_velocity)
        self.command = limited.position
        self._command_velocity = limited.velocity
        self._previous_action = limited.actions[1]
        self.arm.set_command(limited.position, limited.velocity)
        self.randomiser.advance(self.arm.readings)

    def measure(self) -> None:
        """Read the sensors, once a control step."""
        self.arm.measure()
        if self._by_velocity.any():
            # nothing holds such a joint where the sum of its commands is
            measured = self.arm.measured_joint_position
            self.command = np.where(self._by_velocity, measured, self.command)

    def observe(self, rows: Rows = EVERYTHING) -> Array:
        """Return the observations of some environments, (n, observation size)."""
        arm = self.arm
        return self._builder.build(
            Signals(
                joint_position=arm.measured_joint_position[rows],
                joint_velocity=arm.measured_joint_velocity[rows],
                joint_command=self.command[rows],
                previous_action=self._previous_action[rows],
                target_position=self._target_position[rows],
                end_effector_position=arm.measured_end_effector_position[rows],
                **self.object_signals(rows),
            )
        )

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs to go on bit for bit."""
        return {
            "arm": self.arm.get_state(),
            "command": self.command.copy(),
            "command_velocity": self._command_velocity.copy(),
            "previous_action": self._previous_action.copy(),
            "target_position": self._target_position.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self.arm.set_state(state["arm"])
        self.command = state["command"].copy()
        self._command_velocity = state["command_velocity"].copy()
        self._previous_action = state["previous_action"].copy()
        self._target_position[:] = state["target_position"]


def _components(field: ObservationField, contract: PolicyContract) -> tuple[str, ...]:
    if field.source in PER_JOINT_SOURCES:
        return contract.joint_names
    return ("w", "x", "y", "z") if field.size == 4 else ("x", "y", "z")
