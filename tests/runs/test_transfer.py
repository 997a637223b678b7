"""A fresh policy on a frozen reward: what it learns, and that it resumes."""

import dataclasses

import numpy as np
import pytest
import torch
from frozen_rewards import Wish, write_wish
from run_states import leaves, same

from trirl_robot.cli.main import main
from trirl_robot.cli.transfer import resolve
from trirl_robot.errors import ConfigError, ContractError, ModelFileError
from trirl_robot.irl.transfer import FrozenReward
from trirl_robot.rl.policy import MeanAction
from trirl_robot.rl.rollout import RolloutCollector
from trirl_robot.runs.checkpoint import load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.env import make_env

TASK = "so101-reach"
SETTINGS = ("total_steps=1600", "num_envs=8", "rollout_steps=20", "policy_hidden=[16]")


@pytest.fixture(scope="module")
def contract():
    return make_env(TASK, num_envs=1, randomisation="none").contract


@pytest.fixture(scope="module")
def reward_file(contract, tmp_path_factory):
    return write_wish(tmp_path_factory.mktemp("reward") / "reward.onnx", contract)


def created(reward_file, path, *more):
    config = resolve(reward_file, path, task=TASK, overrides=(*SETTINGS, *more))
    config = dataclasses.replace(
        config, evaluation_episodes=2, evaluation_every=5, checkpoint_every=4
    )
    return RunFolder.create(path, config), config


@pytest.mark.parametrize("follows", [False, True])
def test_the_frozen_reward_is_the_file_s_in_every_step(contract, tmp_path, follows):
    reward = FrozenReward(write_wish(tmp_path / "reward.onnx", contract, follows=follows))
    env = make_env(TASK, num_envs=8, randomisation="none")
    config = resolve(tmp_path / "reward.onnx", tmp_path / "run", task=TASK, overrides=SETTINGS)
    learner = build_learner(config, tmp_path / "run")
    rollout = RolloutCollector(env, 20).collect(learner.policy, torch.Generator().manual_seed(0))
    parts = [rollout.observation, rollout.applied_action, rollout.final_observation]
    parts = [part.flatten(0, 1) for part in (parts if follows else parts[:2])]
    torch.testing.assert_close(reward(rollout), Wish()(*parts).view(20, 8), atol=1e-5, rtol=1e-5)
    assert reward.absorbing == -1.5


def test_an_end_is_worth_what_the_file_states_of_absorbing_states(contract, tmp_path):
    path = write_wish(tmp_path / "reward.onnx", contract)
    config = resolve(path, tmp_path / "run", task=TASK, overrides=SETTINGS)
    learner = build_learner(config, tmp_path / "run")
    given, update = {}, learner.ppo.update

    def observed(rollout, reward, **others):
        given.update(others, tail=learner.absorbing_value(-1.5))
        return update(rollout, reward, **others)

    learner.ppo.update = observed
    learner.step()
    assert given["absorbing_value"] == given["tail"] < -1.5
    assert given["entropy_coef"] == 0.03


@pytest.mark.slow
def test_a_fresh_policy_does_what_the_reward_wants(reward_file, tmp_path):
    short = ("total_steps=40000", "rollout_steps=50", "ppo.gamma=0.5", "ppo.minibatch=100")
    quick = ("initial_std=0.4", "average_decay=0.5", "entropy_coef=0")
    folder, config = created(reward_file, tmp_path / "run", *short, *quick)
    learner = build_learner(config, folder.path)
    train(folder, config, learner)
    observation = make_env(TASK, num_envs=32, randomisation="none").reset()
    action = MeanAction(learner.averaged)(observation)
    assert np.abs(action[:, 0] - 0.5).mean() < 0.15
    rows = folder.read_metrics()
    assert rows[-1]["reward/policy_mean"] > rows[0]["reward/policy_mean"]


