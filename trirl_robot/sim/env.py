"""The environments of any task, by its parameters or by name."""

from __future__ import annotations

from trirl_robot.errors import ConfigError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.sim.foreign.config import DmControlConfig
from trirl_robot.sim.foreign.env import DmControlEnv
from trirl_robot.sim.interface import Environments, Place
from trirl_robot.sim.randomisation.config import RandomisationConfig, load_randomisation
from trirl_robot.sim.tasks.registry import TaskConfig, load_task


def build_env(
    task: TaskConfig,
    num_envs: int,
    *,
    randomisation: RandomisationConfig,
    seed: int,
    nthread: int = 0,
    autoreset: bool = True,
    purpose: Purpose = Purpose.TRAINING,
    place: Place | None = None,
) -> Environments:
    """Build the environments of any task; see `BatchEnv` and `DmControlEnv`."""
    if isinstance(task, DmControlConfig):
        return DmControlEnv(
            task,
            num_envs,
            randomisation=randomisation,
            seed=seed,
            autoreset=autoreset,
            purpose=purpose,
            place=place,
        )
    return BatchEnv(
        task,
        num_envs,
        randomisation=randomisation,
        seed=seed,
        nthread=nthread,
        autoreset=autoreset,
        purpose=purpose,
        place=place,
    )


def make_env(
    task: str,
    *,
    num_envs: int,
    randomisation: str = "light",
    seed: int = 0,
    nthread: int = 0,
    autoreset: bool = True,
    purpose: Purpose = Purpose.TRAINING,
) -> Environments:
    """Build the environments of any task by name.

    Args:
        task: task name, YAML file, or a name of dm_control such as `dm_control:cartpole-swingup`.
        num_envs: number of environments.
        randomisation: preset name or YAML file.
        seed: fixes everything that is drawn.
        nthread: threads to step on, for a task of ours; 0 for all cores.
        autoreset: start a new episode within the step in which one ends.
        purpose: what the environments are for; see `Purpose`.
    """
    return build_env(
        load_task(task),
        num_envs,
        randomisation=load_randomisation(randomisation),
        seed=seed,
        nthread=nthread,
        autoreset=autoreset,
        purpose=purpose,
    )


def make_batch(
    task: str,
    *,
    num_envs: int,
    randomisation: str = "light",
    seed: int = 0,
    nthread: int = 0,
    autoreset: bool = True,
    purpose: Purpose = Purpose.TRAINING,
) -> BatchEnv:
    """Build the environments of a task of ours by name; arguments as of `make_env`.

    Raises:
        ConfigError: unknown task or randomisation, or a task of dm_control.
    """
    env = make_env(
        task,
        num_envs=num_envs,
        randomisation=randomisation,
        seed=seed,
        nthread=nthread,
        autoreset=autoreset,
        purpose=purpose,
    )
    if not isinstance(env, BatchEnv):
        raise ConfigError(
            f"task '{task}' is simulated by dm_control; expected one of ours, as "
            "'trirl tasks' lists them"
        )
    return env
