import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch
from run_states import leaves, same

from teleop.record import record
from trirl_robot.cli.train import resolve
from trirl_robot.errors import ConfigError, DatasetError, RunError
from trirl_robot.runs.checkpoint import load_checkpoint, save_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.policies import load_learnt
from trirl_robot.runs.rewards import load_reward_of
from trirl_robot.runs.train import build_learner, train


def make_config(demonstrations, folder, tiny, *more, **settings):
    config = resolve(demonstrations, folder, seed=3, overrides=(*tiny, *more))
    changed = {"evaluation_episodes": 4, "evaluation_every": 4, "checkpoint_every": 2, **settings}
    return dataclasses.replace(config, **changed)


def created(demonstrations, path, tiny, *more, **settings):
    config = make_config(demonstrations, path, tiny, *more, **settings)
    return RunFolder.create(path, config), config


RARELY = {"evaluation_every": 25, "checkpoint_every": 4}
SIXTY = "total_steps=9600"
"""60 iterations: enough for a test that gets little time to kill the run before its end."""


@pytest.fixture(scope="module")
def whole_run(demonstrations, tiny, tmp_path_factory):
    folder, config = created(demonstrations, tmp_path_factory.mktemp("runs") / "whole", tiny)
    train(folder, config, build_learner(config, folder.path))
    return folder, config


@pytest.mark.parametrize(
    ("cores", "nthread", "expected"), [(2, 0, True), (2, 2, True), (2, 1, False), (1, 0, False)]
)
def test_the_critic_has_a_process_where_there_is_a_core_for_it(
    demonstrations, tmp_path, tiny, monkeypatch, cores, nthread, expected
):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)))
    config = make_config(demonstrations, tmp_path, tiny)
    assert build_learner(config, tmp_path, nthread=nthread).ppo.side_by_side is expected


def test_a_run_leaves_config_versions_metrics_and_tensorboard(whole_run):
    folder, config = whole_run
    rows = folder.read_metrics()
    assert [row["iteration"] for row in rows] == list(range(1, 11))
    assert rows[-1]["env_steps"] == 1600
    assert [r["iteration"] for r in rows if "evaluation/success_rate" in r] == [4, 8, 10]
    assert RunFolder.open(folder.path)[1] == config
    assert json.loads((folder.path / "versions.json").read_text())["packages"]["torch"]
    assert list((folder.path / "tensorboard").glob("events.*"))


def test_the_reward_and_the_policy_have_moved(whole_run):
    folder, _ = whole_run
    learnt = load_learnt(folder.path)
    assert load_reward_of(folder.path).reward.length == 9
    observation = torch.randn(50, learnt.contract.observation_size)
    assert (learnt.policy(observation) - learnt.cloned(observation)).abs().max() > 1e-4


