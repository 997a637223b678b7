"""A ROS domain of one's own, so that graphs on one machine do not hear each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trirl_robot.errors import DeploymentError

DOMAINS = range(20, 100)
"""Domains whose ports lie below those that Linux hands out by itself."""


@contextmanager
def own_domain() -> Iterator[dict[str, str]]:
    """Reserve a domain; yield the environment variables that every process of the graph needs.

    Raises:
        DeploymentError: all domains are in use.
    """
    for number in DOMAINS:
        path = Path(tempfile.gettempdir()) / f"trirl-ros-domain-{number}.lock"
        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        except PermissionError:
            continue  # another user's
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        try:
            yield {
                "ROS_DOMAIN_ID": str(number),
                "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                # a process killed hard leaves its shared memory behind, which can block the next
                # one of the same domain; the messages here are small, loopback carries them well
                "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
            }
        finally:
            os.close(handle)  # the lock goes with it, also when this process is killed
        return
    raise DeploymentError(
        f"all {len(DOMAINS)} ROS domains are in use on this machine; stop other graphs first"
    )
