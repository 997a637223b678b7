"""Files that are either whole or not there."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trirl_robot.errors import ConfigError


@contextmanager
def replaced_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; flush it to disk and rename it when the block succeeds.

    A reader sees the old file or the new one, also after SIGKILL or a power cut. When the block
    raises, the temporary file is removed and `path` is untouched.

    Raises:
        ConfigError: a file stands in place of its folder.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work that it is to hold.

    Raises:
        ConfigError: it is a folder, or stands where no file can be made.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; expected the name of a file")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from None


def make_folder(path: Path) -> None:
    """Make a folder that results go to, with those above it; it may be there.

    Raises:
        ConfigError: a file stands in its place or above it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(
            f"{path}: a file stands where a folder is to be; choose another place"
        ) from None


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8; see `replaced_atomically`."""
    with replaced_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed, which the end of this process does as well.

    Returns:
        False when another process, or another opening of the file, holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_directory(folder: Path) -> None:
    """Flush a directory's entries, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
