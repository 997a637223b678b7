"""What the simulation benchmark measures in processes of their own: memory, effects of threads."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

from trirl_robot.sim.env import make_batch

LEAK_ENVS = 256
"""Simulations of the run that looks for leaks."""


def in_fresh_process(*arguments: object) -> Any:
    """Call one of `WORKERS` in a fresh process; return what it measured.

    Args:
        arguments: its name, and what to call it with.
    """
    line = [str(argument) for argument in arguments]
    done = subprocess.run(
        [sys.executable, __file__, *line], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} ended with status {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _scale(task: str, count: str, threads: str, repeats: str) -> dict[str, Any]:
    """Return rates [steps/s] and the memory that the environments took [bytes]."""
    before = _in_use()
    env = make_batch(
        task, num_envs=int(count), randomisation="strong", seed=0, nthread=int(threads)
    )
    env.reset()
    env.stagger()
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1.0, 1.0, (8, env.num_envs, env.contract.action_size))
    steps = max(8, 16384 // env.num_envs)
    rates = []
    for repeat in range(int(repeats) + 1):
        start = time.perf_counter()
        for step in range(steps):
            env.step(actions[step % len(actions)])
        if repeat:  # the first round warms up
            rates.append(steps * env.num_envs / (time.perf_counter() - start))
    return {"rates": rates, "bytes": _in_use() - before - actions.nbytes}


def _grown(task: str, steps: str, threads: str) -> float:
    """Return the sampled peak of memory in the last tenth of a run over that in the first.

    `steps` are control steps, those of all simulations added up.
    """
    env = make_batch(task, num_envs=LEAK_ENVS, randomisation="strong", seed=0, nthread=int(threads))
    env.reset()
    env.stagger()
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1.0, 1.0, (16, LEAK_ENVS, env.contract.action_size))
    tenths = []
    count = int(steps) // LEAK_ENVS
    for tenth in range(10):
        peak = 0
        for step in range(tenth * count // 10, (tenth + 1) * count // 10):
            env.step(actions[step % len(actions)])
            if step % 8 == 0:
                peak = max(peak, _resident())
        tenths.append(peak)
    return tenths[-1] / tenths[0]


def _digest(task: str, steps: str, threads: str) -> str:
    """Return a hash of everything that the environments answered."""
    env = make_batch(task, num_envs=32, randomisation="strong", seed=3, nthread=int(threads))
    digest = hashlib.sha256(env.reset().tobytes())
    generator = np.random.default_rng(0)
    for _ in range(int(steps)):
        step = env.step(generator.uniform(-1.0, 1.0, (32, env.contract.action_size)))
        for array in (step.observation, step.final_observation, step.reward, step.done):
            digest.update(array.tobytes())
    return digest.hexdigest()


def _resident() -> int:
    """Return the memory of this process that is not shared [bytes]."""
    return int(psutil.Process(os.getpid()).memory_full_info().uss)


def _in_use() -> int:
    """Return the memory of this process that it still needs [bytes].

    To compile a model takes more than to keep it, and the C library keeps what was freed.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return _resident()


WORKERS: dict[str, Callable[..., Any]] = {"scale": _scale, "leak": _grown, "digest": _digest}


if __name__ == "__main__":
    print(json.dumps(WORKERS[sys.argv[1]](*sys.argv[2:])))
