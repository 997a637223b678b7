"""The whole chain through the command line, as short as it can be."""

import json
import subprocess
import sys

import pytest

ROWS = {
    "demo/random policy": "ratio",
    "demo/cloning": "ratio",
    "demo/TRIRL": "ratio",
    "demo/cloning, shifted": "ratio",
    "demo/TRIRL, shifted": "ratio",
    "demo/TRIRL through ROS 2": "ratio",
    "demo/difference/simulator (torch) - onnxruntime": "1",
    "demo/difference/onnxruntime - wire": "1",
    "demo/difference/simulator (torch) - wire": "1",
    "demo/duration": "s",
    "demo/peak_memory": "GiB",
}


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.timeout(420)
def test_the_demo_goes_from_recording_to_a_report(tmp_path):
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "trirl_robot", "demo", "--output", str(folder)]
    done = subprocess.run(
        [*command, "--demonstrations", "2", "--steps", "24576", "--reaches", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = {r["name"]: r for r in json.loads((folder / "results.json").read_text())["rows"]}
    assert {name: rows[name]["unit"] for name in ROWS} == ROWS
    assert rows["demo/TRIRL"]["n"] == 200
    assert rows["demo/TRIRL through ROS 2"]["n"] == 1
    assert rows["demo/difference/simulator (torch) - wire"]["n"] >= 80
    for name in ROWS:
        if name.startswith("demo/difference/"):
            assert rows[name]["value"] <= 1e-5
    assert 0.1 < rows["demo/peak_memory"]["value"] < 4.0
    stages = sum(r["value"] for n, r in rows.items() if n.startswith("demo/duration/"))
    assert rows["demo/duration"]["value"] >= stages
    report = (folder / "report.html").read_text()
    for name in ("TRIRL through ROS 2", "cloning, shifted", "Discriminator", "Multiplier eta"):
        assert name in report
    assert str(tmp_path) not in report
    assert str(tmp_path).encode() not in (folder / "policy.onnx").read_bytes()
    again = subprocess.run([*command], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "not empty" in again.stderr
