"""Objects in processes of their own, whose methods are called side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from trirl_robot.errors import TrirlError, WorkerError

PATIENCE_S = 1.0
"""Time that the processes have to end by themselves once their connections are closed [s]."""
WORKER = "trirl-worker"
"""Name of the processes."""
UNGUARDED = 87
"""Exit status of a process that came upon the building of the environments in the main module."""


class WorkerPool:
    """One object a process; all end with this one, whatever ends it.

    A process ends when its connection is closed, by `close` or by the garbage collector, and when
    its parent is gone, be it killed. Ctrl-C is left to the parent.

    Processes import the main module, so a script has to build a pool under
    `if __name__ == "__main__":`.
    """

    def __init__(self, build: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> None:
        """Start the processes and build the objects, all at the same time.

        Args:
            build: returns an object; a function of a module, so that it can be sent.
            arguments: what to call it with, one entry a process.

        Raises:
            TrirlError: what `build` raised.
            WorkerError: a process ended, or the main module builds a pool when it is imported.
        """
        _end_if_importing_main()
        # a fork would copy the threads' locks; a fresh interpreter has none
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        self.close = weakref.finalize(self, _end, self._connections, self._processes)
        for _ in arguments:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, build), name=WORKER, daemon=True)
            self._connections.append(ours)
            process.start()
            self._processes.append(process)
            theirs.close()
        self._exchange(list(arguments))

    def call(self, method: str, arguments: Sequence[tuple[Any, ...] | None]) -> list[Any]:
        """Call a method of every object.

        Args:
            method: its name.
            arguments: what to call it with, one entry a process; None leaves the process out.

        Returns:
            What was returned, one entry a process; None for those left out.

        Raises:
            TrirlError: what the method raised.
            WorkerError: a process ended, or the pool is closed.
        """
        if not self.close.alive:
            raise WorkerError("the processes of the environments have ended; build them again")
        return self._exchange([None if a is None else (method, a) for a in arguments])

    def _exchange(self, messages: Sequence[Any]) -> list[Any]:
        """Send every message that is not None, then wait for as many answers."""
        complete, ended = False, False
        try:
            asked = [c for c, m in zip(self._connections, messages, strict=True) if m is not None]
            for connection, message in zip(self._connections, messages, strict=True):
                if message is not None:
                    connection.send(message)
            received = {id(connection): connection.recv() for connection in asked}
            complete = True
        except (EOFError, OSError):
            ended = True
        finally:
            if not complete:
                # an answer that is still under way would be taken for that to the next call
                self.close()
        if ended:
            raise WorkerError(self._why_ended())
        answers = [received.get(id(c), (True, None)) for c in self._connections]
        for succeeded, answer in answers:
            if not succeeded:
                self.close()
                raise answer
        return [answer for _, answer in answers]

    def _why_ended(self) -> str:
        if any(process.exitcode == UNGUARDED for process in self._processes):
            return (
                "the processes of the environments import the script, which builds environments "
                'as it is imported; put this under `if __name__ == "__main__":`'
            )
        return "a process of the environments ended by itself; what it printed stands above"


def _end_if_importing_main() -> None:
    """End a process of a pool that is about to build a pool before it has begun to serve.

    It is importing the script that it was started from; what is the matter, its parent says once.
    """
    process = multiprocessing.current_process()
    # what multiprocessing asks itself, before it raises an error of a dozen lines
    if process.name == WORKER and getattr(process, "_inheriting", False):
        sys.exit(UNGUARDED)


def _serve(connection: Connection, build: Callable[..., Any]) -> None:
    """Build an object, then call its methods for as long as somebody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        served: Any = None
        while True:
            message = connection.recv()
            try:
                if served is None:
                    served, answer = build(*message), None
                else:
                    method, arguments = message
                    answer = getattr(served, method)(*arguments)
            except TrirlError as error:
                connection.send((False, error))
            else:
                connection.send((True, answer))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _end_with_parent() -> None:
    """End this process, even within a long call, as soon as its parent is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _end(connections: list[Connection], processes: list[SpawnProcess]) -> None:
    for connection in connections:
        connection.close()
    until = time.monotonic() + PATIENCE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
