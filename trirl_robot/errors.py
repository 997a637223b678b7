"""The exceptions of the project, one tree under `TrirlError`.

Each message says what was got, what was expected and what to do; the command line prints it and
ends with exit status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TrirlError(Exception):
    """Base of every error that a user can cause and mend."""


class ConfigError(TrirlError):
    """A configuration value, key or name is not valid."""


class ContractError(TrirlError):
    """Two contracts differ, or a contract is malformed."""


class DatasetError(TrirlError):
    """A demonstration file is missing, damaged or not of the expected form."""


class ModelFileError(TrirlError):
    """An ONNX file is missing, damaged, without contract or fails its self-test."""


class NonFiniteError(TrirlError):
    """A quantity that must be finite is NaN or infinite."""


class StaleObservationError(TrirlError):
    """A measurement is too old, or its time ran backwards."""


class RunError(TrirlError):
    """A run folder cannot be used as asked."""


class WorkerError(TrirlError):
    """A process that steps environments, or trains with this one, has ended."""


class DeploymentError(TrirlError):
    """The ROS graph could not be started, or did not answer."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return one sentence for an unknown name, with the nearest valid one first.

    Args:
        kind: what the name stands for, such as `robot`.
        name: the name that was given.
        known: the valid names.
    """
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"unknown {kind} '{name}': {hint}valid names are {', '.join(options) or '(none)'}"
