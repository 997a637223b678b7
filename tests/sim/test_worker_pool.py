"""Processes of a pool: what they answer, and that none is left however the pool ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from served_objects import Served

from trirl_robot.errors import ConfigError, WorkerError
from trirl_robot.sim.foreign.pool import WorkerPool


@pytest.fixture
def pool():
    pool = WorkerPool(Served, [(1,), (20,)])
    yield pool
    pool.close()


def gone(pids, patience_s=15.0):
    """Wait until no process of `pids` runs; return whether that came about."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_each_process_answers_for_its_own(pool):
    assert pool.call("plus", [(1,), (2,)]) == [2, 22]
    assert pool.call("plus", [None, (3,)]) == [None, 23]
    pids = pool.call("process", [(), ()])
    assert len({*pids, os.getpid()}) == 3
    pool.close()
    assert gone(pids)
    with pytest.raises(WorkerError, match="build them again"):
        pool.call("plus", [(1,), (2,)])


def test_a_refusal_reaches_the_caller_and_leaves_nothing(pool):
    pids = pool.call("process", [(), ()])
    with pytest.raises(ConfigError, match="20 is refused"):
        pool.call("refuse", [None, ()])
    assert gone(pids)


def test_what_cannot_be_built_is_said():
    before = set(psutil.Process().children())
    with pytest.raises(ConfigError, match="-1 is negative"):
        WorkerPool(Served, [(1,), (-1,)])
    assert gone([child.pid for child in set(psutil.Process().children()) - before])


def test_a_process_that_ends_takes_the_others_along(pool):
    pids = pool.call("process", [(), ()])
    with pytest.raises(WorkerError, match="ended by itself"):
        pool.call("leave", [(), None])
    assert gone(pids)


def test_a_script_without_a_guard_is_told_in_one_sentence(tmp_path):
    script = tmp_path / "plain.py"
    lines = [
        "from served_objects import Served",
        "from trirl_robot.sim.foreign.pool import WorkerPool",
        "pool = WorkerPool(Served, [(1,), (20,)])",
        "print(pool.call('plus', [(1,), (2,)]))",
    ]

    def run(text):
        script.write_text(text)
        path = os.pathsep.join(filter(None, sys.path))
        return subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    told = run("\n".join(lines))
    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr.count("Traceback") == 1
    last = told.stderr.splitlines()[-1]
    assert "WorkerError" in last
    assert 'put this under `if __name__ == "__main__":`' in last
    guarded = run(
        "\n".join([*lines[:2], 'if __name__ == "__main__":'] + [f"    {x}" for x in lines[2:]])
    )
    assert (guarded.stdout, guarded.stderr) == ("[2, 22]\n", "")


def test_a_pool_that_nobody_holds_ends():
    pool = WorkerPool(Served, [(1,)])
    pids = pool.call("process", [()])
    del pool
    assert gone(pids)


SCRIPT = """
import sys
from served_objects import Served
from trirl_robot.sim.foreign.pool import WorkerPool

if __name__ == "__main__":
    pool = WorkerPool(Served, [(1,), (2,)])
    print(*pool.call("process", [(), ()]), flush=True)
    if sys.argv[1] == "wait":
        pool.call("wait", [(), ()])
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, None])
def test_no_process_outlives_its_parent(end, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, script, "end" if end is None else "wait"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        if end is signal.SIGINT:
            os.killpg(parent.pid, end)  # as Ctrl-C does: everything in the terminal gets it
        elif end is not None:
            parent.send_signal(end)
        _, errors = parent.communicate(timeout=20)
        assert gone(pids)
        # one traceback, the parent's
        assert errors.count("Traceback") == (1 if end is signal.SIGINT else 0)
    finally:
        parent.kill()
