"""Records of episodes, from which they run again bit for bit.

An episode is a function of its key (see `EpisodeKey`), its task, its randomisation and its actions;
neither the batch that it was part of, nor threads, nor its place there matter.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from trirl_robot.config import from_mapping, to_mapping
from trirl_robot.demos.schema import Demonstration
from trirl_robot.errors import ConfigError, ContractError, DatasetError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.episode_random import EpisodeKey
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.tasks.registry import OurTaskConfig

Array = NDArray[np.float64]

IN_DEMONSTRATION = "origin"
"""Key of a demonstration's task parameters that holds the mapping of its `EpisodeOrigin`."""


@dataclass(frozen=True, kw_only=True)
class EpisodeOrigin:
    """What an episode was begun from."""

    task: OurTaskConfig
    """The task."""
    randomisation: RandomisationConfig
    """Dynamics that were drawn."""
    key: EpisodeKey
    """What names its random numbers."""
    contract_sha256: str
    """Hash of the contract, by which another observation or action is noticed."""
    model_sha256: str
    """Hash of scene and substeps, by which a robot's file that has changed since is noticed."""
    mujoco_version: str
    """Version of MuJoCo; another one may compute another episode."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeRecord:
    """Everything that an episode of T steps can be run again from."""

    origin: EpisodeOrigin
    """What it was begun from."""
    actions: Array
    """What was done, (T, m)."""

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; actions keep every bit."""
        return {"origin": origin_to_mapping(self.origin), "actions": actions_to_plain(self.actions)}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], where: str) -> EpisodeRecord:
        """Read what `to_mapping` returned.

        Args:
            data: the mapping.
            where: how messages name the place, such as the file.

        Raises:
            ConfigError: an unknown or missing key, or a value of the wrong type.
        """
        for name in ("origin", "actions"):
            if not isinstance(data.get(name), Mapping):
                raise ConfigError(f"{where}: key '{name}' is missing; expected an episode's record")
        return cls(
            origin=from_mapping(EpisodeOrigin, data["origin"], f"{where}: origin"),
            actions=actions_from_plain(data["actions"], f"{where}: actions"),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """What happened when an episode of T steps was run again."""

    observation: Array
    """At the start and after each action, (T + 1, n)."""
    state: Array
    """[time, qpos, qvel] at the start and after each action, (T + 1, k)."""
    reward: Array
    """The task's own reward, (T,)."""
    terminated: NDArray[np.bool_]
    """The episode ended in an absorbing state, (T,)."""
    success: NDArray[np.bool_]
    """The task was fulfilled, (T,)."""


def origin_of(env: BatchEnv, sim: int) -> EpisodeOrigin:
    """Return what the present episode of one environment was begun from."""
    return EpisodeOrigin(
        task=env.task_config,
        randomisation=env.randomisation,
        key=env.episode_key(sim),
        contract_sha256=env.contract.sha256,
        model_sha256=_model_sha256(env),
        mujoco_version=mujoco.__version__,
    )


def replay(record: EpisodeRecord) -> Replay:
    """Run an episode again, alone.

    Raises:
        ContractError: robot, task or MuJoCo's version have changed since the record was made.
        ConfigError: actions of another size than the task's.
    """
    origin = record.origin
    env = BatchEnv(
        origin.task,
        1,
        randomisation=origin.randomisation,
        seed=origin.key.seed,
        nthread=1,
        autoreset=False,
    )
    _check_unchanged(origin, env)
    if record.actions.shape[1:] != (env.contract.action_size,):
        raise ConfigError(
            f"the record's actions have the shape {record.actions.shape}, expected "
            f"(steps, {env.contract.action_size})"
        )
    observation, state = [env.repeat(origin.key)[0]], [env.state_vector(0)]
    steps = []
    for action in record.actions:
        step = env.step(action[None])
        steps.append((step.reward[0], step.terminated[0], step.success[0]))
        observation.append(step.final_observation[0])
        state.append(env.state_vector(0))
    reward, terminated, success = zip(*steps, strict=True) if steps else ((), (), ())
    return Replay(
        observation=np.array(observation),
        state=np.array(state),
        reward=np.array(reward, dtype=np.float64),
        terminated=np.array(terminated, dtype=np.bool_),
        success=np.array(success, dtype=np.bool_),
    )


def record_of(demo: Demonstration, where: str) -> EpisodeRecord:
    """Return the record of a demonstration.

    Args:
        demo: the demonstration.
        where: how messages name it.

    Raises:
        DatasetError: it was not made in simulation, or by a version that kept no record.
        ConfigError: the record is not valid.
    """
    origin = demo.metadata.task_parameters.get(IN_DEMONSTRATION)
    if not demo.action.shape[1]:
        raise DatasetError(f"{where}: holds no actions, without which it cannot be replayed")
    if not isinstance(origin, Mapping):
        raise DatasetError(
            f"{where}: holds no record to replay it from; only demonstrations that were made in "
            "simulation, by this version or a later one, do"
        )
    return EpisodeRecord(
        origin=from_mapping(EpisodeOrigin, origin, f"{where}: {IN_DEMONSTRATION}"),
        actions=demo.action,
    )


def origin_to_mapping(origin: EpisodeOrigin) -> dict[str, Any]:
    """Return plain data from which `from_mapping` builds an equal origin; nothing that is None."""
    plain: dict[str, Any] = _without_none(to_mapping(origin))
    return plain


def actions_to_plain(actions: Array) -> dict[str, Any]:
    """Return actions (T, m) as shape and base64 of little-endian 64-bit numbers."""
    data = np.ascontiguousarray(actions, dtype="<f8").tobytes()
    return {"shape": list(actions.shape), "float64": base64.b64encode(data).decode()}


def actions_from_plain(plain: Mapping[str, Any], where: str) -> Array:
    """Read what `actions_to_plain` returned.

    Raises:
        ConfigError: shape and data do not belong together.
    """
    try:
        data = base64.b64decode(plain["float64"], validate=True)
        return np.frombuffer(data, dtype="<f8").reshape(plain["shape"]).astype(np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{where}: expected 'shape' and, in base64, 'float64' numbers for it ({error})"
        ) from None


def _model_sha256(env: BatchEnv) -> str:
    """Return the hash of what physics steps; the XML names meshes, so their sizes count too."""
    model = env.task.simulation.model
    numbers = (env.task.substeps, model.nmeshvert, model.nmeshface)
    return hashlib.sha256(f"{numbers}\n{env.task.model_xml}".encode()).hexdigest()


def _check_unchanged(origin: EpisodeOrigin, env: BatchEnv) -> None:
    if env.contract.sha256 != origin.contract_sha256:
        raise ContractError(
            f"task '{origin.task.name}' has changed since the episode was recorded: its contract's "
            f"hash is {env.contract.sha256[:12]}, expected {origin.contract_sha256[:12]}; replay "
            "it with the version and the robot's file of then"
        )
    # a version may write the same scene otherwise, so it comes before the scene
    if mujoco.__version__ != origin.mujoco_version:
        raise ContractError(
            f"the episode was recorded with MuJoCo {origin.mujoco_version}, and this is MuJoCo "
            f"{mujoco.__version__}, which may compute another one; install the version of then"
        )
    found = _model_sha256(env)
    if found != origin.model_sha256:
        raise ContractError(
            f"the scene of task '{origin.task.name}' has changed since the episode was recorded "
            "(such as gains, masses, collisions, gravity compensation or the physics step): its "
            f"hash is {found[:12]}, expected {origin.model_sha256[:12]}; replay it with "
            "the version and the robot's file of then"
        )


def _without_none(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _without_none(value) for key, value in plain.items() if value is not None}
    return plain if not isinstance(plain, list) else [_without_none(value) for value in plain]
