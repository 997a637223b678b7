"""Where the episodes of a training begin: the task's starts, or moments of its demonstrations."""

from __future__ import annotations

import numpy as np

from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.errors import ConfigError, DatasetError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.interface import Environments
from trirl_robot.sim.moments import Moments
from trirl_robot.sim.tasks.arm import ArmTask


def begin_in_demonstrations(
    env: Environments, demonstrations: Demonstrations, share: float
) -> None:
    """Let a share of the episodes, in [0, 1], go on from moments of demonstrations.

    Raises:
        ConfigError: the task is one of dm_control, whose states are not recorded.
        DatasetError: the demonstrations were not simulated, or in another scene.
    """
    if share == 0.0:
        return
    if not isinstance(env, BatchEnv):
        raise ConfigError(
            f"demonstrated_starts is {share:g}, but the task is simulated by dm_control, which "
            "cannot begin in a demonstration; set it to 0"
        )
    moments = _moments(demonstrations)
    try:
        if isinstance(env.task, ArmTask) and np.isnan(moments.target).any():
            raise DatasetError("does not say where the target of every demonstration was")
        env.go_on_from(moments, share)
    except DatasetError as error:
        raise DatasetError(f"{demonstrations.path}: {error}; set demonstrated_starts=0") from None


def _moments(demonstrations: Demonstrations) -> Moments:
    """Return all moments at which a demonstration can be taken up."""
    targets = np.array(
        [
            parameters.get("target_position", (np.nan,) * 3)
            for parameters in demonstrations.task_parameters
        ]
    )
    return Moments(
        state=demonstrations.state,
        observation=demonstrations.observation,
        target=np.repeat(targets, demonstrations.lengths, axis=0),
        step=demonstrations.step,
    )
