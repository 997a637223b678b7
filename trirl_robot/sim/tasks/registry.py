"""All kinds of tasks, and their parameters read from YAML."""

from __future__ import annotations

from trirl_robot.config import find_config, from_mapping, read_yaml
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.sim.episode_random import EpisodeRandom
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.tasks.reach import ReachConfig, ReachTask
from trirl_robot.sim.tasks.task import Task

TaskConfig = ReachConfig

_TASKS: dict[str, tuple[type[TaskConfig], type[Task]]] = {
    "reach": (ReachConfig, ReachTask),
}


def load_task(name: str) -> TaskConfig:
    """Read a task by built-in name or from a YAML file.

    Raises:
        ConfigError: unknown name, or a file that is not a valid task.
    """
    path = find_config("tasks", name)
    data = read_yaml(path)
    kind = data.get("task")
    if kind is None:
        raise ConfigError(f"{path}: key 'task' is missing; expected one of {', '.join(_TASKS)}")
    if kind not in _TASKS:
        raise ConfigError(f"{path}: {unknown_name('kind of task', str(kind), _TASKS)}")
    return from_mapping(_TASKS[kind][0], data, str(path))


def build_task(
    config: TaskConfig,
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
    return _TASKS[config.task][1](  # type: ignore[call-arg]
        config, num_envs, randomisation=randomisation, random=random, nthread=nthread
    )
