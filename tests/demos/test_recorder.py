import dataclasses
import os

import h5py
import numpy as np
import pytest

from trirl_robot.demos.dataset import load_demonstrations, read_demonstration
from trirl_robot.demos.recorder import DemonstrationRecorder
from trirl_robot.demos.store import save_demonstration
from trirl_robot.errors import ContractError, DatasetError

TASK = "planar-reach"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "demos.hdf5"


@pytest.fixture
def record(steps_of):
    """Write a demonstration's steps into a recorder."""

    def write(recorder, demo, count=None):
        recorder.begin(demo.metadata, demo.state.shape[1])
        for step in steps_of(demo)[:count]:
            recorder.append(step)

    return write


def die(recorder):
    """What SIGKILL leaves: the files as they are, the lock gone."""
    os.close(recorder._journal._file)


def test_keeps_and_puts_aside(output, make_contract, make_demo, record):
    with DemonstrationRecorder(output, make_contract(), TASK) as recorder:
        demo = make_demo()
        record(recorder, demo)
        stored = recorder.keep("success")
        assert (stored.name, stored.kept, stored.path) == ("demo_0", True, output)
        record(recorder, make_demo(seed=1))
        aside = recorder.put_aside("failure", "missed the target")
        assert not aside.kept
        assert "missed the target" in str(aside)
    loaded = load_demonstrations(output)
    np.testing.assert_array_equal(loaded.observation, demo.observation)
    quarantined = read_demonstration(output.with_name("demos.quarantine.hdf5"), "demo_0")
    assert (quarantined.outcome, quarantined.remark) == ("failure", "missed the target")
    assert sorted(p.name for p in output.parent.iterdir()) == [
        "demos.hdf5",
        "demos.quarantine.hdf5",
    ]


def test_an_episode_with_nan_is_put_aside(output, make_contract, make_demo, record):
    broken = make_demo()
    broken.observation[5, 0] = np.nan
    with DemonstrationRecorder(output, make_contract(), TASK) as recorder:
        record(recorder, broken)
        stored = recorder.keep("success")
    assert not stored.kept
    assert "observation is not finite at step 5" in stored.demonstration.remark
    assert not output.exists()


def test_an_unfinished_episode_goes_to_quarantine_once(output, make_contract, make_demo, record):
    first, unfinished = make_demo(), make_demo(seed=1)
    recorder = DemonstrationRecorder(output, make_contract(), TASK)
    record(recorder, first)
    recorder.keep("success")
    record(recorder, unfinished, count=7)
    die(recorder)

    with DemonstrationRecorder(output, make_contract(), TASK, "append") as again:
        assert not again.recovered.kept
        assert len(again.recovered.demonstration) == 7
        record(again, make_demo(seed=2))
        assert again.keep("success").name == "demo_1"
    quarantined = read_demonstration(output.with_name("demos.quarantine.hdf5"), "demo_0")
    assert quarantined.outcome == "interrupted"
    np.testing.assert_array_equal(quarantined.action, unfinished.action[:7])
    assert len(load_demonstrations(output).names) == 2
    with DemonstrationRecorder(output, make_contract(), TASK, "append") as third:
        assert third.recovered is None


@pytest.mark.parametrize("stored", [False, True])
def test_killed_while_saving(output, make_contract, make_demo, record, stored):
    """Between the decision to keep and the clearing of the journal, before and after the save."""
    demo = make_demo()
    recorder = DemonstrationRecorder(output, make_contract(), TASK)
    record(recorder, demo)
    recorder._journal.end("success", "keep")
    if stored:
        save_demonstration(output, demo, make_contract())
    (output.parent / ".demos.hdf5.1234abcd.tmp").write_bytes(b"half a copy")
    die(recorder)

    with DemonstrationRecorder(output, make_contract(), TASK, "append") as again:
        assert (again.recovered is None) == stored
    assert load_demonstrations(output).names == ("demo_0",)
    assert [p.name for p in output.parent.iterdir()] == ["demos.hdf5"]


def test_a_kept_episode_of_another_contract_is_not_mixed_in(
    output, make_contract, make_demo, record
):
    recorder = DemonstrationRecorder(output, make_contract(), TASK)
    record(recorder, make_demo())
    recorder._journal.end("success", "keep")
    die(recorder)
    other = make_contract(robot="other")
    with DemonstrationRecorder(output, other, TASK) as again:
        assert not again.recovered.kept
    assert not output.exists()


def test_existing_output(output, make_contract, make_demo, record):
    save_demonstration(output, make_demo(), make_contract())
    with pytest.raises(DatasetError, match=r"exists already; add to it with --append"):
        DemonstrationRecorder(output, make_contract(), TASK)
    with pytest.raises(ContractError, match=r"robot: \"planar\" != \"other\""):
        DemonstrationRecorder(output, make_contract(robot="other"), TASK, "append")
    before = output.read_bytes()
    with DemonstrationRecorder(output, make_contract(robot="other"), TASK, "replace") as recorder:
        assert output.read_bytes() == before  # not before there is something to put in its place
        for _ in range(2):
            record(recorder, make_demo(seed=3))
            recorder.keep("success")
    loaded = load_demonstrations(output)
    assert loaded.contract.robot == "other"
    assert len(loaded.names) == 2


def test_a_folder_that_is_not_there(tmp_path, make_contract):
    with pytest.raises(DatasetError, match=r"folder .*nowhere does not exist"):
        DemonstrationRecorder(tmp_path / "nowhere" / "demos.hdf5", make_contract(), TASK)


def test_damaged_quarantine_is_left_alone(output, make_contract, make_demo, record):
    output.with_name("demos.quarantine.hdf5").write_bytes(b"something else")
    with DemonstrationRecorder(output, make_contract(), TASK) as recorder:
        record(recorder, make_demo())
        stored = recorder.put_aside("failure", "missed")
    assert stored.path.name == "demos.quarantine-2.hdf5"
    assert output.with_name("demos.quarantine.hdf5").read_bytes() == b"something else"


def test_late_and_dropped_cycles_are_counted(output, make_contract, make_demo, record):
    with DemonstrationRecorder(output, make_contract(), TASK) as recorder:
        record(recorder, dataclasses.replace(make_demo()))
        recorder.keep("success")
    with h5py.File(output) as file:
        assert file["data/demo_0"].attrs["late_cycles"] == 1
        assert file["data/demo_0"].attrs["dropped_cycles"] == 2