def test_it_resumes_bit_for_bit_and_logs_the_task_s_own_return(reward_file, tmp_path):
    whole, config = created(reward_file, tmp_path / "whole")
    train(whole, config, build_learner(config, whole.path))
    killed, config = created(reward_file, tmp_path / "killed")
    learner = build_learner(config, killed.path)

    def progress(metrics, iterations):
        if metrics["iteration"] == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(killed, config, learner, progress)
    reopened, config = RunFolder.open(killed.path)
    train(reopened, config, build_learner(config, killed.path))
    first, second = (dict(leaves(load_checkpoint(f.checkpoint))) for f in (whole, killed))
    assert first.keys() == second.keys()
    assert not [name for name, value in first.items() if not same(value, second[name])]
    last = whole.read_metrics()[-1]
    assert {
        "evaluation/return",
        "reward/correlation_with_task",
        "reward/policy_mean",
    } <= last.keys()


def test_another_file_in_the_reward_s_place_is_refused(contract, tmp_path):
    path = write_wish(tmp_path / "reward.onnx", contract)
    folder, config = created(path, tmp_path / "run")
    write_wish(path, contract, follows=True)
    with pytest.raises(ModelFileError, match="changed since the run began"):
        build_learner(config, folder.path)


def test_a_reward_of_another_contract_is_refused(tmp_path, make_contract):
    path = write_wish(tmp_path / "reward.onnx", make_contract())
    with pytest.raises(ContractError, match=f"differs from the contract of the task '{TASK}'"):
        build_learner(resolve(path, tmp_path / "run", task=TASK), tmp_path / "run")


def test_a_reward_without_that_of_an_absorbing_state_is_refused(contract, tmp_path):
    path = write_wish(tmp_path / "reward.onnx", contract, provenance={"seed": 3})
    with pytest.raises(ModelFileError, match="does not state the reward of an absorbing state"):
        resolve(path, tmp_path / "run", task=TASK)


@pytest.mark.parametrize(
    ("absorbing", "entropy"), [(float("nan"), 0.1), (0.0, -0.1), (0.0, float("inf"))]
)
def test_a_reward_that_states_what_cannot_be_is_refused(contract, tmp_path, absorbing, entropy):
    stated = {"weighting": "average", "absorbing_reward": absorbing, "entropy_coef": entropy}
    path = write_wish(tmp_path / "reward.onnx", contract, provenance={"reward": stated})
    with pytest.raises(ModelFileError, match="expected finite numbers, the weight 0 or more"):
        resolve(path, tmp_path / "run", task=TASK)


def test_a_recipe_of_another_algorithm_is_refused(reward_file, tmp_path):
    with pytest.raises(ConfigError, match="recipe of ppo, expected one of transfer"):
        resolve(reward_file, tmp_path / "run", task=TASK, algorithm="ppo")


@pytest.fixture
def trirl(capsys):
    """Run the command line in this process; return its status, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in arguments])
        return ended.value.code, *capsys.readouterr()

    return run


def test_the_command_line_trains_and_refuses_in_one_sentence(trirl, reward_file, tmp_path):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    run = ("--task", TASK, "--output", tmp_path / "run", *settings)
    status, output, _ = trirl("transfer", reward_file, *run)
    assert status == 0
    assert "return of the task's own reward" in output
    status, output, _ = trirl("export", tmp_path / "run")
    assert status == 0
    assert "no reward.onnx" in output
    assert not (tmp_path / "run" / "reward.onnx").exists()
    for arguments, message in (
        (("transfer", reward_file, *run), "already holds a run"),
        (("transfer", "missing.onnx", *run), "no such file"),
        (("transfer", tmp_path / "run" / "policy.onnx", *run), "not a reward"),
        (("transfer", reward_file, "--task", "hopper", "--output", tmp_path / "x"), "differs"),
        (("transfer", reward_file, "--task", "so101-reech", "--output", "x"), "did you mean"),
        (("train", "--algorithm", "transfer", "--task", TASK, "--output", "x"), "trirl transfer"),
        (("export", tmp_path / "run", "--reward", "average"), "keeps no reward"),
    ):
        status, _, errors = trirl(*arguments)
        assert status == 2, errors
        assert message in errors
        assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_the_entropy_weighs_beside_a_reward_what_its_file_states(reward_file, tmp_path):
    def weight(task, *overrides):
        config = resolve(reward_file, tmp_path / "run", task=task, overrides=overrides)
        return config.algorithm.entropy_coef

    assert weight(TASK) == 0.03
    # a recipe knows better, and the user best
    assert weight("half-cheetah") == 0.0
    assert weight("half-cheetah", "entropy_coef=0.1") == 0.1
