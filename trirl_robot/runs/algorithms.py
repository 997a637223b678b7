"""The algorithms: their settings by name and task, and their learners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from trirl_robot.baselines.airl import Airl, AirlConfig
from trirl_robot.baselines.cloning import BehaviouralCloning, BehaviouralCloningConfig
from trirl_robot.baselines.gail import Gail, GailConfig
from trirl_robot.baselines.ppo import TaskRewardConfig, TaskRewardLearner
from trirl_robot.config import (
    CONFIGS,
    apply_override,
    find_config,
    from_mapping,
    merged,
    names_of,
    read_yaml,
)
from trirl_robot.demos.dataset import Demonstrations
from trirl_robot.errors import ConfigError, unknown_name
from trirl_robot.irl.transfer import FrozenReward, TransferConfig, TransferLearner
from trirl_robot.irl.trirl import Trirl, TrirlConfig
from trirl_robot.rl.policy import GaussianPolicy
from trirl_robot.rl.processes import ALONE, Processes
from trirl_robot.sim.interface import Environments
from trirl_robot.sim.tasks.registry import TaskConfig

AlgorithmConfig = (
    TrirlConfig
    | GailConfig
    | AirlConfig
    | TaskRewardConfig
    | TransferConfig
    | BehaviouralCloningConfig
)

BUILT_IN = CONFIGS / "algorithms"
RECIPES = BUILT_IN / "tasks"
"""Settings that suit a task: for all that learn from rollouts (`on_policy`), and by algorithm."""
SHARED = "on_policy"


class Learner(Protocol):
    """What a run trains."""

    env: Environments
    """The environments to learn in."""
    processes: Processes
    """Which learn together, and the device of this one."""
    iteration: int
    """Iterations that are done."""

    @property
    def averaged(self) -> GaussianPolicy:
        """The policy that is evaluated and exported."""

    def step(self) -> dict[str, float]:
        """Run one iteration; return its metrics."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs to go on bit for bit (on a CPU)."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


def load_algorithm(
    name: str,
    task: TaskConfig,
    overrides: Sequence[str] = (),
    *,
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> AlgorithmConfig:
    """Read the settings of an algorithm for a task.

    A built-in algorithm takes what `configs/algorithms/tasks` holds for the task, or else for its
    kind; a file of the user's stands for itself.

    Args:
        name: built-in name or YAML file.
        task: the task.
        overrides: `key.subkey=value`, applied last.
        defaults: values of settings that no file says anything of.

    Raises:
        ConfigError: unknown algorithm or setting.
    """
    path = find_config("algorithms", name)
    data = merged(defaults, read_yaml(path))
    recipe = _recipe(task.name, task.task)
    if path.parent == BUILT_IN and recipe is not None:
        settings = _read_recipe(recipe)
        name = str(data.get("algorithm"))
        shared = () if name == "bc" else (SHARED,)
        for section in (*shared, name):
            data = merged(data, settings.get(section, {}))
    config: AlgorithmConfig = from_mapping(AlgorithmConfig, data, str(path))  # type: ignore[arg-type]
    if overrides:
        # what is wrong now came with them
        for override in overrides:
            apply_override(data, override)
        config = from_mapping(AlgorithmConfig, data, "--set")  # type: ignore[arg-type]
    return config


def _recipe(*names: str) -> Path | None:
    """Return the first recipe that there is."""
    paths = (RECIPES / f"{name}.yaml" for name in names)
    return next((path for path in paths if path.is_file()), None)


def _read_recipe(path: Path) -> dict[str, Any]:
    """Read a recipe, on top of the one that it extends."""
    settings = read_yaml(path)
    extended = settings.pop("extends", None)
    sections = (SHARED, *names_of("algorithms"))
    for section, part in settings.items():
        if section not in sections:
            raise ConfigError(f"{path}: {unknown_name('section', section, sections)}")
        if not isinstance(part, Mapping):
            raise ConfigError(f"{path}: '{section}' holds no keys and values")
    if extended is None:
        return settings
    return merged(_read_recipe(RECIPES / f"{extended}.yaml"), settings)


def build_learner_of(
    config: AlgorithmConfig,
    demonstrations: Demonstrations | None,
    env: Environments,
    seed: int,
    reward: FrozenReward | None = None,
    processes: Processes = ALONE,
) -> Learner:
    """Build the learner of a configuration, untrained.

    Args:
        config: settings.
        demonstrations: what to imitate; None for an algorithm without.
        env: the environments to learn in, those of this process.
        seed: fixes weights, samples and actions.
        reward: the frozen reward; None for an algorithm without.
        processes: which learn together, and the device of this one.

    Raises:
        ConfigError: it learns from demonstrations or a frozen reward, and there are none.
    """
    if isinstance(config, TaskRewardConfig):
        return TaskRewardLearner(config, env, seed, processes=processes)
    if isinstance(config, TransferConfig):
        if reward is None:
            raise ConfigError(
                "algorithm transfer learns from a frozen reward; run 'trirl transfer reward.onnx'"
            )
        return TransferLearner(config, reward, env, seed, processes)
    if demonstrations is None:
        raise ConfigError(f"algorithm {config.algorithm} learns from demonstrations; name a file")
    if isinstance(config, BehaviouralCloningConfig):
        return BehaviouralCloning(config, demonstrations, env, seed, processes)
    if isinstance(config, GailConfig):
        return Gail(config, demonstrations, env, seed, processes)
    if isinstance(config, AirlConfig):
        return Airl(config, demonstrations, env, seed, processes)
    return Trirl(config, demonstrations, env, seed, processes)
