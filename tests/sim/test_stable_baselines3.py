"""Stable-Baselines3 takes our tasks as they are."""

import gymnasium
import pytest

import trirl_robot.sim  # noqa: F401 # registers the tasks

pytest.importorskip("stable_baselines3")
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

REACH = "trirl/so101-reach-v0"


def test_its_checker_has_nothing_to_say():
    check_env(gymnasium.make(REACH).unwrapped)


@pytest.mark.slow
def test_ppo_learns_to_come_nearer_to_the_target():
    envs = make_vec_env(REACH, n_envs=4, seed=0)
    ppo = PPO(
        "MlpPolicy", envs, n_steps=256, batch_size=128, gamma=0.95, learning_rate=1e-3, seed=0
    )
    evaluation = make_vec_env(REACH, n_envs=4, seed=1000)
    before, _ = evaluate_policy(ppo, evaluation, n_eval_episodes=20)
    ppo.learn(8192)
    after, _ = evaluate_policy(ppo, evaluation, n_eval_episodes=20)
    # minus the distance summed over an episode of 4 s
    assert after > 0.8 * before
    # it found our `is_success`
    assert len(ppo.ep_success_buffer) > 60
