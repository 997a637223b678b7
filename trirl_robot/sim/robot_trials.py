"""What a robot does when it is tried: reach, hold, follow commands, open and close its gripper."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import ObservationField, PolicyContract
from trirl_robot.sim.robot_driver import Driver, Record
from trirl_robot.sim.robots import RobotConfig
from trirl_robot.sim.scene import PREFIX, compile_scene, contract_of
from trirl_robot.sim.simulation import Simulation
from trirl_robot.sim.wiring import Wiring, home_state, wire

Array = NDArray[np.float64]

FLOOR = "floor"
"""What contacts with the scene's table are counted under."""
HOLD_SECONDS = 5.0
DRIVE_SECONDS = 5.0
SETTLE_SECONDS = 3.0
"""Time that joints get to come to rest after commands have stopped; motion in the last second
against motion in the second before tells dying from growing oscillation [s]."""
PENETRATION_M = 5e-4
"""Overlap from which two parts count as touching; rest poses often graze [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Workspace:
    """Poses drawn evenly between the position limits."""

    points: Array
    """End effector in each pose, base frame, (poses, 3), m."""
    touches_itself: NDArray[np.bool_]
    """Whether parts of the robot touch each other, (poses,)."""
    touches_floor: NDArray[np.bool_]
    """Whether the robot touches the table, (poses,)."""
    pairs: tuple[tuple[str, str, float], ...]
    """Bodies that touch each other and in which share of the poses, most frequent first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Hold:
    """The robot holding its home pose."""

    sag_m: float
    """How far the end effector has moved at the end [m]."""
    joint_error: Array
    """Position less home position at the end, (joints,), rad or m."""
    diverged: bool
    """Whether the simulation broke down."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drive:
    """Random commands within the limits, then stillness; contacts are left out."""

    lag_s: Array
    """Error of position divided by the speed of the command, (joints,), s; for joints that take
    velocities, error of velocity divided by its greatest change."""
    error: Array
    """95 % of errors are less, (joints,), rad or m, or rad/s or m/s."""
    saturated: Array
    """Share of the time at the greatest force, (joints,)."""
    restlessness: Array
    """Speed in the last second of stillness, root mean square, (joints,), rad/s or m/s."""
    growth: Array
    """That speed divided by the one in the second before, (joints,)."""
    diverged: float
    """Share of the simulations that broke down."""
    diverged_in_contact: float
    """The same with contacts."""


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """The gripper, opened and closed."""

    opened: float
    """Position at which it came to rest when opened [rad or m]."""
    closed: float
    """Position at which it came to rest when closed [rad or m]."""


class Trials:
    """One robot in its scene."""

    def __init__(self, robot: RobotConfig) -> None:
        """Compile the scene.

        Raises:
            ConfigError: the robot's file or model is not valid.
        """
        self.robot = robot
        self.model, _ = compile_scene(robot)
        gripper = robot.gripper is not None
        self.wiring: Wiring = wire(robot, self.model, PREFIX, with_gripper=gripper)
        self.contract: PolicyContract = _contract(robot, self.model)
        self.home, self.home_control = home_state(robot, self.model, PREFIX)
        self._site = self.model.site(PREFIX + robot.end_effector_site).id

    def touching_at_home(self) -> list[tuple[str, str]]:
        """Return pairs of bodies that overlap in the home pose."""
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.home
        mujoco.mj_kinematics(self.model, data)
        mujoco.mj_collision(self.model, data)
        return sorted(set(self._touching(data)))

    def end_effector_at_home(self) -> Array:
        """Return where the end effector is in the home pose, (3,), m."""
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.home
        mujoco.mj_kinematics(self.model, data)
        return np.array(data.site_xpos[self._site])

    def workspace(self, poses: int, seed: int = 0) -> Workspace:
        """Draw poses and see where the end effector is and what touches.

        Args:
            poses: how many.
            seed: fixes the poses.
        """
        generator = np.random.default_rng(seed)
        count = len(self.robot.joints)
        limits = self.contract.limits[:count]
        low = [limit.position_min for limit in limits]
        high = [limit.position_max for limit in limits]
        drawn = generator.uniform(low, high, (poses, count))
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.home
        points = np.empty((poses, 3))
        itself, floor = np.zeros((2, poses), dtype=np.bool_)
        counts: Counter[tuple[str, str]] = Counter()
        for i in range(poses):
            data.qpos[self.wiring.qpos_index[:count]] = drawn[i]
            mujoco.mj_kinematics(self.model, data)
            mujoco.mj_collision(self.model, data)
            points[i] = data.site_xpos[self._site]
            pairs = set(self._touching(data))
            floor[i] = any(FLOOR in pair for pair in pairs)
            own = [pair for pair in pairs if FLOOR not in pair]
            itself[i] = bool(own)
            counts.update(own)
        return Workspace(
            points=points,
            touches_itself=itself,
            touches_floor=floor,
            pairs=tuple((*pair, n / poses) for pair, n in counts.most_common()),
        )

    def hold(self) -> Hold:
        """Hold the home pose for `HOLD_SECONDS`."""
        simulation = self._simulation(1)
        steps = round(HOLD_SECONDS / self.model.opt.timestep)
        diverged = bool(simulation.advance(steps).any())
        data = mujoco.MjData(self.model)
        data.qpos[:] = simulation.qpos[0]
        mujoco.mj_kinematics(self.model, data)
        index = self.wiring.qpos_index
        return Hold(
            sag_m=float(np.linalg.norm(data.site_xpos[self._site] - self.end_effector_at_home())),
            joint_error=np.asarray(simulation.qpos[0, index] - self.home[index]),
            diverged=diverged,
        )

    def stroke(self) -> Stroke:
        """Open and close the gripper, as fast as its limits allow, and let it come to rest."""
        gripper = self.robot.gripper
        assert gripper is not None
        simulation = self._simulation(1, contacts=False)
        driver = self._driver(simulation)
        stroke = abs(gripper.open_position - gripper.closed_position)
        reached = []
        for goal in (gripper.open_position, gripper.closed_position):
            for _ in range(driver.cycles(2.0 * stroke / gripper.velocity_limit + 2.0)):
                wish = np.tile(self.home[self.wiring.qpos_index], (1, 1))
                wish[:, -1] = goal
                driver.towards(wish)
            reached.append(float(simulation.qpos[0, self.wiring.qpos_index[-1]]))
        return Stroke(opened=reached[0], closed=reached[1])

    def drive(self, simulations: int = 8, seed: int = 0) -> Drive:
        """Command at random for `DRIVE_SECONDS`, then hold still for `SETTLE_SECONDS`.

        Args:
            simulations: how many, each with commands of its own.
            seed: fixes the commands.
        """
        free = self._driver(self._simulation(simulations, contacts=False))
        contact = self._driver(self._simulation(simulations))
        generator = np.random.default_rng(seed)
        moving = free.run(generator, DRIVE_SECONDS, still=False)
        resting = free.run(generator, SETTLE_SECONDS, still=True)
        contact.run(np.random.default_rng(seed), DRIVE_SECONDS, still=False)
        return _judge(moving, resting, free, float(contact.diverged.mean()))

    def _driver(self, simulation: Simulation) -> Driver:
        return Driver(self.contract, self.wiring, simulation, self.robot.substeps)

    def _simulation(self, simulations: int, *, contacts: bool = True) -> Simulation:
        model = self.model
        if not contacts:
            model = _without_contacts(model)
        made = Simulation(model, simulations)
        made.qpos[:], made.ctrl[:] = self.home, self.home_control
        made.fill_command_history(np.arange(simulations))
        return made

    def _touching(self, data: mujoco.MjData) -> list[tuple[str, str]]:
        contacts = data.contact
        deep = contacts.dist < -PENETRATION_M
        names = []
        for first, second in contacts.geom[deep]:
            pair = sorted(self._owner(int(geom)) for geom in (first, second))
            names.append((pair[0], pair[1]))
        return names

    def _owner(self, geom: int) -> str:
        body = int(self.model.geom_bodyid[geom])
        return self.model.body(body).name.removeprefix(PREFIX) if body else FLOOR


def _judge(moving: Record, resting: Record, driver: Driver, diverged_in_contact: float) -> Drive:
    """Sum up a drive over the simulations that went through it."""
    kept = ~driver.diverged
    second = driver.cycles(1.0)
    if not kept.any():
        nothing = np.full(moving.error.shape[2], np.inf)
        return Drive(
            lag_s=nothing,
            error=nothing,
            saturated=nothing,
            restlessness=nothing,
            growth=nothing,
            diverged=1.0,
            diverged_in_contact=diverged_in_contact,
        )
    error = np.abs(moving.error[:, kept])
    last = _rms(resting.velocity[-second:, kept])
    before = _rms(resting.velocity[-2 * second : -second, kept])
    return Drive(
        lag_s=_rms(error) / np.maximum(_rms(moving.reference[:, kept]), 1e-9),
        error=np.quantile(error, 0.95, axis=(0, 1)),
        saturated=moving.saturated[:, kept].mean(axis=(0, 1)),
        restlessness=last,
        growth=last / np.maximum(before, 1e-12),
        diverged=float(driver.diverged.mean()),
        diverged_in_contact=diverged_in_contact,
    )


def _rms(values: Array) -> Array:
    """Return the root mean square of each joint, (cycles, simulations, joints) to (joints,)."""
    return np.asarray(np.sqrt((values**2).mean(axis=(0, 1))))


def _contract(robot: RobotConfig, model: mujoco.MjModel) -> PolicyContract:
    gripper = robot.gripper is not None
    size = len(robot.joints) + gripper
    field = ObservationField(name="joint_position", size=size, unit="rad", source="joint_position")
    return contract_of(robot, model, (field,), with_gripper=gripper)


def _without_contacts(model: mujoco.MjModel) -> mujoco.MjModel:
    free = copy.copy(model)
    free.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    return free
