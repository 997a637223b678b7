"""Tasks of dm_control by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trirl_robot.config import require
from trirl_robot.errors import ConfigError

PREFIX = "dm_control:"
"""What the names of dm_control's tasks begin with here."""
MANIPULATION = "manipulation/"
"""What tells tasks of `dm_control.manipulation` from those of the suite."""


@dataclass(frozen=True, kw_only=True)
class DmControlConfig:
    """A task of dm_control; its reward, start and end are dm_control's."""

    task: Literal["dm_control"] = "dm_control"
    """Kind of task."""
    name: str
    """`dm_control:DOMAIN-TASK` for one of the suite, such as `dm_control:cartpole-swingup`, and
    `dm_control:manipulation/TASK` for one of `dm_control.manipulation`."""
    max_episode_steps: int | None = None
    """Control steps in an episode; dm_control's own time limit by default."""
    success_reward: float = 0.9
    """Reward of a step from which on the task counts as fulfilled in it; ours, as rewards of
    dm_control are at most 1 and nothing else tells."""
    processes: int = 0
    """Processes that share the environments; 0 for all cores. Results do not depend on it."""

    def __post_init__(self) -> None:
        """Check name and ranges."""
        require(self, "0 or more", lambda v: v >= 0, "processes")
        require(self, "1 or more", lambda v: v is None or v >= 1, "max_episode_steps")
        if not self.name.startswith(PREFIX) or not (self.in_manipulation or "-" in self.level):
            raise ConfigError(
                f"name is '{self.name}', expected {PREFIX}DOMAIN-TASK or {PREFIX}{MANIPULATION}TASK"
            )

    @property
    def in_manipulation(self) -> bool:
        """Whether the task is one of `dm_control.manipulation`."""
        return self.name.startswith(PREFIX + MANIPULATION)

    @property
    def level(self) -> str:
        """Name of the task in the suite (`DOMAIN-TASK`) or in `dm_control.manipulation`."""
        return self.name.removeprefix(PREFIX).removeprefix(MANIPULATION)
