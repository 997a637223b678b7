import dataclasses
import itertools

import numpy as np
import pytest
import torch
from corridor import Corridor, demonstrations
from rich.console import Console

from trirl_robot.baselines.gail import Gail, GailConfig
from trirl_robot.baselines.ppo import TaskRewardConfig, TaskRewardLearner
from trirl_robot.cli.train import resolve, run
from trirl_robot.irl.discriminator import DiscriminatorConfig
from trirl_robot.irl.trirl import Trirl, TrirlConfig
from trirl_robot.irl.trust_region.penalty import AdaptedPenaltyConfig, AnnealedPenaltyConfig
from trirl_robot.irl.trust_region.projection import ProjectionConfig
from trirl_robot.rl.ppo import PPOConfig
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner, train
from trirl_robot.runs.watch import (
    COLLAPSED_ITERATIONS,
    PERFECT_ITERATIONS,
    SLACK_ITERATIONS,
    UNMET_ITERATIONS,
    WarningLog,
    Watch,
)

HEALTHY = {
    "discriminator/accuracy": 0.9,
    "trust_region/eta": 20.0,
    "trust_region/kl_mean": 0.014,
    "trust_region/kl_bound": 0.015,
    "trust_region/bound_met": 1.0,
    "policy/std": 0.2,
    "policy/entropy": -1.0,
    "policy/saturated_share": 0.01,
    "critic/explained_variance": 0.9,
    "env/diverged": 0.0,
    "reward/total_weight": 0.6,
    "reward/dropped_mass": 0.2,
}
WRONG = [
    ({"discriminator/accuracy": 0.9995}, "the discriminator has told", "instance_noise"),
    ({"trust_region/eta": 10.05}, "eta has been at its floor of 10", "lower the bound on the KL"),
    ({"trust_region/bound_met": 0.0}, "above its bound", "lower ppo.policy_learning_rate"),
    ({"policy/std": 0.02}, "entropy has collapsed", "raise entropy_coef"),
    ({"policy/saturated_share": 0.6}, r"beyond [-1, 1]", "lower initial_std"),
    ({"critic/explained_variance": -0.5}, "the critic", "raise ppo.critic_learning_rate"),
    ({"reward/dropped_mass": 0.7}, "weight (0.70) than", "raise reward.maximum_length"),
]


def rows(count, start=1, **changed):
    """Return rows of 1,000 steps each."""
    for iteration in range(start, start + count):
        yield {"iteration": iteration, "env_steps": 1000.0 * iteration, **HEALTHY, **changed}


def warnings(watch, *parts):
    return [w for row in itertools.chain(*parts) for w in watch.look(row)]


def test_a_healthy_run_gives_no_warning():
    assert not warnings(Watch(TrirlConfig()), rows(300))


@pytest.mark.parametrize(("changed", "problem", "remedy"), WRONG)
def test_what_goes_wrong_for_long_is_said_once_with_what_to_do(changed, problem, remedy):
    watch = Watch(TrirlConfig())
    (found,) = warnings(watch, rows(50, **changed))
    assert problem in found
    assert remedy in found
    assert "{" not in found
    # neither when it goes on nor when it comes back
    assert not warnings(watch, rows(50, **changed), rows(50), rows(50, **changed))


@pytest.mark.parametrize(("changed", "problem", "remedy"), WRONG)
def test_what_goes_wrong_now_and_then_is_not_said(changed, problem, remedy):
    watch = Watch(TrirlConfig())
    assert not warnings(watch, *([*rows(7, **changed), *rows(1)] for _ in range(20)))
    assert not warnings(watch, rows(9, **changed))
    # rows that do not tell are no evidence
    absent = [{k: v for k, v in row.items() if k not in changed} for row in rows(60)]
    assert not warnings(watch, absent)
    assert not warnings(watch, rows(60, **dict.fromkeys(changed, float("nan"))))


