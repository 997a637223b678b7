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
    num_envs: tuple[int, ...]
    """Environments stepped side by side: those of these numbers that suit the peer best."""
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
    Peer(name="trirl-robot", num_envs=(256,), build=_ours, goal=None),
    Peer(name="envpool", num_envs=(8, 64, 256), build=_envpool, goal=2.0),
    Peer(name="Gymnasium SyncVectorEnv", num_envs=(2, 4, 8), build=_gymnasium("sync"), goal=4.0),
    Peer(name="Gymnasium AsyncVectorEnv", num_envs=(2, 4, 8), build=_gymnasium("async"), goal=7.0),
)


TRIAL_S = 0.3
"""Length of the trial by which the number of environments is chosen [s]."""


def peer_rates(
    threads: int, repeats: int, seconds: float
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return control steps/s of every peer, measured in turn, and how many it stepped at once.

    Each peer has the number of environments with which it is fastest in a trial before.

    Args:
        threads: threads that a peer may use, where it can be told.
        repeats: measurements of each peer.
        seconds: length of one measurement [s].
    """
    counts = {peer.name: _best_number(peer, threads) for peer in PEERS}
    built = {peer.name: peer.build(counts[peer.name], threads) for peer in PEERS}
    rates: dict[str, list[float]] = {name: [] for name in built}
    for repeat in range(repeats + 1):
        for name, env in built.items():
            rate = _rate(env, counts[name], seconds)
            if repeat:  # the first round warms up
                rates[name].append(rate)
    for env in built.values():
        _close(env)
    return rates, counts


def _best_number(peer: Peer, threads: int) -> int:
    """Return the number of environments with which a peer is fastest."""
    rates = {}
    for num_envs in peer.num_envs if len(peer.num_envs) > 1 else ():
        env = peer.build(num_envs, threads)
        _rate(env, num_envs, TRIAL_S / 3)  # warms up
        rates[num_envs] = _rate(env, num_envs, TRIAL_S)
        _close(env)
    return max(rates, key=lambda n: rates[n], default=peer.num_envs[0])


def _close(env: Any) -> None:
    close = getattr(env, "close", None)
    if close is not None:
        close()


def _rate(env: Any, num_envs: int, seconds: float) -> float:
    """Return control steps/s of all environments together, with random actions."""
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (64, num_envs, ACTIONS))
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        env.step(actions[count % len(actions)])
        count += 1
    return count * num_envs / elapsed
