"""Python in processes of their own, with the code of the process that starts them.

By itself, Python would first import whatever lies in the working directory.
"""

from __future__ import annotations

import os
import sys


def python_command(*arguments: str) -> list[str]:
    """Return the command that gives Python such arguments, in `python_environment`."""
    return [sys.executable, "-P", *arguments]


def python_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with its import path, and with other variables set."""
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    return {**os.environ, "PYTHONPATH": path, **variables}
