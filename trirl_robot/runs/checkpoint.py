"""Checkpoints as plain tensors and numbers, loaded without running code from the file."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trirl_robot.errors import RunError
from trirl_robot.files import replaced_atomically

_ARRAY = "__array__"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (nested dicts, lists, tensors, arrays, scalars) atomically."""
    with replaced_atomically(path) as temporary:
        torch.save(_to_plain(state), temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        state: dict[str, Any] = _from_plain(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint; train first with 'trirl train'") from None
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{path}: damaged checkpoint ({reason}); train again") from None
    return state


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Give errors of a block that restores the state in `path` their cause.

    Raises:
        RunError: the state is of networks of another form than those that are to take it.
    """
    try:
        yield
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
        # torch lists what does not fit below a headline
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        reason = f"no entry {reason}" if isinstance(error, KeyError) else reason
        raise RunError(
            f"{path}: does not fit the run's configuration ({reason}); restore the config.yaml "
            "that it was trained with, or train again"
        ) from None


_DAMAGE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    KeyError,
    IndexError,
)


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {_ARRAY: torch.from_numpy(np.ascontiguousarray(value)).clone()}
    if isinstance(value, torch.Tensor):
        # whichever device it was learnt on, it can be read on a machine without
        return value.cpu()
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(item) for item in value]
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return value[_ARRAY].numpy()
        return {key: _from_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_plain(item) for item in value]
    return value
