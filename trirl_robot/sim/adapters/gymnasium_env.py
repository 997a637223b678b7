"""One environment as `gymnasium.make("trirl/NAME-v0")` returns it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from trirl_robot.errors import ConfigError
from trirl_robot.sim.adapters import spaces
from trirl_robot.sim.adapters.pictures import Frame, Pictures
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch

Array = NDArray[np.float64]
Action = NDArray[np.floating[Any]]

_FIRST = np.array([0])


class GymnasiumEnv(gymnasium.Env[Array, Action]):
    """A task of ours as Gymnasium's single environment; see `spaces.Details` for its infos.

    An episode is ended by the environment itself, so no `TimeLimit` is needed. After
    `reset(seed=s)` the episodes are those of seed s, environment 0, in order.
    """

    # of the class too, as Gymnasium reads it there before it builds anything
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        *,
        randomisation: str = "none",
        nthread: int = 1,
        render_mode: str | None = None,
    ) -> None:
        """Build the simulation.

        Args:
            task: task name or YAML file.
            randomisation: preset of the dynamics drawn at each reset, or a YAML file. By default
                the model is as it is, so that the name alone says what is simulated.
            nthread: threads to step on; more than one is of no use to one simulation.
            render_mode: `rgb_array` or None.

        Raises:
            ConfigError: unknown task, randomisation or render mode.
        """
        check_render_mode(render_mode)
        self.batch: BatchEnv = make_batch(
            task, num_envs=1, randomisation=randomisation, nthread=nthread, autoreset=False
        )
        contract = self.batch.contract
        self.observation_space = spaces.observation_space(contract)
        self.action_space = spaces.action_space(contract)
        self.metadata = spaces.metadata(contract)
        self.render_mode = render_mode
        self._details = spaces.Details(self.batch)
        self._seeded = False
        self._pictures: Pictures | None = None

    @property
    def dynamics_names(self) -> tuple[str, ...]:
        """What each number of `info["dynamics"]` is, as `quantity/object`."""
        return self._details.names

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start a new episode; `options` are not heeded.

        Raises:
            ConfigError: the seed is negative or has more than 63 bits.
        """
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        if seed is not None:
            self.batch.reseed(seed)
            self._seeded = True
        observation = self.batch.reset()[0].copy()
        return observation, {**self._state_details(), **self._start_details()}

    def step(self, action: Action) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Advance by one control period, for an action in [-1, 1]; others are clipped."""
        step = self.batch.step(np.asarray(action, dtype=np.float64)[None])
        info = {"is_success": bool(step.success[0]), **self._state_details()}
        return (
            step.final_observation[0].copy(),
            float(step.reward[0]),
            bool(step.terminated[0]),
            bool(step.truncated[0]),
            info,
        )

    def render(self) -> Frame | None:
        """Return a picture, (height, width, 3), or None where no render mode was asked for.

        Raises:
            ConfigError: there is no OpenGL to draw with.
        """
        if self.render_mode is None:
            return None
        if self._pictures is None:
            self._pictures = Pictures(self.batch)
        return self._pictures.take(0)

    def close(self) -> None:
        """Free the renderer."""
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None

    def _state_details(self) -> dict[str, Any]:
        return {name: float(values[0]) for name, values in self._details.of_state().items()}

    def _start_details(self) -> dict[str, Any]:
        return {name: values[0] for name, values in self._details.of_start(_FIRST).items()}


def check_render_mode(mode: str | None) -> None:
    """Refuse a render mode that there is not.

    Raises:
        ConfigError: the mode is neither None nor `rgb_array`.
    """
    if mode not in (None, "rgb_array"):
        raise ConfigError(f"render_mode is '{mode}', expected rgb_array or none")
