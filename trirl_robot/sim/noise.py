"""Random draws for every step of every episode, found from the step's number alone.

An episode has two keys. Its draws are a hash of these and of their places, so nothing is kept but
the keys: tables of draws would be megabytes that the engine drives out of the caches each step.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.compiled import compiled
from trirl_robot.sim.episode_random import EpisodeRandom, Stream

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Steps = NDArray[np.int64]
Keys = NDArray[np.uint64]

NUM_KEYS = 2
"""Keys of an episode."""

# SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)
_WEYL = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)
_FIRST_SHIFT, _SECOND_SHIFT, _LAST_SHIFT = np.uint64(30), np.uint64(27), np.uint64(31)

# parts of a hash: 53 bits are a number from [0, 1); or 31 a radius, one a sign and 32 an angle
_53_BITS, _31_BITS, _SIGN_AS_TWO = np.uint64(11), np.uint64(33), np.uint64(31)
_TWO, _32_BITS = np.uint64(2), np.uint64(0xFFFFFFFF)

# a double is (1 + fraction) 2^(exponent - 1023)
_FRACTION, _EXPONENT_OF_HALF = np.int64(0xFFFFFFFFFFFFF), np.int64(0x3FE0000000000000)
_FRACTION_BITS, _EXPONENT_BIAS = np.int64(52), np.int64(1022)
_SQRT_HALF, _LN_2 = math.sqrt(0.5), math.log(2.0)
# 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...), and the series of sine and cosine of a turn
_L3, _L5, _L7, _L9, _L11 = (1.0 / k for k in (3, 5, 7, 9, 11))
_S1, _S3, _S5, _S7, _S9, _S11, _S13 = (
    (-1) ** (k // 2) * math.tau**k / math.factorial(k) for k in range(1, 15, 2)
)
_C2, _C4, _C6, _C8, _C10, _C12, _C14 = (
    (-1) ** (k // 2) * math.tau**k / math.factorial(k) for k in range(2, 16, 2)
)


class StepDraws:
    """Draws for each step of each episode: standard normal ones, and uniform ones from [0, 1)."""

    def __init__(
        self,
        random: EpisodeRandom,
        stream: Stream,
        num_envs: int,
        *,
        normal: int = 0,
        uniform: int = 0,
    ) -> None:
        """Say what a step takes.

        Args:
            random: source of the episodes' keys.
            stream: what the numbers are for.
            num_envs: number of environments N.
            normal: how many normal draws each step takes.
            uniform: how many uniform draws each step takes.
        """
        self._random = random
        self._stream = stream
        self._normal, self._uniform = normal, uniform
        self._keys = np.zeros((NUM_KEYS, num_envs), dtype=np.uint64)

    def begin(self, ids: Ids) -> None:
        """Take the keys of the present episodes of `ids`."""
        if self._normal or self._uniform:
            self._keys[:, ids] = self._random.keys(ids, self._stream, NUM_KEYS)

    def draw(self, steps: Steps) -> tuple[Array, Array]:
        """Return all environments' normal and uniform draws, (normal, N) and (uniform, N).

        Args:
            steps: steps since each episode's start, (N,).
        """
        return self._drawn(self._keys, steps)

    def draw_for(self, ids: Ids, steps: Steps) -> tuple[Array, Array]:
        """Return the draws of `ids`, (normal, n) and (uniform, n); `steps` are of all, (N,)."""
        return self._drawn(self._keys.take(ids, axis=1), steps[ids])

    def _drawn(self, keys: Keys, steps: Steps) -> tuple[Array, Array]:
        normal = np.empty((self._normal, len(steps)))
        uniform = np.empty((self._uniform, len(steps)))
        if self._normal or self._uniform:
            _draw(keys, steps, normal, uniform)
        return normal, uniform


@compiled
def _draw(keys: Keys, steps: Steps, normal: Array, uniform: Array) -> None:
    """Write the draws of a step of each environment, (normal, N) and (uniform, N).

    The inner loops run over environments, without a branch and without a call: many at a time.
    """
    pairs = (normal.shape[0] + 1) // 2
    hashes = pairs + uniform.shape[0]
    for j in range(pairs):
        # of an odd number, the last pair's sine takes the place of that of the pair before
        partner = min(pairs + j, normal.shape[0] - 1)
        for i in range(steps.shape[0]):
            drawn = _hash(keys[0, i], keys[1, i], steps[i] * hashes + j)
            radius = _radius(drawn)
            sine, cosine = _direction(drawn)
            normal[partner, i] = radius * sine
            normal[j, i] = radius * cosine
    for j in range(uniform.shape[0]):
        for i in range(steps.shape[0]):
            drawn = _hash(keys[0, i], keys[1, i], steps[i] * hashes + pairs + j)
            uniform[j, i] = np.float64(np.int64(drawn >> _53_BITS)) * 2.0**-53


@compiled
def _hash(key: np.uint64, other_key: np.uint64, place: int) -> np.uint64:
    """Return 64 random bits: SplitMix64, with the second key between its first two steps.

    With one key, all episodes would be stretches of a single sequence, and might overlap.
    """
    mixed = key + np.uint64(place) * _WEYL
    mixed = (mixed ^ (mixed >> _FIRST_SHIFT) ^ other_key) * _FIRST_FACTOR
    mixed = (mixed ^ (mixed >> _SECOND_SHIFT)) * _SECOND_FACTOR
    return mixed ^ (mixed >> _LAST_SHIFT)


@compiled
def _radius(drawn: np.uint64) -> float:
    """Return sqrt(-2 ln(u)), of u from the upper 31 bits (Box and Muller, 1958)."""
    uniform = (np.float64(np.int64(drawn >> _31_BITS)) + 0.5) * 2.0**-31
    # u = m 2^e with m from [1/2, 1): ln(u) = (e - 1/2) ln(2) + ln(m / sqrt(1/2))
    bits = np.float64(uniform).view(np.int64)
    exponent = np.float64((bits >> _FRACTION_BITS) - _EXPONENT_BIAS)
    share = np.int64((bits & _FRACTION) | _EXPONENT_OF_HALF).view(np.float64)
    s = (share - _SQRT_HALF) / (share + _SQRT_HALF)
    q = s * s
    series = 1.0 + q * (_L3 + q * (_L5 + q * (_L7 + q * (_L9 + q * _L11))))
    return math.sqrt(-2.0 * ((exponent - 0.5) * _LN_2 + 2.0 * s * series))


@compiled
def _direction(drawn: np.uint64) -> tuple[float, float]:
    """Return sine and cosine of an angle from the lower 32 bits, half a turn, and a sign."""
    turn = np.float64(np.int64(drawn & _32_BITS)) * 2.0**-33 - 0.25
    q = turn * turn
    sine = turn * (_S1 + q * (_S3 + q * (_S5 + q * (_S7 + q * (_S9 + q * (_S11 + q * _S13))))))
    cosine = 1.0 + q * (
        _C2 + q * (_C4 + q * (_C6 + q * (_C8 + q * (_C10 + q * (_C12 + q * _C14)))))
    )
    sign = np.float64(np.int64((drawn >> _SIGN_AS_TWO) & _TWO)) - 1.0
    return sine, sign * cosine
