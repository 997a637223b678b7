"""Random numbers that belong to an episode.

Everything that an episode draws is a function of three integers: the seed, the environment and the
episode's number in it. So an episode can be run again from its record, whatever else the batch did,
and a checkpoint need not hold the state of a generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError

Ids = NDArray[np.intp]


_PER_PURPOSE = 2**32
"""Environments of one purpose at most."""
_BUFFER_EMPTY = 4
"""Place in Philox's buffer of four numbers at which it computes the next four."""


class Stream(IntEnum):
    """Independent sources of random numbers within an episode."""

    DYNAMICS = 0
    """Dynamics drawn at the episode's start."""
    TASK = 1
    """Start pose, target, objects."""
    SENSORS = 2
    """Measurement noise, and measurements that are lost, by step."""
    INTERVAL = 3
    """Dynamics drawn again within the episode, in blocks by event."""
    ONCE = 4
    """Dynamics that a simulation keeps over all its episodes."""
    JITTER = 5
    """Latency of each command, by step."""


class Purpose(IntEnum):
    """What environments are for: with the same seed, each meets episodes of its own."""

    TRAINING = 0
    """Learning."""
    MONITORING = 1
    """Evaluations on the way, while learning."""
    EVALUATION = 2
    """What is reported of a policy."""
    RECORDING = 3
    """Demonstrations."""
    DEPLOYMENT = 4
    """The simulated hardware."""


@dataclass(frozen=True, kw_only=True)
class EpisodeKey:
    """What names an episode's random numbers."""

    seed: int
    """Seed of the environments."""
    environment: int
    """Environment's number, counted from 2**32 times its purpose."""
    episode: int
    """Episode's number in that environment, from 0."""

    @property
    def index(self) -> int:
        """Environment's number among those of its purpose, from 0."""
        return self.environment % _PER_PURPOSE


def check_seed(seed: int) -> int:
    """Return a seed that can be used.

    Raises:
        ConfigError: it is negative, or has more than 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed is {seed}, expected 0 to 2**63 - 1")
    return int(seed)


class EpisodeRandom:
    """The random numbers of N environments."""

    def __init__(
        self, seed: int, num_envs: int, purpose: Purpose = Purpose.TRAINING, first: int = 0
    ) -> None:
        """Begin before the first episodes.

        Args:
            seed: fixes everything that is drawn.
            num_envs: number of environments N.
            purpose: what they are for.
            first: number of the first of them among those of that purpose.
        """
        self._alone = int(purpose) * _PER_PURPOSE
        self._first = self._alone + first
        self._seed = np.full(num_envs, check_seed(seed))
        self._environment = self._first + np.arange(num_envs)
        self._episode = np.full(num_envs, -1, dtype=np.int64)
        # to build a bit generator takes five times as long as to move one
        self._philox = np.random.Philox()
        self._state: Any = self._philox.state
        self._generator = np.random.Generator(self._philox)

    def begin(self, ids: Ids) -> None:
        """Go on to the next episode in `ids`."""
        self._episode[ids] += 1

    def reseed(self, seed: int) -> None:
        """Start again before the first episode, with another seed."""
        self._seed[:] = check_seed(seed)
        self._environment[:] = self._first + np.arange(len(self._environment))
        self._episode[:] = -1

    def reseed_each(self, ids: Ids, seeds: Sequence[int]) -> None:
        """Start again before the first episode in `ids`, each alone with a seed of its own."""
        self._seed[ids] = [check_seed(seed) for seed in seeds]
        self._environment[ids] = self._alone
        self._episode[ids] = -1

    def key(self, env: int) -> EpisodeKey:
        """Return what names the present episode of an environment."""
        return EpisodeKey(
            seed=int(self._seed[env]),
            environment=int(self._environment[env]),
            episode=int(self._episode[env]),
        )

    def repeat(self, key: EpisodeKey) -> None:
        """Make the next episode of the first environment that of `key`."""
        self._seed[0] = check_seed(key.seed)
        self._environment[0] = key.environment
        self._episode[0] = key.episode - 1

    def generator(self, env: int, stream: Stream, block: int = 0) -> np.random.Generator:
        """Return a generator at the start of a stream, good until the next call of any method.

        Args:
            env: the environment, whose present episode is meant.
            stream: what the numbers are for.
            block: the stream's part, such as the number of an event.
        """
        # episodes count from -1, before the first reset
        episode = 0 if stream is Stream.ONCE else int(self._episode[env]) + 1
        # Philox is counter-based: streams are far apart without any hashing of seeds
        self._state["state"]["key"][:] = self._seed[env], self._environment[env]
        self._state["state"]["counter"][:] = 0, block, int(stream), episode
        self._state["buffer_pos"], self._state["has_uint32"] = _BUFFER_EMPTY, 0
        self._philox.state = self._state
        return self._generator

    def uniform(
        self, ids: Ids, stream: Stream, count: int, block: int | NDArray[np.int64] = 0
    ) -> NDArray[np.float64]:
        """Return uniform draws from [0, 1), the first of a stream.

        Args:
            ids: environments, whose present episodes are meant.
            stream: what the numbers are for.
            count: how many each gets.
            block: the stream's part, the same for all or one each.

        Returns:
            Draws, shape (len(ids), count).
        """
        draws = np.empty((len(ids), count))
        if count:
            blocks = [block] * len(ids) if isinstance(block, int) else block.tolist()
            # 2 µs each; Philox in array operations, for all at once, is slower for up to 20
            for row, env, part in zip(draws, ids.tolist(), blocks, strict=True):
                self.generator(env, stream, part).random(out=row)
        return draws

    def keys(self, ids: Ids, stream: Stream, count: int) -> NDArray[np.uint64]:
        """Return whole numbers of 64 random bits, (count, len(ids)), the first of a stream.

        Args:
            ids: environments, whose present episodes are meant.
            stream: what the numbers are for.
            count: how many each gets.
        """
        keys = np.empty((count, len(ids)), dtype=np.uint64)
        for column, env in enumerate(ids.tolist()):
            keys[:, column] = self.generator(env, stream).bit_generator.random_raw(count)
        return keys

    def get_state(self) -> dict[str, Any]:
        """Return everything that `set_state` needs."""
        return {
            "seed": self._seed.copy(),
            "environment": self._environment.copy(),
            "episode": self._episode.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._seed[:] = state["seed"]
        self._environment[:] = state["environment"]
        self._episode[:] = state["episode"]
