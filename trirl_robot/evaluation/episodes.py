"""Results of an evaluation as plain data, episode by episode, from which each runs again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trirl_robot.config import from_mapping, to_mapping
from trirl_robot.errors import ConfigError
from trirl_robot.evaluation.rollouts import EvaluationResult
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.interface import Environments
from trirl_robot.sim.record import (
    EpisodeOrigin,
    EpisodeRecord,
    actions_from_plain,
    actions_to_plain,
    origin_of,
    origin_to_mapping,
)


def result_to_plain(result: EvaluationResult, env: Environments) -> dict[str, Any]:
    """Return the results under one randomisation, ready for JSON.

    Args:
        result: what `evaluate` returned.
        env: the environments that it was measured in.
    """
    plain = {
        "success_rate": result.success_rate.value,
        "interval": [result.success_rate.low, result.success_rate.high],
        "episodes": [_episode(result, i) for i in range(len(result.success))],
    }
    if isinstance(env, BatchEnv):
        origin = origin_to_mapping(origin_of(env, 0))
        # that of an episode is this with its own key
        plain["origin"] = {name: origin[name] for name in origin if name != "key"}
    return plain


def record_from_plain(plain: Mapping[str, Any], episode: int, where: str) -> EpisodeRecord:
    """Return the record of an episode of an evaluation.

    Args:
        plain: what `result_to_plain` returned.
        episode: number of the episode, from 0.
        where: how messages name the place, such as the file.

    Raises:
        ConfigError: there is no such episode, or no valid record of it.
    """
    episodes = plain.get("episodes", [])
    if not 0 <= episode < len(episodes):
        raise ConfigError(
            f"{where}: there is no episode {episode}, expected 0 to {len(episodes) - 1}"
        )
    found = episodes[episode]
    if not isinstance(plain.get("origin"), Mapping) or not {"key", "actions"} <= found.keys():
        raise ConfigError(
            f"{where}: holds no records to replay; those of a task of ours that 'trirl eval --json'"
            " wrote do"
        )
    origin = {**plain["origin"], "key": found["key"]}
    actions = actions_from_plain(found["actions"], f"{where}: episode {episode}")
    if not actions.size:
        raise ConfigError(f"{where}: episode {episode} has no actions, expected at least one step")
    return EpisodeRecord(
        origin=from_mapping(EpisodeOrigin, origin, f"{where}: origin"), actions=actions
    )


def _episode(result: EvaluationResult, i: int) -> dict[str, Any]:
    plain = {
        "key": to_mapping(result.keys[i]),
        "success": bool(result.success[i]),
        "return": float(result.episode_return[i]),
        "length": int(result.length[i]),
        "final_distance_m": _finite(float(result.final_distance_m[i])),
        "target_position_m": _finite(result.target_position[i].tolist()),
        "dynamics": result.dynamics[i],
        "events": to_mapping(result.events[i]),
    }
    if result.actions:
        plain["actions"] = actions_to_plain(result.actions[i])
    return plain


def _finite(value: float | list[float]) -> float | list[float] | None:
    """Return a number or a vector, or None where a task has no such thing (JSON knows no NaN)."""
    numbers = value if isinstance(value, list) else [value]
    return value if all(map(math.isfinite, numbers)) else None