def test_a_killed_and_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    demonstrations, tmp_path, tiny
):
    tiny = (*tiny, "demonstrated_starts=0.3")
    whole, config = created(demonstrations, tmp_path / "whole", tiny, SIXTY, **RARELY)
    train(whole, config, build_learner(config, whole.path))
    folder, config = created(demonstrations, tmp_path / "killed", tiny, SIXTY, **RARELY)
    process = subprocess.Popen(
        [sys.executable, "-m", "trirl_robot", "train", "--resume", str(folder.path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while len(folder.read_metrics()) < 5 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    assert 4 <= load_checkpoint(folder.checkpoint)["iteration"] < 60
    reopened, config = RunFolder.open(folder.path)
    train(reopened, config, build_learner(config, folder.path))
    first, second = load_checkpoint(whole.checkpoint), load_checkpoint(folder.checkpoint)
    expected, found = dict(leaves(first)), dict(leaves(second))
    assert expected.keys() == found.keys()
    assert {"/trust_region/penalty", "/generator", "/env/elapsed_steps"} <= expected.keys()
    different = [name for name, value in expected.items() if not same(value, found[name])]
    assert not different
    assert [r["iteration"] for r in folder.read_metrics()] == list(range(1, 61))
    for a, b in zip(whole.read_metrics(), folder.read_metrics(), strict=True):
        timeless = {key for key in a if not key.startswith("time")}
        assert {key: a[key] for key in timeless} == {key: b[key] for key in timeless}


def test_what_is_left_of_a_run_is_not_taken_for_the_new_one(whole_run, tmp_path):
    folder, config = whole_run
    (tmp_path / "run").mkdir()
    shutil.copy(folder.checkpoint, tmp_path / "run")
    with pytest.raises(RunError, match=r"holds checkpoint\.pt of a run whose config\.yaml is gone"):
        RunFolder.create(tmp_path / "run", config)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_that_was_torn_by_a_kill_is_removed_by_who_goes_on(
    demonstrations, tmp_path, tiny
):
    folder, config = created(demonstrations, tmp_path / "run", tiny)
    torn = folder.path / f".{folder.checkpoint.name}.0123abcd.tmp"
    torn.write_bytes(b"half of it")
    train(folder, config, build_learner(config, folder.path))
    assert not torn.exists()
    assert folder.checkpoint.is_file()


def test_a_folder_that_holds_a_run_is_not_overwritten(whole_run):
    folder, config = whole_run
    with pytest.raises(RunError, match="already holds a run"):
        RunFolder.create(folder.path, config)


def test_one_process_at_a_time_trains_in_a_folder(whole_run):
    folder, _ = whole_run
    with folder.locked():
        ended = subprocess.run(
            [sys.executable, "-m", "trirl_robot", "train", "--resume", str(folder.path)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    assert "another process is training in this folder" in ended.stderr
    with folder.locked():
        pass


def test_a_checkpoint_of_other_networks_is_refused(whole_run, demonstrations, tiny, tmp_path):
    whole, _ = whole_run
    for name, override in (("wide", "policy_hidden=[32, 32]"), ("deep", "critic_hidden=[8, 8, 8]")):
        folder, config = created(demonstrations, tmp_path / name, tiny, override)
        folder.checkpoint.write_bytes(whole.checkpoint.read_bytes())
        with pytest.raises(RunError, match="does not fit the run's configuration"):
            train(folder, config, build_learner(config, folder.path))
        assert not folder.metrics.exists()
    with pytest.raises(RunError, match=r"does not fit .*size mismatch"):
        load_learnt(tmp_path / "wide")
    save_checkpoint(folder.checkpoint, {"iteration": 3})
    with pytest.raises(RunError, match=r"does not fit .*no entry '\w+'"):
        load_learnt(folder.path)


def test_changed_demonstrations_are_refused_on_resume(demonstrations, tiny, tmp_path):
    copy = tmp_path / "demos.hdf5"
    copy.write_bytes(demonstrations.read_bytes())
    config = make_config(copy, tmp_path / "run", tiny)
    record("so101-reach", "scripted", 1, copy, seed=9, realtime=False, existing="append")
    with pytest.raises(DatasetError, match="changed since the run began"):
        build_learner(config, tmp_path / "run")


def test_a_torn_last_line_of_the_metrics_is_left_out(tmp_path):
    folder = RunFolder(tmp_path)
    folder.append_metrics({"iteration": 1, "x": 2.0, "nothing": float("nan")})
    with folder.metrics.open("a") as handle:
        handle.write('{"iteration": 2, "x"')
    assert folder.read_metrics() == [{"iteration": 1, "x": 2.0}]


def test_checkpoints_keep_values_and_refuse_damage(tmp_path):
    path = tmp_path / "c.pt"
    state = {"a": torch.arange(3), "b": {"c": np.eye(2), "d": [1, 2.5, 2**100]}, "e": None}
    save_checkpoint(path, state)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["a"], state["a"])
    np.testing.assert_array_equal(loaded["b"]["c"], np.eye(2))
    assert loaded["b"]["d"] == [1, 2.5, 2**100]
    whole = path.read_bytes()
    for damaged in (whole[:-100], b"", b"garbage" * 99, b"\x80\x02garbage", bytes(500)):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match="damaged checkpoint"):
            load_checkpoint(path)
    with pytest.raises(RunError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "missing.pt")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("step_sise=0.1", "did you mean 'step_size'"),
        ("ppo.gamma=high", "expected a number"),
        ("step_size=2.0", "expected a value in"),
        ("discriminator.inputs=[joint_velocty]", "did you mean 'joint_velocity'"),
        ("num_envs=0", "num_envs is 0, expected at least 1"),
        ("entropy_coef=0", "entropy_coef is 0.0, expected more than 0"),
        ("warmup_iterations=300", "all of them of the warm-up"),
        ("initial_std=50", r"initial_std is 50.0, expected a value in \[0.02, 1.5\]"),
        ("trust_region.minimum_eta=0", "minimum_eta is 0.0, expected more than 0"),
        ("warmup_iterations=-1", "warmup_iterations is -1, expected 0 or more"),
        ("policy_hidden=[64, 0]", "expected widths of at least 1"),
        ("ppo.minibatch=0", "ppo: minibatch is 0, expected at least 1"),
        ("ppo.gamma=2", r"ppo: gamma is 2.0, expected a value in \[0, 1\)"),
        ("ppo.gae_lambda=1.1", "gae_lambda is 1.1"),
        ("ppo.critic_learning_rate=0", "critic_learning_rate is 0.0, expected more than 0"),
        ("ppo.final_learning_rate=-1e-4", "final_learning_rate is -0.0001, expected 0 or more"),
        ("discriminator.epochs=0", "discriminator: epochs is 0"),
        ("discriminator.gradient_penalty=-1", "gradient_penalty is -1.0"),
        ("reward.maximum_length=0", "reward: maximum_length is 0"),
        ("reward.tolerance=1", "tolerance is 1.0"),
        ("trust_region.adaptation=0", "trust_region: adaptation is 0.0, expected more than 1"),
        ("trust_region.kl_bound=0", "kl_bound is 0.0"),
        ("cloning.learning_rate=-1", "cloning: learning_rate is -1.0, expected more than 0"),
        ("cloning.validation_share=1", "validation_share is 1.0"),
    ],
)
def test_bad_settings_are_refused_before_a_run_begins(demonstrations, override, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_learner(resolve(demonstrations, tmp_path, overrides=(override,)), tmp_path)


def without_actions(demonstrations, path):
    shutil.copyfile(demonstrations, path)
    with h5py.File(path, "a") as file:
        for group in file["data"].values():
            del group["actions"]
    return path


WATCHED = ("start=scratch", "discriminator.inputs=[observation, next_end_effector_to_target]")


def test_observations_alone_are_enough_to_learn_from(demonstrations, tiny, tmp_path):
    path = without_actions(demonstrations, tmp_path / "watched.hdf5")
    results = []
    for source in (path, demonstrations):
        settings = (*tiny, *WATCHED, "total_steps=480")
        config = resolve(source, tmp_path / "run", algorithm="trirl", overrides=settings)
        learner = build_learner(config, tmp_path / "run")
        for _ in range(3):
            learner.step()
        results.append(torch.nn.utils.parameters_to_vector(learner.policy.parameters()))
    assert torch.isfinite(results[0]).all()
    assert torch.equal(*results)


@pytest.mark.parametrize(
    ("algorithm", "settings", "needs"),
    [
        ("trirl", (), "starts from cloning"),
        ("trirl", ("start=scratch", "discriminator.inputs=[action]"), "with these inputs"),
        ("airl", WATCHED, "algorithm airl"),
        ("bc", (), "algorithm bc"),
    ],
)
def test_what_needs_actions_refuses_to_learn_without(
    demonstrations, tmp_path, algorithm, settings, needs
):
    path = without_actions(demonstrations, tmp_path / "watched.hdf5")
    config = resolve(path, tmp_path / "run", algorithm=algorithm, overrides=settings)
    with pytest.raises(DatasetError, match=rf"without actions.*{needs}.*start=scratch"):
        build_learner(config, tmp_path / "run")


def test_neither_inputs_nor_returns_have_to_be_normalised(demonstrations, tiny, tmp_path):
    settings = (*tiny, "total_steps=480", "observation_scaling=none", "normalise_returns=false")
    config = resolve(demonstrations, tmp_path / "run", overrides=settings)
    learner = build_learner(config, tmp_path / "run")
    for _ in range(3):
        learner.step()
    observation = torch.randn(4, learner.env.contract.observation_size)
    assert torch.equal(learner.policy.scaler(observation), observation)
    value = learner.critic.normalised_of(observation)
    assert torch.equal(learner.critic(observation), value)
