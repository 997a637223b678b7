import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trirl_robot.errors import ConfigError
from trirl_robot.files import (
    make_folder,
    replaced_atomically,
    require_writable,
    write_text_atomically,
)


def test_a_file_is_replaced_and_folders_are_made(tmp_path):
    path = tmp_path / "deep" / "er" / "file.txt"
    write_text_atomically(path, "first")
    write_text_atomically(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_an_exception_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replaced_atomically(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_an_exception_does_not_create_a_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), replaced_atomically(tmp_path / "new") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_the_old_file_until_the_end(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replaced_atomically(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_kill_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from trirl_robot.files import replaced_atomically\n"
        "with replaced_atomically(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, os.fspath(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_a_file_that_can_be_written_is_not_made_yet(tmp_path):
    require_writable(tmp_path / "new" / "file.json")
    (tmp_path / "old.json").write_text("old")
    require_writable(tmp_path / "old.json")
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert (tmp_path / "old.json").read_text() == "old"


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"a\.json: cannot be written \(Not a directory\)"):
        require_writable(tmp_path / "file" / "a.json")
    with pytest.raises(ConfigError, match="is a folder; expected the name of a file"):
        require_writable(tmp_path)
    # where not even the superuser makes files
    with pytest.raises(ConfigError, match="cannot be written"):
        require_writable(Path("/proc/a.json"))


def test_a_folder_is_not_made_where_a_file_stands(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(ConfigError, match="a file stands where a folder is to be"):
            make_folder(path)
    make_folder(tmp_path / "one" / "two")
    make_folder(tmp_path / "one" / "two")
    assert (tmp_path / "one" / "two").is_dir()
