"""train, eval and export through the command line, and what they say to bad input."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

from teleop.record import record
from trirl_robot.config import CONFIGS
from trirl_robot.model_file import load_policy, load_reward
from trirl_robot.runs.folder import RunFolder

TINY = (
    "total_steps=640",
    "num_envs=8",
    "rollout_steps=20",
    "warmup_iterations=1",
    "cloning.updates=20",
    "ppo.epochs=1",
)


def trirl(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "trirl_robot", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    record("so101-reach", "scripted", 3, folder / "demos.hdf5", seed=1, realtime=False)
    settings = [word for setting in TINY for word in ("--set", setting)]
    done = trirl("train", folder / "demos.hdf5", "--output", folder / "run", *settings)
    assert done.returncode == 0, done.stderr
    done = trirl("export", folder / "run", "--output", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_exported_files_carry_contract_and_provenance(chain):
    policy, reward = load_policy(chain / "policy.onnx"), load_reward(chain / "reward.onnx")
    assert policy.contract == reward.contract
    assert policy.provenance["seed"] == 0
    assert policy.provenance["config"]["algorithm"]["num_envs"] == 8
    assert policy.provenance["success_under_training_randomisation"]["episodes"] == 100
    assert len(policy.provenance["demonstrations_sha256"]) == 64
    observation = np.zeros((3, policy.contract.observation_size), np.float32)
    action = np.zeros((3, policy.contract.action_size), np.float32)
    assert reward.run(observation=observation, action=action).shape == (3,)


def test_a_finished_run_that_is_to_go_on_says_so(chain):
    before = RunFolder(chain / "run").read_metrics()
    done = trirl("train", "--resume", chain / "run")
    assert done.returncode == 0, done.stderr
    assert "finished already: 4 iterations are done" in done.stdout
    assert "0/4" not in done.stdout
    assert RunFolder(chain / "run").read_metrics() == before


def test_eval_prints_a_table_and_writes_every_draw(chain):
    done = trirl(
        "eval", chain / "policy.onnx", "--episodes", 6, "--randomisation", "shifted",
        "--json", chain / "eval.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "shifted" in done.stdout
    assert "95 % interval" in done.stdout
    (result,) = json.loads((chain / "eval.json").read_text())["presets"].values()
    assert len(result["episodes"]) == 6
    assert "body_mass/wrist" in result["episodes"][0]["dynamics"]


def without_contract(path):
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path.with_name("bare.onnx"))
    return path.with_name("bare.onnx")


def with_a_changed_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = path.with_name("changed.onnx")
    changed.write_bytes(bytes(content))
    return changed


def truncated(path):
    content = path.read_bytes()
    cut = path.with_name("cut.hdf5")
    cut.write_bytes(content[: len(content) // 2])
    return cut


def at_another_rate(path):
    """A task whose robot is controlled at twice the rate of the demonstrations."""
    robot = (CONFIGS / "robots/so101.yaml").read_text().replace("rate_hz: 25.0", "rate_hz: 50.0")
    path.with_name("fast.yaml").write_text(robot)
    task = (CONFIGS / "tasks/so101-reach.yaml").read_text()
    changed = path.with_name("fast-reach.yaml")
    changed.write_text(task.replace("robot: so101", f"robot: {path.with_name('fast.yaml')}"))
    return changed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "missing.hdf5", "--output", "run-x"), "no such file"),
        (("train", truncated, "--output", "run-x"), "truncated"),
        (("train", "demos.hdf5", "--output", "run-x", "--task", at_another_rate), "!= 50.0"),
        (
            ("train", "demos.hdf5", "--output", "run-x", "--set", "discriminator.inputs=[actoin]"),
            "did you mean 'action'",
        ),
        (("train", "demos.hdf5", "--output", "run"), "already holds a run"),
        (("train", "demos.hdf5", "--output", "policy.onnx"), "a file is there"),
        (
            ("train", "demos.hdf5", "--output", "run-x", "--set", "entropy_coeff=1"),
            "did you mean 'entropy_coef'",
        ),
        (("train", "demos.hdf5", "--output", "run-x", "--set", "ppo.clip=x"), "expected a number"),
        (
            ("train", "demos.hdf5", "--output", "run-x", "--randomisation", "lihgt"),
            "did you mean 'light'",
        ),
        (("train", "--resume", "nowhere"), "not a run folder"),
        (
            ("train", "demos.hdf5", "-o", "run-x", "--set", "num_env=8"),
            "--set: unknown key 'num_env'",
        ),
        (("train", "demos.hdf5", "-o", "run-x", "--algorithm", "ppo"), "give --task so101-reach"),
        (
            ("train", "--task", "hopper", "-o", "run-x", "--algorithm", "ppo", "--episodes", "3"),
            "none are given",
        ),
        (("eval", "policy.onnx", "--json", "demos.hdf5/a.json"), "choose another place"),
        (("train", "--resume", "run", "--seed", "0", "--task", "x"), "leave out --task, --seed"),
        (("train", "demos.hdf5", "--resume", "run"), "leave out DEMONSTRATIONS"),
        (("train", "--resume", "run", "--set", "ppo.gamma=0.9"), "leave out --set"),
        (("eval", "missing.onnx"), "no such file"),
        (("eval", without_contract), "without a contract"),
        (("eval", with_a_changed_byte), "changed"),
        (("eval", "policy.onnx", "--task", "so101-reech"), "did you mean 'so101-reach'"),
        (("eval", "reward.onnx"), "not a policy"),
        (("export", "nowhere"), "not a run folder"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(chain, arguments, message, monkeypatch):
    monkeypatch.chdir(chain)
    made = {
        truncated: "demos.hdf5",
        at_another_rate: "demos.hdf5",
        without_contract: "policy.onnx",
        with_a_changed_byte: "policy.onnx",
    }
    words = [w(chain / made[w]) if callable(w) else w for w in arguments]
    done = trirl(*words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (chain / "run-x").exists()