def test_simulations_may_diverge_once_in_ten_thousand_steps_and_no_more():
    def diverging(steps_between):
        count = itertools.count(1)
        return [{**row, "env/diverged": next(count) * 1000 // steps_between} for row in rows(80)]

    assert not warnings(Watch(TrirlConfig()), diverging(20_000))
    (found,) = warnings(Watch(TrirlConfig()), diverging(3_000))
    assert "simulations diverge" in found
    assert "time step" in found


def test_eta_rests_on_its_floor_near_the_expert_without_a_warning():
    settled = {"trust_region/eta": 9.9, "discriminator/accuracy": 0.7}
    assert not warnings(Watch(TrirlConfig()), rows(100, **settled))


@pytest.mark.parametrize(
    ("config", "eta", "expected"),
    [
        (TrirlConfig(trust_region=AdaptedPenaltyConfig(minimum_eta=2.0)), 2.01, 1),
        (TrirlConfig(trust_region=AdaptedPenaltyConfig(minimum_eta=2.0)), 2.1, 0),
        (TrirlConfig(trust_region=ProjectionConfig()), 0.0, 1),
        (TrirlConfig(trust_region=AnnealedPenaltyConfig()), 0.0, 0),
        (GailConfig(), 0.0, 0),
    ],
)
def test_the_floor_of_eta_is_that_of_the_trust_region(config, eta, expected):
    changed = {"trust_region/eta": eta}
    assert len(warnings(Watch(config), rows(SLACK_ITERATIONS, **changed))) == expected


def test_what_a_resumed_run_has_said_before_is_taken_from_its_rows(tmp_path):
    folder = RunFolder(tmp_path)
    config, bad = TrirlConfig(), {"policy/std": 0.02}
    log = WarningLog(folder, config)
    assert not folder.warnings.exists()
    for row in rows(COLLAPSED_ITERATIONS + 3, **bad):
        folder.append_metrics(row)
        log.look(row)
    (line,) = folder.warnings.read_text().splitlines()
    assert line.startswith(f"iteration {COLLAPSED_ITERATIONS}: the policy's entropy")
    # resumed from before the warning: it is unsaid, and said again in its time
    folder.rewind_metrics(COLLAPSED_ITERATIONS - 2)
    resumed = WarningLog(folder, config)
    assert folder.warnings.read_text() == ""
    again = [resumed.look(row) for row in rows(5, COLLAPSED_ITERATIONS - 1, **bad)]
    assert again == [[], [line], [], [], []]
    assert folder.warnings.read_text().splitlines() == [line]
    # resumed from after it: it stays said
    for row in rows(5, COLLAPSED_ITERATIONS - 1, **bad):
        folder.append_metrics(row)
    resumed = WarningLog(folder, config)
    assert folder.warnings.read_text().splitlines() == [line]
    assert not any(resumed.look(row) for row in rows(20, COLLAPSED_ITERATIONS + 4, **bad))


SMALL = {
    "num_envs": 8,
    "rollout_steps": 16,
    "policy_hidden": (8,),
    "critic_hidden": (8,),
    "observation_scaling": "linear",
    "total_steps": 10**6,
}
SCRATCH = {"start": "scratch", "warmup_iterations": 0}
PPO = {"minibatch": 64, "epochs": 1}


def expert(position, random):
    return np.clip(0.9 - 0.02 * random.random(len(position)), -1.0, 1.0)


class Diverging(Corridor):
    """One of its simulations diverges in every second step."""

    def step(self, action):
        self.num_diverged += int(self.age[0] % 2)
        return super().step(action)


def trained(learner, iterations):
    watch = Watch(learner.config)
    return [warning for _ in range(iterations) for warning in watch.look(learner.step())]


def imitation(kind, config, **settings):
    settings = {**SMALL, **SCRATCH, "ppo": PPOConfig(**PPO), **settings}
    return kind(config(**settings), demonstrations(expert), Corridor(8), 0)


def test_a_discriminator_that_nothing_deceives():
    learner = imitation(
        Gail,
        GailConfig,
        initial_std=0.02,
        ppo=PPOConfig(**PPO, policy_learning_rate=1e-9, final_learning_rate=0.0),
        discriminator=DiscriminatorConfig(
            hidden=16, learning_rate=1e-2, epochs=4, minibatch=64, gradient_penalty=0.0
        ),
    )
    found = trained(learner, PERFECT_ITERATIONS + 10)
    assert any("the discriminator has told" in warning for warning in found)
    assert any("entropy has collapsed" in warning for warning in found)


def test_a_bound_that_no_penalty_brings_about():
    region = AdaptedPenaltyConfig(kl_bound=1e-7, adaptation=1.001, initial_penalty=1e-3)
    learner = imitation(Trirl, TrirlConfig, trust_region=region)
    assert any("above its bound" in warning for warning in trained(learner, UNMET_ITERATIONS))


def test_a_multiplier_that_is_never_needed():
    region = AdaptedPenaltyConfig(kl_bound=10.0, initial_penalty=1e-3)
    discriminator = DiscriminatorConfig(hidden=16, learning_rate=1e-2, minibatch=64)
    slow = PPOConfig(**PPO, policy_learning_rate=1e-4, final_learning_rate=1e-4)
    learner = imitation(
        Trirl, TrirlConfig, trust_region=region, discriminator=discriminator, ppo=slow
    )
    found = trained(learner, SLACK_ITERATIONS + 20)
    assert any("eta has been at its floor of 10" in warning for warning in found)


def test_a_critic_that_does_not_learn_actions_that_saturate_simulations_that_diverge():
    config = TaskRewardConfig(
        **{**SMALL, "num_envs": 32},
        initial_std=1.5,
        ppo=PPOConfig(**PPO, critic_learning_rate=1e-12, policy_learning_rate=1e-9),
    )
    learner = TaskRewardLearner(config, Diverging(32), 0)
    with torch.no_grad():
        learner.policy.network[-1].bias.fill_(3.0)
    found = trained(learner, 25)
    for problem in ("the critic", "beyond [-1, 1]", "simulations diverge"):
        assert any(problem in warning for warning in found)


def test_a_run_that_learns_gives_no_warning():
    learner = imitation(Trirl, TrirlConfig, initial_std=0.4)
    assert not trained(learner, 60)


def test_the_command_shows_warnings_and_a_resumed_run_ends_with_the_same(
    demonstrations, tiny, tmp_path
):
    bound = ("trust_region.kl_bound=1e-7", "trust_region.adaptation=1.0001", "total_steps=3200")
    texts = []
    for name in ("whole", "cut"):
        path = tmp_path / name
        config = dataclasses.replace(
            resolve(demonstrations, path, seed=3, overrides=(*tiny, *bound)),
            evaluation_episodes=2,
            evaluation_every=100,
            checkpoint_every=6,
        )
        folder = RunFolder.create(path, config)
        learner = build_learner(config, path)
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                train(folder, config, learner, _stop_after(17), lambda line: None)
            learner = build_learner(config, path)
        with (tmp_path / f"{name}.log").open("w") as log:
            run(folder, config, learner, Console(file=log, width=400))
        texts.append(folder.warnings.read_text())
        assert f"warnings: 1, see {folder.warnings}" in (tmp_path / f"{name}.log").read_text()
    assert texts[0] == texts[1]
    assert texts[0].startswith("iteration 16: the KL of the policy's updates")


def _stop_after(iteration):
    def stop(metrics, iterations):
        if metrics["iteration"] == iteration:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    ("region", "expected"), [(AdaptedPenaltyConfig(), 1), (AnnealedPenaltyConfig(), 0)]
)
def test_a_bound_that_nothing_enforces_is_not_said_to_be_missed(region, expected):
    watch = Watch(TrirlConfig(trust_region=region))
    found = warnings(watch, rows(100, **{"trust_region/bound_met": 0.0}))
    assert len(found) == expected
