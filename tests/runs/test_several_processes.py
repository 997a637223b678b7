import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from run_states import leaves
from sharing_processes import CASES, ITERATIONS, learnt

from trirl_robot.cli.train import resolve
from trirl_robot.errors import RunError
from trirl_robot.irl.archive import DiscriminatorArchive
from trirl_robot.runs.checkpoint import load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner, train

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[1]
TOLERANCE = 1e-5
METRIC_TOLERANCE = 1e-4
"""Some metrics are those of one state alone, the worst, and amplify the rounding of parameters."""


def torchrun(*arguments):
    """Run a program in two processes of this machine; return how it ended."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *launch, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)},
    )


def apart(first, second):
    """Return by how much numbers differ, absolutely where they are small, else relatively."""
    first, second = (torch.as_tensor(x).double() for x in (first, second))
    assert first.shape == second.shape
    gap = (first - second).abs() / second.abs().clamp_min(1.0)
    return float(gap.nan_to_num(nan=0.0).max()) if gap.numel() else 0.0


@pytest.fixture(scope="module")
def shared(sources, tmp_path_factory):
    """What each of two processes has learnt, and the folder with what they wrote."""
    folder = tmp_path_factory.mktemp("shared")
    ended = torchrun(TESTS / "sharing_processes.py", sources, folder)
    assert ended.returncode == 0, ended.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)], folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(shared, sources, case):
    (found, _), _ = shared
    expected = learnt(case, sources)
    assert len(found[case]) == len(expected) == ITERATIONS
    for (tensors, metrics), (one_tensors, one_metrics) in zip(found[case], expected, strict=True):
        assert tensors.keys() == one_tensors.keys()
        assert metrics.keys() == one_metrics.keys()
        for name, value in one_tensors.items():
            assert apart(tensors[name], value) < TOLERANCE, name
        for name, value in one_metrics.items():
            assert apart(metrics[name], value) < METRIC_TOLERANCE, name


@pytest.mark.parametrize("case", CASES)
def test_every_process_holds_the_same_bit_for_bit(shared, case):
    (first, second), _ = shared
    for (tensors, metrics), (others, other_metrics) in zip(first[case], second[case], strict=True):
        assert all(torch.equal(tensors[name], others[name]) for name in tensors)
        assert str(metrics) == str(other_metrics)


def test_two_processes_that_stopped_go_on_bit_for_bit(shared):
    results, _ = shared
    assert [result["differing"] for result in results] == [[], []]


def test_a_process_that_is_left_alone_says_so(shared):
    _, folder = shared
    message = (folder / "lost.txt").read_text()
    assert "a process that trains with this one has ended" in message
    assert "--resume" in message


def test_the_command_trains_in_two_processes_what_it_trains_in_one(demonstrations, tiny, tmp_path):
    settings = (*tiny, "total_steps=480")
    sets = [part for setting in settings for part in ("--set", setting)]
    two = RunFolder(tmp_path / "two")
    command = ["-m", "trirl_robot", "train", demonstrations, "--output", two.path, "--seed", 3]
    ended = torchrun(*command, *sets)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("run folder:") == 1
    one = RunFolder(tmp_path / "one")
    config = resolve(demonstrations, one.path, seed=3, overrides=settings)
    train(RunFolder.create(one.path, config), config, build_learner(config, one.path))

    rows = two.read_metrics()
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert "evaluation/success_rate" in rows[-1]
    for row, expected in zip(rows, one.read_metrics(), strict=True):
        for name in (key for key in expected if not key.startswith("time")):
            assert apart(row[name], expected[name]) < METRIC_TOLERANCE, name
    first, second = load_checkpoint(two.checkpoint), load_checkpoint(one.checkpoint)
    parts = first.pop("env")["by_process"], first.pop("observation")["by_process"]
    assert [len(part) for part in parts] == [2, 2]
    del second["env"], second["observation"]
    expected, found = dict(leaves(second)), dict(leaves(first))
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        if not isinstance(value, (str, type(None))):
            assert apart(found[name], value) < TOLERANCE, name
    heads = [DiscriminatorArchive(run.discriminators).read(2).heads for run in (two, one)]
    assert apart(*heads) < TOLERANCE

    _, config = RunFolder.open(two.path)
    with pytest.raises(RunError, match=r"expected 2 .*--nproc-per-node 2"):
        train(two, config, build_learner(config, two.path))


def test_environments_that_cannot_be_shared_out_are_refused_once(demonstrations, tmp_path):
    command = ["-m", "trirl_robot", "train", demonstrations, "--output", tmp_path / "run"]
    ended = torchrun(*command, "--set", "num_envs=7")
    assert ended.returncode != 0
    assert ended.stderr.count("error: num_envs is 7, expected a multiple of the 2 processes") == 1
    assert "exitcode  : 2" in ended.stderr
    assert not (tmp_path / "run").exists()
