"""All kinds of tasks, and their parameters read from YAML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trirl_robot.config import find_config, load
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.foreign.config import PREFIX, DmControlConfig
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.tasks.lift import LiftConfig, LiftTask
from trirl_robot.sim.tasks.locomotion.ant import AntConfig, AntTask
from trirl_robot.sim.tasks.locomotion.double_pendulum import (
    DoublePendulumConfig,
    DoublePendulumTask,
)
from trirl_robot.sim.tasks.locomotion.humanoid import HumanoidConfig, HumanoidTask
from trirl_robot.sim.tasks.locomotion.pusher import PusherConfig, PusherTask
from trirl_robot.sim.tasks.locomotion.reacher import ReacherConfig, ReacherTask
from trirl_robot.sim.tasks.locomotion.runners import (
    HalfCheetahConfig,
    HalfCheetahTask,
    SwimmerConfig,
    SwimmerTask,
)
from trirl_robot.sim.tasks.locomotion.walkers import (
    HopperConfig,
    HopperTask,
    Walker2dConfig,
    Walker2dTask,
)
from trirl_robot.sim.tasks.place import PlaceConfig, PlaceTask
from trirl_robot.sim.tasks.point_maze import PointMazeConfig, PointMazeTask
from trirl_robot.sim.tasks.push import PushConfig, PushTask
from trirl_robot.sim.tasks.reach import ReachConfig, ReachTask
from trirl_robot.sim.tasks.task import Task

OurTaskConfig = (
    ReachConfig
    | PushConfig
    | LiftConfig
    | PlaceConfig
    | HalfCheetahConfig
    | HopperConfig
    | Walker2dConfig
    | AntConfig
    | HumanoidConfig
    | SwimmerConfig
    | ReacherConfig
    | PusherConfig
    | DoublePendulumConfig
    | PointMazeConfig
)
"""Parameters of a task that MuJoCo's batch steps; the first field, `task`, tells which."""

TaskConfig = OurTaskConfig | DmControlConfig
"""Parameters of any task."""

_TASKS: dict[type[Any], Callable[..., Task]] = {
    ReachConfig: ReachTask,
    PushConfig: PushTask,
    LiftConfig: LiftTask,
    PlaceConfig: PlaceTask,
    HalfCheetahConfig: HalfCheetahTask,
    HopperConfig: HopperTask,
    Walker2dConfig: Walker2dTask,
    AntConfig: AntTask,
    HumanoidConfig: HumanoidTask,
    SwimmerConfig: SwimmerTask,
    ReacherConfig: ReacherTask,
    PusherConfig: PusherTask,
    DoublePendulumConfig: DoublePendulumTask,
    PointMazeConfig: PointMazeTask,
}


def load_task(name: str) -> TaskConfig:
    """Return a task.

    Args:
        name: built-in name, a YAML file, or one of dm_control's (see `DmControlConfig`).

    Raises:
        ConfigError: unknown name, or a file that is not a valid task.
    """
    if name.startswith(PREFIX):
        return DmControlConfig(name=name)
    any_task: Any = TaskConfig
    path = find_config("tasks", name)
    config: Any = load(any_task, path)
    robot = getattr(config, "robot", "")
    beside = path.parent / robot
    if robot.endswith((".yaml", ".yml", ".xml", ".urdf")) and beside.is_file():
        # a file counts from the task's folder, and is then found from anywhere
        config = replace(config, robot=str(beside.resolve()))
    loaded: TaskConfig = config
    return loaded


def build_task(
    config: OurTaskConfig,
    num_envs: int,
    *,
    randomisation: RandomisationConfig,
    random: EpisodeRandom,
    nthread: int = 0,
) -> Task:
    """Build the simulations of a task.

    Args:
        config: the task.
        num_envs: number of simulations.
        randomisation: dynamics to draw at each reset.
        random: source of every draw.
        nthread: threads to step on; 0 for all cores.
    """
    return _TASKS[type(config)](
        config, num_envs, randomisation=randomisation, random=random, nthread=nthread
    )
