"""Names of our tasks in Gymnasium: `trirl/NAME-v0` for every file `configs/tasks/NAME.yaml`."""

from __future__ import annotations

import gymnasium

from trirl_robot.config import CONFIGS

NAMESPACE = "trirl"
VERSION = 0
_MODULE = "trirl_robot.sim.adapters"


def register_tasks() -> None:
    """Register the built-in tasks that are not registered yet; no file is read.

    Since 1.0 Gymnasium loads no plug-ins: environments are registered by an import, here of
    `trirl_robot.sim`.
    """
    for path in sorted((CONFIGS / "tasks").glob("*.yaml")):
        name = f"{NAMESPACE}/{path.stem}-v{VERSION}"
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point=f"{_MODULE}.gymnasium_env:GymnasiumEnv",
                vector_entry_point=f"{_MODULE}.gymnasium_vector:GymnasiumVectorEnv",
                kwargs={"task": path.stem},
            )
