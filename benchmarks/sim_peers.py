"""HalfCheetah as others step it: envpool and Gymnasium's vector environments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from trirl_robot.sim.env import make_batch

TASK = "HalfCheetah-v5"
ACTIONS = 6


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Something that steps many HalfCheetahs."""

    name: str
    """Name in the table."""
    num_envs: int
    """Environments stepped side by side: as many as suit the peer best."""
    build: Callable[[int, int], Any]
    """Number of environments and of threads to the environments."""
    goal: float | None
    """How many times as fast ours has to be."""


def _ours(num_envs: int, threads: int) -> Any:
    env = make_batch(
        "half-cheetah", num_envs=num_envs, randomisation="none", seed=0, nthread=threads
    )
    env.reset()
    env.stagger()
    return env


def _envpool(num_envs: int, threads: int) -> Any:
    import envpool  # noqa: PLC0415 - a peer that only this benchmark installs

    env = envpool.make(TASK, env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0)
    env.reset()
    return env


def _gymnasium(kind: str) -> Callable[[int, int], Any]:
    def build(num_envs: int, threads: int) -> Any:
        del threads
        env = gymnasium.make_vec(TASK, num_envs=num_envs, vectorization_mode=kind)
        env.reset(seed=0)
        return env

    return build


PEERS = (
    Peer(name="trirl-robot", num_envs=256, build=_ours, goal=None),
    Peer(name="envpool", num_envs=256, build=_envpool, goal=2.0),
    Peer(name="Gymnasium SyncVectorEnv", num_envs=8, build=_gymnasium("sync"), goal=4.0),
    Peer(name="Gymnasium AsyncVectorEnv", num_envs=8, build=_gymnasium("async"), goal=7.0),
)


def peer_rates(threads: int, repeats: int, seconds: float) -> dict[str, list[float]]:
    """Return control steps/s of every peer, measured in turn `repeats` times.

    Args:
        threads: threads that a peer may use, where it can be told.
        repeats: measurements of each peer.
        seconds: length of one measurement [s].
    """
    built = {peer.name: (peer, peer.build(peer.num_envs, threads)) for peer in PEERS}
    rates: dict[str, list[float]] = {name: [] for name in built}
    generator = np.random.default_rng(0)
    for repeat in range(repeats + 1):
        for name, (peer, env) in built.items():
            actions = generator.uniform(-1.0, 1.0, (64, peer.num_envs, ACTIONS))
            rate = _rate(env, actions, seconds) * peer.num_envs
            if repeat:  # the first round warms up
                rates[name].append(rate)
    for _, env in built.values():
        close = getattr(env, "close", None)
        if close is not None:
            close()
    return rates


def _rate(env: Any, actions: Any, seconds: float) -> float:
    """Return steps of all environments per second."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        env.step(actions[count % len(actions)])
        count += 1
    return count / elapsed
