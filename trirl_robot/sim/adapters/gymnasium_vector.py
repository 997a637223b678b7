"""The batch as `gymnasium.make_vec("trirl/NAME-v0", num_envs=N)` returns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.adapters import spaces
from trirl_robot.sim.adapters.gymnasium_env import check_render_mode
from trirl_robot.sim.adapters.pictures import Frame, Pictures
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.interface import Step

Array = NDArray[np.float64]
Action = NDArray[np.floating[Any]]
Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]
Info = dict[str, Any]
Result = tuple[Array, Array, Mask, Mask, Info]


class GymnasiumVectorEnv(VectorEnv[Array, Action, Any]):
    """N environments of a task of ours, stepped by MuJoCo's batch.

    Observations, rewards, ends and infos are those of Gymnasium's `SyncVectorEnv` over N
    `GymnasiumEnv` with the same seeds and in the same autoreset mode, bit for bit.
    """

    def __init__(
        self,
        num_envs: int,
        task: str,
        *,
        randomisation: str = "none",
        nthread: int = 0,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Build the simulations.

        Args:
            num_envs: number of environments N.
            task: task name or YAML file.
            randomisation: preset of the dynamics drawn at each reset, or a YAML file.
            nthread: threads to step on; 0 for all cores. Results do not depend on it.
            autoreset_mode: `NextStep` (Gymnasium's default: an episode that has ended begins anew
                in the next step, whose action is not heeded), `SameStep` (in the step in which it
                ends; the last observation is `info["final_obs"]`) or `Disabled` (by `reset` with
                `options={"reset_mask": ...}`).
            max_episode_steps: time limit, where it is to be shorter than the task's.
            render_mode: `rgb_array` or None.

        Raises:
            ConfigError: unknown task, randomisation or render mode, or a time limit below 1.
        """
        check_render_mode(render_mode)
        self.batch: BatchEnv = make_batch(
            task, num_envs=num_envs, randomisation=randomisation, nthread=nthread, autoreset=False
        )
        _limit_time(self.batch, max_episode_steps)
        contract = self.batch.contract
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.single_observation_space = spaces.observation_space(contract)
        self.single_action_space = spaces.action_space(contract)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {**spaces.metadata(contract), "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self._details = spaces.Details(self.batch)
        self._seeded = np.zeros(num_envs, dtype=np.bool_)
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self._pictures: Pictures | None = None

    @property
    def dynamics_names(self) -> tuple[str, ...]:
        """What each number of a row of `info["dynamics"]` is, as `quantity/object`."""
        return self._details.names

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Array, Info]:
        """Start new episodes.

        Args:
            seed: environment i gets seed + i, or its own of a list; None goes on as it is.
            options: `reset_mask`, bool (N,), tells which environments; all by default.

        Raises:
            ConfigError: seeds or mask of the wrong number.
        """
        super().reset(seed=seed if isinstance(seed, int) else None)
        chosen = self._mask(options)
        ids = np.flatnonzero(chosen)
        self._reseed(ids, seed)
        observation = self.batch.reset(ids).copy()
        self._ended[ids] = False
        info: Info = {}
        for name, values in self._details.of_state().items():
            _put(info, name, values, chosen)
        self._put_start(info, ids)
        return observation, info

    def step(self, actions: Action) -> Result:
        """Advance every environment by one control period, for actions (N, m) in [-1, 1].

        Raises:
            ConfigError: the actions have another shape.
            ResetNeeded: an episode has ended, and nothing resets it.
        """
        if np.shape(actions) != self.action_space.shape:
            raise ConfigError(
                f"got actions of shape {np.shape(actions)}, expected {self.action_space.shape}"
            )
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            which = np.flatnonzero(self._ended)[:5].tolist()
            raise ResetNeeded(f"the episodes of environments {which} have ended: reset these first")
        step = self.batch.step(np.asarray(actions, dtype=np.float64))
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            return self._next_step(step)
        info: Info = {}
        again = step.done & (self.autoreset_mode is AutoresetMode.SAME_STEP)
        observation = step.final_observation.copy()
        state = {"is_success": step.success, **self._details.of_state()}
        for name, values in state.items():
            _put(info, name, values, ~again)
        if again.any():
            info["final_obs"], info["_final_obs"] = _rows(step.final_observation, again), again
            final: Info = {}
            for name, values in state.items():
                _put(final, name, values, again)
            info["final_info"], info["_final_info"] = final, again.copy()
            self._begin(observation, info, again)
        self._ended = step.done & ~again
        return observation, step.reward, step.terminated, step.truncated, info

    def render(self) -> tuple[Frame, ...] | None:
        """Return a picture of each environment, or None where no render mode was asked for."""
        if self.render_mode is None:
            return None
        if self._pictures is None:
            self._pictures = Pictures(self.batch)
        return tuple(self._pictures.take(sim) for sim in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Free the renderer."""
        del kwargs
        if self._pictures is not None:
            self._pictures.close()

    def _next_step(self, step: Step) -> Result:
        """Begin anew where the step before was the last; what these were made to do is dropped."""
        info: Info = {}
        again = self._ended
        observation = step.final_observation.copy()
        for name, values in {"is_success": step.success, **self._details.of_state()}.items():
            _put(info, name, values, ~again)
        if again.any():
            self._begin(observation, info, again)
        self._ended = step.done & ~again
        return (
            observation,
            np.where(again, 0.0, step.reward),
            step.terminated & ~again,
            step.truncated & ~again,
            info,
        )

    def _begin(self, observation: Array, info: Info, again: Mask) -> None:
        """Start new episodes; write their observations and what is known of them."""
        ids = np.flatnonzero(again)
        observation[ids] = self.batch.reset(ids)[ids]
        for name, values in self._details.of_state().items():
            _put(info, name, values, again)
        self._put_start(info, ids)

    def _put_start(self, info: Info, ids: Ids) -> None:
        for name, values in self._details.of_start(ids).items():
            whole = np.zeros((self.num_envs, *values.shape[1:]))
            whole[ids] = values
            info[name] = whole
            info[f"_{name}"] = np.isin(np.arange(self.num_envs), ids)

    def _mask(self, options: dict[str, Any] | None) -> Mask:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ConfigError(
                f"reset_mask has shape {mask.shape} and type {mask.dtype}, expected "
                f"({self.num_envs},) and bool, with at least one true"
            )
        return mask

    def _reseed(self, ids: Ids, seed: int | Sequence[int | None] | None) -> None:
        seeds: list[int | None]
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ConfigError(f"got {len(seeds)} seeds for {self.num_envs} environments")
        for i in ids[~self._seeded[ids]]:
            if seeds[i] is None:
                seeds[i] = int(self.np_random.integers(2**63))
        given = [int(i) for i in ids if seeds[i] is not None]
        self.batch.reseed_each(np.array(given, dtype=np.intp), [seeds[i] for i in given])  # type: ignore[misc]
        self._seeded[given] = True


def _limit_time(batch: BatchEnv, max_episode_steps: int | None) -> None:
    """Shorten the episodes.

    Raises:
        ConfigError: the limit is below 1.
    """
    if max_episode_steps is None:
        return
    if max_episode_steps < 1:
        raise ConfigError(f"max_episode_steps is {max_episode_steps}, expected 1 or more")
    batch.task.max_episode_steps = min(max_episode_steps, batch.max_episode_steps)


def _put(info: Info, name: str, values: NDArray[Any], rows: Mask) -> None:
    """Write a quantity of some environments the way that Gymnasium does: zero elsewhere, a mask."""
    if not rows.any():
        return
    known = info.get(f"_{name}", False)
    info[name] = np.where(rows, values, info.get(name, np.zeros_like(values)))
    info[f"_{name}"] = rows | known


def _rows(values: Array, rows: Mask) -> NDArray[np.object_]:
    """Return an array of objects, (N,): the row of an environment, or None."""
    found = np.full(len(values), None, dtype=object)
    for i in np.flatnonzero(rows):
        found[i] = values[i].copy()
    return found
