"""Modules of this package in processes of their own.

They run the code of the process that starts them: `python -m` alone would import whatever lies in
the working directory first.
"""

from __future__ import annotations

import os
import sys


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module, in `module_environment`.

    Args:
        module: its dotted name.
        arguments: what it is given.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with its import path, and with other variables set."""
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    return {**os.environ, "PYTHONPATH": path, **variables}
