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
from trirl_robot.sim.compiled import compiled

Ids = NDArray[np.intp]
Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Words = NDArray[np.uint64]

_PER_PURPOSE = 2**32
"""Environments of one purpose at most."""
_PER_COUNT = 4
"""Numbers that Philox computes at a time, from one value of its counter."""
_BUFFER_EMPTY = _PER_COUNT
"""Place in its buffer of these at which it computes the next."""


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
    MOMENT = 6
    """Moment of a recorded episode from which this one goes on."""


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

    def uniform(self, ids: Ids, stream: Stream, count: int, block: int | Whole = 0) -> Array:
        """Return uniform draws from [0, 1), the first of a stream, as its `generator` draws them.

        Args:
            ids: environments, whose present episodes are meant.
            stream: what the numbers are for.
            count: how many each gets.
            block: the stream's part, the same for all or one each.

        Returns:
            Draws, shape (len(ids), count).
        """
        words = self._words(ids, stream, count, block)
        draws = np.empty(words.shape)
        _share_of_one(words, draws)
        return draws[:, :count]

    def keys(self, ids: Ids, stream: Stream, count: int) -> Words:
        """Return whole numbers of 64 random bits, (count, len(ids)), the first of a stream.

        Args:
            ids: environments, whose present episodes are meant.
            stream: what the numbers are for.
            count: how many each gets.
        """
        return self._words(ids, stream, count, 0)[:, :count].T

    def _words(self, ids: Ids, stream: Stream, count: int, block: int | Whole) -> Words:
        """Return random bits, (len(ids), count or a few more)."""
        episodes = np.zeros_like(ids) if stream is Stream.ONCE else self._episode[ids] + 1
        blocks = np.full(len(ids), block) if isinstance(block, int) else block
        words = np.empty((len(ids), -(-count // _PER_COUNT) * _PER_COUNT), dtype=np.uint64)
        # to set numpy's generator to each episode in turn takes 2 µs an episode
        _philox(self._seed[ids], self._environment[ids], blocks, int(stream), episodes, words)
        return words

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


# Philox4x64-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011)
_ROUNDS = 10
_FIRST_FACTOR, _SECOND_FACTOR = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_FIRST_WEYL, _SECOND_WEYL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_53_BITS = np.uint64(11)


@compiled
def _philox(
    seeds: Whole, environments: Whole, blocks: Whole, stream: int, episodes: Whole, words: Words
) -> None:
    """Write the first numbers of streams, (n, ...); the other arrays are (n,)."""
    for i in range(words.shape[0]):
        for j in range(words.shape[1] // _PER_COUNT):
            # numpy counts on before it computes
            a, b = np.uint64(j + 1), np.uint64(blocks[i])
            c, d = np.uint64(stream), np.uint64(episodes[i])
            first, second = np.uint64(seeds[i]), np.uint64(environments[i])
            for _ in range(_ROUNDS):
                upper, upper_other = _upper(_FIRST_FACTOR, a), _upper(_SECOND_FACTOR, c)
                lower, lower_other = _FIRST_FACTOR * a, _SECOND_FACTOR * c
                a, b, c, d = upper_other ^ b ^ first, lower_other, upper ^ d ^ second, lower
                first, second = first + _FIRST_WEYL, second + _SECOND_WEYL
            place = j * _PER_COUNT
            words[i, place], words[i, place + 1] = a, b
            words[i, place + 2], words[i, place + 3] = c, d


@compiled
def _upper(x: np.uint64, y: np.uint64) -> np.uint64:
    """Return the upper 64 of the 128 bits of a product."""
    across = (x & _LOW) * (y >> _HALF)
    middle = (x >> _HALF) * (y & _LOW) + (((x & _LOW) * (y & _LOW)) >> _HALF)
    carried = (across + (middle & _LOW)) >> _HALF
    return (x >> _HALF) * (y >> _HALF) + (middle >> _HALF) + carried


@compiled
def _share_of_one(words: Words, draws: Array) -> None:
    """Write numbers from [0, 1) into `draws`, of the upper 53 of 64 random bits each."""
    for i in range(words.shape[0]):
        for j in range(words.shape[1]):
            draws[i, j] = np.float64(np.int64(words[i, j] >> _53_BITS)) * 2.0**-53
