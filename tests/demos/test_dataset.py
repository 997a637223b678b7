import shutil

import h5py
import numpy as np
import pytest

from trirl_robot.demos.dataset import load_demonstrations, read_demonstration
from trirl_robot.demos.store import save_demonstration
from trirl_robot.errors import ContractError, DatasetError


@pytest.fixture
def path(tmp_path, make_demo, make_contract):
    path = tmp_path / "demos.hdf5"
    for seed in range(3):
        save_demonstration(path, make_demo(seed=seed), make_contract())
    return path


def test_missing_file(tmp_path):
    with pytest.raises(DatasetError, match="no such file"):
        load_demonstrations(tmp_path / "none.hdf5")


def test_truncated_at_any_length(path):
    data = path.read_bytes()
    for share in (0.0, 0.01, 0.3, 0.6, 0.9, 0.999):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(DatasetError, match=r"demos\.hdf5: .*(damaged|truncated)"):
            load_demonstrations(path)


def test_foreign_files(tmp_path):
    text = tmp_path / "notes.hdf5"
    text.write_text("not HDF5 at all")
    with pytest.raises(DatasetError, match="not HDF5"):
        load_demonstrations(text)
    foreign = tmp_path / "foreign.hdf5"
    with h5py.File(foreign, "w") as file:
        file.create_group("data/demo_0")["actions"] = np.zeros((3, 2))
    with pytest.raises(DatasetError, match="not demonstrations of this project"):
        load_demonstrations(foreign)


def test_newer_format(path):
    with h5py.File(path, "a") as file:
        file["data"].attrs["format_version"] = 99
    with pytest.raises(DatasetError, match="format version 99, this software reads 1"):
        load_demonstrations(path)


def test_flipped_bit_in_the_data(path):
    with h5py.File(path) as file:
        place = file["data/demo_1/actions"].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="damaged"):
        load_demonstrations(path)


def test_some_of_the_demonstrations_and_some_of_their_steps(path):
    whole = load_demonstrations(path)
    assert whole.recorded_lengths.tolist() == whole.lengths.tolist()
    some = whole.subset(episodes=2, every=4)
    assert some.names == whole.names[:2]
    assert some.recorded_lengths.tolist() == whole.lengths[:2].tolist()
    first = whole.lengths[0]
    kept = sorted({*range(0, first, 4), first - 1})
    assert some.lengths[0] == len(kept)
    np.testing.assert_array_equal(some.observation[: len(kept)], whole.observation[kept])
    # the last step of each is there, in which an episode may have ended
    ends = np.cumsum(some.lengths) - 1
    np.testing.assert_array_equal(
        some.next_observation[ends], whole.next_observation[np.cumsum(whole.lengths)[:2] - 1]
    )
    with pytest.raises(DatasetError, match="holds 3 demonstrations, 4 are asked for"):
        whole.subset(episodes=4)
    longest = whole.lengths.max()
    with pytest.raises(DatasetError, match=f"the longest demonstration has {longest}"):
        whole.subset(every=longest + 1)


def test_a_folder_is_no_file_of_demonstrations(tmp_path):
    with pytest.raises(DatasetError, match="is a folder; expected a file"):
        load_demonstrations(tmp_path)


def test_another_contract(path, make_contract):
    other = make_contract(control_rate_hz=50.0)
    with pytest.raises(ContractError, match=r"control_rate_hz: 20.0 != 50.0"):
        load_demonstrations(path, contract=other)


def test_contract_changed_in_the_file(path):
    with h5py.File(path, "a") as file:
        text = file["data"].attrs["contract"]
        file["data"].attrs["contract"] = text.replace('"planar"', '"other"')
    with pytest.raises(ContractError, match="changed after recording"):
        load_demonstrations(path)


@pytest.mark.parametrize("key", ["actions", "obs/joint_position", "next_obs/target_position"])
def test_not_finite(path, key):
    with h5py.File(path, "a") as file:
        file["data/demo_2"][key][4, 1] = np.nan
    with pytest.raises(DatasetError, match=r"demo_2: \w+ is not finite at step 4"):
        load_demonstrations(path)
    # the others can still be read one by one
    assert len(read_demonstration(path, "demo_0")) == 12


def test_wrong_shapes_and_missing_parts(path):
    with h5py.File(path, "a") as file:
        del file["data/demo_1/obs/joint_position"]
        file["data/demo_1/obs/joint_position"] = np.zeros((12, 3))
    with pytest.raises(DatasetError, match=r"demo_1: .*\(12, 3\), expected \(12, 2\)"):
        load_demonstrations(path)
    with h5py.File(path, "a") as file:
        del file["data/demo_1/obs/joint_position"]
    with pytest.raises(DatasetError, match="'obs/joint_position' is missing"):
        load_demonstrations(path)


def test_entries_of_another_type(path):
    for key, value in (
        ("rewards", ["none"] * 12),
        ("states", None),
        ("actions", None),
        ("timestamps/command_ns", [float("nan")] * 12),
        ("dropped_cycles", "few"),
        ("task_parameters", [1.0, 2.0]),
    ):
        other = shutil.copy(path, path.with_name("other.hdf5"))
        with h5py.File(other, "a") as file:
            group = file["data/demo_1"]
            if key in group.attrs:
                group.attrs[key] = value
            else:
                del group[key]
                if value is None:
                    group.create_group(key)
                else:
                    group[key] = value
        with pytest.raises(DatasetError, match=r"demo_1: an entry is of another type"):
            load_demonstrations(other)


def test_a_file_without_demonstrations(path):
    with h5py.File(path, "a") as file:
        for name in list(file["data"]):
            del file["data"][name]
    with pytest.raises(DatasetError, match="it holds no demonstration"):
        load_demonstrations(path)


def test_unknown_demonstration(path):
    with pytest.raises(DatasetError, match="unknown demonstration 'demo_7'"):
        read_demonstration(path, "demo_7")
