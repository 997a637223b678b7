"""What holds for every algorithm: it resumes bit for bit, and reports what a researcher watches."""

import dataclasses

import numpy as np
import pytest
import torch
from run_states import leaves, same
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trirl_robot.cli.train import resolve
from trirl_robot.errors import ConfigError, RunError
from trirl_robot.irl.trust_region.projection import ProjectionConfig
from trirl_robot.runs import algorithms
from trirl_robot.runs.algorithms import load_algorithm
from trirl_robot.runs.checkpoint import load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.policies import load_learnt
from trirl_robot.runs.rewards import load_reward_of
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.tasks.registry import load_task

ROLLOUTS = (
    "total_steps=960",
    "num_envs=8",
    "rollout_steps=15",
    "policy_hidden=[16]",
    "critic_hidden=[16]",
    "ppo.epochs=1",
    "ppo.minibatch=60",
)
IMITATION = (
    *ROLLOUTS,
    "warmup_iterations=1",
    "cloning.updates=20",
    "discriminator.hidden=8",
    "discriminator.epochs=1",
    "discriminator.minibatch=60",
)
OVERRIDES = {
    "trirl": IMITATION,
    "gail": (*IMITATION, "discriminator.replay_share=0.5", "discriminator.replay_size=300"),
    "airl": (*IMITATION, "discriminator.replay_share=0.5", "discriminator.replay_size=300"),
    "ppo": (*ROLLOUTS, "ppo.kl_target=0.01"),
    "bc": ("cloning.updates=20",),
}
"""Eight iterations of 120 steps."""
EVERY = (
    "env_steps",
    "evaluation/return",
    "evaluation/success_rate",
    "time_s",
    "time_cpu_s",
)
ON_POLICY = (
    *EVERY,
    "policy/entropy",
    "policy/saturated_share",
    "policy/std",
    "trust_region/kl_mean",
    "trust_region/kl_max",
    "critic/explained_variance",
    "time/iteration_s",
    "time/rollout_share",
    "time/policy_share",
)
DISCRIMINATED = (
    *ON_POLICY,
    "discriminator/accuracy",
    "discriminator/calibration",
    "discriminator/loss",
    "reward/absorbing",
    "reward/policy_mean",
    "time/discriminator_share",
)
REPORTED = {
    "trirl": (
        *DISCRIMINATED,
        "dual/value",
        "dual/corrected_step_size",
        "trust_region/eta",
        "trust_region/kl_bound",
        "reward/chain_length",
        "reward/dropped_mass",
        "reward/drift_on_demonstrations",
        "time/reward_share",
    ),
    "gail": DISCRIMINATED,
    "airl": DISCRIMINATED,
    "ppo": ON_POLICY,
    "bc": (*EVERY, "cloning/training_error", "cloning/validation_error"),
}


def begun(demonstrations, path, algorithm):
    """Start a run in a new folder; return it with its configuration and its learner."""
    config = resolve(
        None if algorithm == "ppo" else demonstrations,
        path,
        algorithm=algorithm,
        task="so101-reach",
        seed=5,
        overrides=OVERRIDES[algorithm],
    )
    config = dataclasses.replace(
        config, evaluation_episodes=2, evaluation_every=8, checkpoint_every=3
    )
    learner = build_learner(config, path)
    return RunFolder.create(path, config), config, learner


class Killed(BaseException):
    """Ends a run on the spot, whatever it is doing."""


class Counted:
    """Counts how often the policy that learns is evaluated, and ends the run at one of them."""

    def __init__(self, learner, last=None):
        self.calls, self._last = 0, last
        getattr(learner, "policy", learner.averaged).register_forward_pre_hook(self)

    def __call__(self, *_):
        self.calls += 1
        if self.calls == self._last:
            raise Killed


@pytest.fixture(scope="module", params=OVERRIDES)
def whole(request, demonstrations, tmp_path_factory):
    """An uninterrupted run: its algorithm, its folder, how often its policy was evaluated."""
    path = tmp_path_factory.mktemp(request.param) / "whole"
    folder, config, learner = begun(demonstrations, path, request.param)
    counted = Counted(learner)
    train(folder, config, learner)
    return request.param, folder, counted.calls


def test_a_run_that_is_cut_short_anywhere_ends_like_a_whole_one(whole, demonstrations, tmp_path):
    algorithm, whole_folder, calls = whole
    place = np.random.default_rng(len(algorithm)).integers(1, calls + 1)
    folder, config, learner = begun(demonstrations, tmp_path / "cut", algorithm)
    Counted(learner, place)
    with pytest.raises(Killed):
        train(folder, config, learner)
    reopened, config = RunFolder.open(folder.path)
    train(reopened, config, build_learner(config, folder.path))
    expected = dict(leaves(load_checkpoint(whole_folder.checkpoint)))
    found = dict(leaves(load_checkpoint(folder.checkpoint)))
    assert expected.keys() == found.keys()
    assert not [name for name, value in expected.items() if not same(value, found[name])]
    for a, b in zip(whole_folder.read_metrics(), folder.read_metrics(), strict=True):
        timeless = {key for key in a if not key.startswith("time")}
        assert {key: a[key] for key in timeless} == {key: b[key] for key in timeless}


def test_it_reports_what_a_researcher_watches(whole):
    algorithm, folder, _ = whole
    last = folder.read_metrics()[-1]
    assert set(REPORTED[algorithm]) - last.keys() == set()
    events = EventAccumulator(str(folder.path / "tensorboard"))
    events.Reload()
    assert set(REPORTED[algorithm]) - set(events.Tags()["scalars"]) == set()
    entropy = last.get("policy/entropy")
    assert entropy is None or entropy == pytest.approx(_entropy(folder), abs=1e-5)


def _entropy(folder):
    log_std = load_checkpoint(folder.checkpoint)["policy"]["log_std"]
    return float(torch.distributions.Normal(0.0, log_std.exp()).entropy().sum())


def test_what_it_keeps_can_be_loaded_without_demonstrations(whole):
    algorithm, folder, _ = whole
    learnt = load_learnt(folder.path)
    observation = torch.randn(7, learnt.contract.observation_size)
    assert learnt.policy(observation).shape == (7, learnt.contract.action_size)
    if algorithm in ("bc", "ppo"):
        with pytest.raises(RunError, match="keeps no reward"):
            load_reward_of(folder.path)
        return
    reward = load_reward_of(folder.path).reward
    values = reward(observation, torch.zeros(7, learnt.contract.action_size))
    assert values.shape == (7,)
    assert float(values.detach().std()) > 0.0


def test_another_form_does_not_take_the_settings_of_the_recipes_own():
    task = load_task("half-cheetah")
    overrides = ("trust_region.form=projection", "trust_region.mean_bound=0.02")
    config = load_algorithm("trirl", task, overrides)
    assert config.trust_region == ProjectionConfig(mean_bound=0.02)


def test_a_section_of_a_recipe_that_nothing_reads_is_refused(tmp_path, monkeypatch):
    (tmp_path / "half-cheetah.yaml").write_text("trilr:\n  num_envs: 32\n")
    monkeypatch.setattr(algorithms, "RECIPES", tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'trirl'"):
        load_algorithm("trirl", load_task("half-cheetah"))
