import dataclasses
import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trirl_robot.demos.dataset import load_demonstrations, read_demonstration
from trirl_robot.demos.store import save_demonstration
from trirl_robot.errors import ContractError, DatasetError

ARRAYS = ("observation", "action", "next_observation", "state", "reward", "terminated")


def assert_same(first, second):
    for field in dataclasses.fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_round_trip(make_demo, make_contract, make_metadata, data):
    steps = data.draw(st.integers(1, 20))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    contract = make_contract()
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
    demo = make_demo(
        steps,
        observation=data.draw(
            hnp.arrays(np.float64, (steps, contract.observation_size), elements=finite)
        ),
        state=data.draw(
            hnp.arrays(np.float64, (steps, data.draw(st.integers(0, 3))), elements=finite)
        ),
        outcome=data.draw(st.sampled_from(["success", "failure"])),
        remark=data.draw(text),
        metadata=make_metadata(
            operator=data.draw(text), dynamics=data.draw(st.dictionaries(text, finite))
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demos.hdf5"
        name = save_demonstration(path, demo, contract)
        assert_same(read_demonstration(path, name), demo)


def test_many_demonstrations_in_order(tmp_path, make_demo, make_contract):
    path, contract = tmp_path / "demos.hdf5", make_contract()
    demos = [make_demo(steps=5 + i, seed=i) for i in range(12)]
    names = [save_demonstration(path, demo, contract) for demo in demos]
    assert names == [f"demo_{i}" for i in range(12)]
    loaded = load_demonstrations(path, contract=contract)
    assert loaded.names == tuple(names)
    np.testing.assert_array_equal(loaded.lengths, [len(d) for d in demos])
    np.testing.assert_array_equal(loaded.action, np.concatenate([d.action for d in demos]))
    with h5py.File(path) as file:
        assert list(file["mask/valid"]) == [b"demo_9"]
        assert len(file["mask/train"]) == 11
    assert loaded.task_parameters[3] == {"target_position": [0.1, 0.2, 0.3]}


def test_layout_that_other_tools_expect(tmp_path, make_demo, make_contract):
    path, demo = tmp_path / "demos.hdf5", make_demo()
    save_demonstration(path, demo, make_contract())
    save_demonstration(path, demo, make_contract())
    with h5py.File(path) as file:
        assert file["data"].attrs["total"] == 24
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "planar-reach"
        assert file["data"].attrs["contract_sha256"] == make_contract().sha256
        one = file["data/demo_1"]
        assert one.attrs["num_samples"] == 12
        # the field of the contract is at its place
        np.testing.assert_array_equal(one["obs/joint_velocity"], demo.observation[:, 2:4])
        np.testing.assert_array_equal(one["dones"], [0] * 11 + [1])
        assert file["mask/train"][()].tolist() == [b"demo_0", b"demo_1"]
        # the model is stored once for both
        assert one["model_xml"] == file["data/demo_0/model_xml"]
        assert len(file["models"]) == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("action", np.full((12, 2), 1.01), r"an action is 1.01, expected values in \[-1, 1\]"),
        ("observation", np.full((12, 17), np.nan), "observation is not finite at step 0"),
        ("reward", np.full(12, np.inf), "reward is not finite"),
        ("observation", np.zeros((12, 16)), r"shape \(12, 16\), expected \(12, 17\)"),
        ("reward", np.zeros(11), "reward has the shape"),
        ("truncated", np.ones(12, dtype=bool), "step 0 of 12 is marked as the end"),
        ("truncated", np.zeros(12, dtype=bool), "neither terminated nor truncated"),
    ],
)
def test_refuses_what_cannot_be_learnt_from(
    tmp_path, make_demo, make_contract, field, value, message
):
    demo = dataclasses.replace(make_demo(), **{field: value})
    with pytest.raises(DatasetError, match=message):
        save_demonstration(tmp_path / "demos.hdf5", demo, make_contract())
    assert list(tmp_path.iterdir()) == []


def test_refuses_another_contract_or_task(tmp_path, make_demo, make_contract, make_metadata):
    path = tmp_path / "demos.hdf5"
    save_demonstration(path, make_demo(), make_contract())
    before = path.read_bytes()
    with pytest.raises(ContractError, match=r"control_rate_hz: 20.0 != 50.0"):
        save_demonstration(path, make_demo(), make_contract(control_rate_hz=50.0))
    other = make_demo(metadata=make_metadata(task="planar-push"))
    with pytest.raises(DatasetError, match="task 'planar-reach', not 'planar-push'"):
        save_demonstration(path, other, make_contract())
    assert path.read_bytes() == before


def test_a_failed_save_leaves_the_file_as_before(tmp_path, make_demo, make_contract, monkeypatch):
    path = tmp_path / "demos.hdf5"
    save_demonstration(path, make_demo(), make_contract())
    before = path.read_bytes()

    def full_disk(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full_disk)
    with pytest.raises(DatasetError, match="No space left on device"):
        save_demonstration(path, make_demo(seed=1), make_contract())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
