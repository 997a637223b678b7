"""Robomimic's own reader reads the files, every field of them and both masks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trirl_robot.demos.store import save_demonstration

ROOT = Path(__file__).resolve().parents[2]

_READER = """
import json, sys
import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset

path, keys = sys.argv[1], sys.argv[2].split(",")
obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": keys}})
found = {}
for mask in ("train", "valid"):
    data = SequenceDataset(
        path, obs_keys=keys, dataset_keys=("actions", "rewards", "dones", "states"),
        seq_length=3, hdf5_cache_mode="low_dim", filter_by_attribute=mask,
    )
    item = data[4]
    found[mask] = {
        "demos": data.demos,
        "length": len(data),
        "actions": item["actions"].tolist(),
        "dones": data[11]["dones"].tolist(),
        "obs": {key: item["obs"][key].tolist() for key in keys},
        "next_obs": {key: item["next_obs"][key].tolist() for key in keys},
    }
everything = SequenceDataset(
    path, obs_keys=keys, dataset_keys=("actions",), hdf5_cache_mode=None, hdf5_normalize_obs=True,
)
found["everything"] = {
    "length": len(everything),
    "means": {k: s["mean"].tolist() for k, s in everything.get_obs_normalization_stats().items()},
    "last": everything[len(everything) - 1]["actions"].tolist(),
}
json.dump(found, open(sys.argv[3], "w"))
"""


@pytest.fixture(scope="session")
def reader():
    """Folder of robomimic, installed when it is not there yet."""
    tool = ROOT / "tools" / "robomimic-reader"
    done = subprocess.run([tool, sys.executable], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_sequence_dataset_reads_our_files(reader, tmp_path, make_demo, make_contract):
    path, contract = tmp_path / "demos.hdf5", make_contract()
    demos = [make_demo(seed=seed) for seed in range(10)]
    for demo in demos:
        save_demonstration(path, demo, contract)
    keys = [field.name for field in contract.observation]
    done = subprocess.run(
        [sys.executable, "-c", _READER, path, ",".join(keys), tmp_path / "found.json"],
        env={**os.environ, "PYTHONPATH": reader},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["train"]["demos"] == [f"demo_{i}" for i in range(9)]
    assert found["valid"]["demos"] == ["demo_9"]
    assert found["train"]["length"] == 9 * 12
    assert found["everything"]["length"] == 10 * 12
    np.testing.assert_array_equal(found["everything"]["last"], demos[9].action[-1:])
    # its cache holds single precision
    np.testing.assert_allclose(found["train"]["actions"], demos[0].action[4:7], rtol=1e-6)
    # robomimic repeats the last step beyond the end
    np.testing.assert_array_equal(found["valid"]["dones"], [1, 1, 1])
    observed = np.concatenate([demo.observation for demo in demos])
    for key, place in contract.observation_slices.items():
        for mask, demo in (("train", demos[0]), ("valid", demos[9])):
            part = found[mask]
            seen, following = demo.observation[4:7, place], demo.next_observation[4:7, place]
            np.testing.assert_allclose(part["obs"][key], seen, rtol=1e-6)
            np.testing.assert_allclose(part["next_obs"][key], following, rtol=1e-6)
        means = np.squeeze(found["everything"]["means"][key])
        np.testing.assert_allclose(means, observed[:, place].mean(axis=0), atol=1e-5)
