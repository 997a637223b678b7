"""Child processes that never outlive the graph."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

from trirl_robot.errors import DeploymentError
from trirl_robot.own_process import python_command, python_environment

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
STOP_TIMEOUT_S = 8.0


def _die_with_parent() -> None:
    """Have the kernel end this process when its parent is gone, even by SIGKILL."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def leave_on_terminate() -> None:
    """Have SIGTERM unwind this process once; a second one must not cut off its cleaning up."""

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


class Processes:
    """Starts Python modules as processes; leaving the `with` block stops them all."""

    def __init__(self, environment: Mapping[str, str], log_folder: Path) -> None:
        """Prepare.

        Args:
            environment: variables that are added to this process's own.
            log_folder: folder for what the processes print, one file each.
        """
        log_folder.mkdir(parents=True, exist_ok=True)
        self._environment = python_environment(
            ROS_LOG_DIR=str(log_folder.resolve()),
            PYTHONUNBUFFERED="1",
            OMP_NUM_THREADS="1",
            **environment,
        )
        self._log_folder = log_folder
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._logs: list[IO[str]] = []

    def start(
        self, name: str, module: str, arguments: list[str], *, read_output: bool = False
    ) -> subprocess.Popen[str]:
        """Start `python -m module arguments` under a name.

        Args:
            name: name for messages and for the log file.
            module: Python module.
            arguments: its arguments.
            read_output: whether the caller reads its standard output instead of the log.
        """
        log = (self._log_folder / f"{name}.log").open("w", encoding="utf-8")
        self._logs.append(log)
        process = subprocess.Popen(
            python_command("-m", module, *arguments),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read_output else log,
            stderr=log,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, safe after fork
        )
        self._running[name] = process
        return process

    def check(self, ignore: str = "") -> None:
        """Raise when a process has ended.

        Args:
            ignore: name of a process that may end.

        Raises:
            DeploymentError: names the process and shows the last line that it printed.
        """
        for name, process in self._running.items():
            if name != ignore and process.poll() is not None:
                raise DeploymentError(
                    f"the process '{name}' ended with status {process.returncode}: "
                    f"{self.last_line(name)}"
                )

    def last_line(self, name: str) -> str:
        """Return the last line in the log of a process."""
        text = (self._log_folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "(it printed nothing)"

    def stop(self, name: str) -> int:
        """Ask one process to end, then insist; return its exit status."""
        process = self._running.pop(name)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
        return process.returncode

    def __enter__(self) -> Processes:
        """Enter the block within which processes run."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all processes, the last started first."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for name in reversed(list(self._running)):
            self.stop(name)
        for log in self._logs:
            log.close()
