"""The scripted operator: for each kind of task, one that knows what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from teleop.devices.base import Device, DeviceContext
from teleop.operators.lift import LiftOperator
from teleop.operators.place import PlaceOperator
from teleop.operators.push import PushOperator
from teleop.operators.reach import ReachOperator
from trirl_robot.errors import ConfigError
from trirl_robot.sim.tasks.lift import LiftConfig
from trirl_robot.sim.tasks.place import PlaceConfig
from trirl_robot.sim.tasks.push import PushConfig
from trirl_robot.sim.tasks.reach import ReachConfig

OPERATORS: dict[type[Any], Callable[[DeviceContext], Device]] = {
    ReachConfig: ReachOperator,
    PushConfig: PushOperator,
    LiftConfig: LiftOperator,
    PlaceConfig: PlaceOperator,
}
"""Who does each kind of task."""


def scripted_operator(context: DeviceContext) -> Device:
    """Return the operator of a task.

    Raises:
        ConfigError: nobody knows the task, or the robot does not say what the operator needs.
    """
    if type(context.task) not in OPERATORS:
        known = ", ".join(kind.task for kind in OPERATORS)
        raise ConfigError(
            f"the scripted operator does not know tasks of the kind '{context.task.task}'; it "
            f"knows {known}"
        )
    return OPERATORS[type(context.task)](context)
