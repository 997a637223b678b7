import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trirl_robot.demos.journal import Journal, parse_journal
from trirl_robot.errors import DatasetError


@pytest.fixture
def written(tmp_path, make_contract, make_demo, steps_of):
    """Bytes of a journal of twelve steps, and the demonstration it holds."""
    demo = make_demo()
    journal = Journal(tmp_path / "journal")
    journal.begin(demo.metadata, make_contract(), demo.state.shape[1])
    for step in steps_of(demo):
        journal.append(step)
    data = (tmp_path / "journal").read_bytes()
    journal.close()
    return data, demo


def test_holds_what_was_written(written, make_contract):
    data, demo = written
    entry = parse_journal(data, "journal")
    assert entry.contract == make_contract()
    assert entry.demonstration.metadata == demo.metadata
    assert entry.decision is None
    assert entry.demonstration.outcome == "interrupted"
    for name in ("observation", "action", "next_observation", "state", "reward", "command_ns"):
        np.testing.assert_array_equal(getattr(entry.demonstration, name), getattr(demo, name))
    assert (entry.demonstration.late_cycles, entry.demonstration.dropped_cycles) == (1, 2)


def test_every_cut_leaves_a_prefix(written):
    data, demo = written
    lengths = set()
    header = data.index(b"S", data.index(b"state_size"))
    for size in [*range(0, header, 97), *range(header, len(data), 3), len(data) - 1]:
        entry = parse_journal(data[:size], "journal")
        count = len(entry.demonstration) if entry else 0
        lengths.add(count)
        if entry:
            np.testing.assert_array_equal(entry.demonstration.action, demo.action[:count])
    assert lengths == set(range(len(demo) + 1)) - {len(demo)}
    assert len(parse_journal(data, "journal").demonstration) == len(demo)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_is_never_believed(written, place, mask):
    data, demo = written
    damaged = bytearray(data)
    damaged[int(place * len(data))] ^= mask
    try:
        entry = parse_journal(bytes(damaged), "journal")
    except DatasetError:
        return
    if entry is not None:
        count = len(entry.demonstration)
        assert count < len(demo)
        np.testing.assert_array_equal(entry.demonstration.state, demo.state[:count])
        assert entry.lost_bytes > 0


def test_two_recorders_cannot_share_a_journal(tmp_path):
    first = Journal(tmp_path / "journal")
    with pytest.raises(DatasetError, match="another recorder"):
        Journal(tmp_path / "journal")
    first.close()
    Journal(tmp_path / "journal").close()
    assert not (tmp_path / "journal").exists()


def test_refuses_a_vector_of_the_wrong_size(tmp_path, make_contract, make_demo, steps_of):
    journal = Journal(tmp_path / "journal")
    demo = make_demo()
    journal.begin(demo.metadata, make_contract(), state_size=4)
    with pytest.raises(DatasetError, match=r"state .*\(5,\), expected \(4,\)"):
        journal.append(steps_of(demo)[0])
    journal.close()


_WRITER = """
import sys
import numpy as np
from pathlib import Path
from trirl_robot.contract import contract_from_json
from trirl_robot.demos.journal import Journal
from trirl_robot.demos.schema import EpisodeMetadata, Step
from trirl_robot.config import from_mapping
import json
header = json.loads(Path(sys.argv[2]).read_text())
contract = contract_from_json(header["contract"], "test")
journal = Journal(Path(sys.argv[1]))
journal.begin(from_mapping(EpisodeMetadata, header["metadata"], "test"), contract, 5)
i = 0
while True:
    observation = np.full(contract.observation_size, float(i))
    journal.append(Step(observation=observation, action=np.zeros(contract.action_size),
        next_observation=observation + 1, state=np.zeros(5), reward=0.0, terminated=False,
        truncated=False, observation_ns=i, command_ns=i, late=False, dropped=0))
    i += 1
    sys.stdout.write(f"{i}\\n"); sys.stdout.flush()
"""


def test_sigkill_loses_no_written_step(tmp_path, make_contract, make_metadata):
    import json

    from trirl_robot.config import to_mapping

    header = {"contract": make_contract().to_json(), "metadata": to_mapping(make_metadata())}
    (tmp_path / "header.json").write_text(json.dumps(header))
    rng = random.Random(1)
    for attempt in range(4):
        path = tmp_path / f"journal{attempt}"
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, path, tmp_path / "header.json"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.15))
            os.kill(process.pid, signal.SIGKILL)
            reported = [line for line in process.stdout.read().splitlines() if line]
        entry = parse_journal(path.read_bytes(), str(path))
        steps = len(entry.demonstration)
        # a step is reported after it was written; the last line may be cut off
        assert steps >= int(reported[-2] if len(reported) > 1 else 1)
        np.testing.assert_array_equal(entry.demonstration.observation[:, 0], np.arange(steps))
        # the lock died with its holder, and the journal is still there
        journal = Journal(path)
        assert len(journal.entry().demonstration) == steps
        journal.close()
