"""Our tasks in Gymnasium, alone and batched: its own checker and its own vector are the oracles."""

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode

from trirl_robot.config import CONFIGS
from trirl_robot.errors import ConfigError
from trirl_robot.sim.adapters.gymnasium_env import GymnasiumEnv
from trirl_robot.sim.env import make_env

REACH = "trirl/so101-reach-v0"
TASKS = sorted(path.stem for path in (CONFIGS / "tasks").glob("*.yaml"))


def test_every_task_of_the_configuration_is_registered():
    names = {name for name in gymnasium.registry if name.startswith("trirl/")}
    assert names == {f"trirl/{task}-v0" for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_the_checker_has_nothing_to_say(task):
    env = gymnasium.make(f"trirl/{task}-v0")
    check_env(env.unwrapped, skip_render_check=True)


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


FRESH = """
import gymnasium
from gymnasium.utils.env_checker import check_env

env = gymnasium.make("trirl_robot:trirl/so101-reach-v0", randomisation="light")
check_env(env.unwrapped)
frame = gymnasium.make("trirl/so101-reach-v0", render_mode="rgb_array")
frame.reset(seed=0)
pixels = frame.render()
assert pixels.shape == (360, 480, 3), pixels.shape
# the arm is yellow
print(int(((pixels[..., 0] > 120) & (pixels[..., 2] < 60)).sum()))
"""


def test_a_fresh_process_makes_checks_and_renders():
    done = run_python(FRESH, MUJOCO_GL="egl")
    if "no picture can be rendered" in done.stderr:
        pytest.skip("no EGL")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert int(done.stdout) > 1000


def test_a_machine_without_opengl_is_told_what_to_set():
    code = (
        "import gymnasium, trirl_robot\n"
        "env = gymnasium.make('trirl/point-maze-v0', render_mode='rgb_array')\n"
        "env.reset()\n"
        "env.render()\n"
    )
    done = run_python(code, MUJOCO_GL="disable")
    assert "ConfigError: no picture can be rendered" in done.stderr
    assert "set MUJOCO_GL=egl" in done.stderr


def test_a_seed_names_the_episodes():
    env, actions = gymnasium.make(REACH, randomisation="light"), np.full((3, 5), 0.3)

    def episode(seed=None):
        first, info = env.reset(seed=seed)
        return np.array([first, *(env.step(action)[0] for action in actions)]), info

    (one, info), (two, _) = episode(seed=11), episode()
    (again, same), (next_again, _) = episode(seed=11), episode()
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(two, next_again)
    np.testing.assert_array_equal(info["dynamics"], same["dynamics"])
    assert not np.allclose(one, two)
    assert not np.allclose(one, episode(seed=12)[0])
    # and they are those of our own batch
    batch = make_env("so101-reach", num_envs=1, randomisation="light", seed=11, nthread=1)
    np.testing.assert_array_equal(batch.reset()[0], one[0])
    drawn = dict(zip(env.unwrapped.dynamics_names, info["dynamics"], strict=True))
    assert drawn == batch.drawn(0)


def test_without_a_seed_two_environments_differ():
    first, second = gymnasium.make(REACH), gymnasium.make(REACH)
    assert not np.allclose(first.reset()[0], second.reset()[0])


def test_what_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="render_mode is 'depth', expected rgb_array"):
        GymnasiumEnv("so101-reach", render_mode="depth")
    with pytest.raises(ConfigError, match="seed is 9223372036854775808"):
        gymnasium.make(REACH).reset(seed=2**63)
    envs = gymnasium.make_vec(REACH, num_envs=2)
    with pytest.raises(ConfigError, match="got 3 seeds for 2"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(ConfigError, match=r"actions of shape \(2, 4\), expected \(2, 5\)"):
        envs.step(np.zeros((2, 4)))
    with pytest.raises(ConfigError, match=r"reset_mask has shape \(3,\)"):
        envs.reset(options={"reset_mask": np.ones(3, dtype=bool)})


def both_vectors(task, mode, count=6):
    common = {"task": task, "randomisation": "light"}
    ours = gymnasium.make_vec("trirl/hopper-v0", num_envs=count, autoreset_mode=mode, **common)
    theirs = gymnasium.make_vec(
        "trirl/hopper-v0",
        num_envs=count,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **common,
    )
    assert ours.metadata["autoreset_mode"] is AutoresetMode(mode)
    assert theirs.unwrapped.__class__ is gymnasium.vector.SyncVectorEnv
    return ours, theirs


def assert_same(ours, theirs):
    assert data_equivalence(ours, theirs, exact=True), f"{ours}\n{theirs}"


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_batch_is_gymnasiums_own_vector_bit_for_bit(short_hopper, mode):
    ours, theirs = both_vectors(short_hopper, mode)
    for space in ("observation_space", "action_space", "single_observation_space"):
        assert getattr(ours, space) == getattr(theirs, space)
    assert_same(ours.reset(seed=5), theirs.reset(seed=5))
    ours.action_space.seed(0)
    terminated, truncated = 0, 0
    for _ in range(60):
        action = ours.action_space.sample()
        step = ours.step(action)
        assert_same(step, theirs.step(action))
        terminated, truncated = terminated + step[2].sum(), truncated + step[3].sum()
        assert step[0] in ours.observation_space
    assert terminated > 5
    assert truncated > 5
    seeds = [None, 3, None, 8, 1, 0]
    assert_same(ours.reset(seed=seeds), theirs.reset(seed=seeds))


def test_without_autoreset_a_mask_tells_what_begins_anew(short_hopper):
    ours, theirs = both_vectors(short_hopper, "Disabled")
    assert_same(ours.reset(seed=5), theirs.reset(seed=5))
    ours.action_space.seed(0)
    resets = 0
    for _ in range(60):
        action = ours.action_space.sample()
        step = ours.step(action)
        assert_same(step, theirs.step(action))
        ended = step[2] | step[3]
        if ended.any():
            with pytest.raises(gymnasium.error.ResetNeeded, match="reset these first"):
                ours.step(action)
            # gymnasium takes the mask out of the options
            begun = [vector.reset(options={"reset_mask": ended}) for vector in (ours, theirs)]
            assert_same(*begun)
            resets += 1
    assert resets > 2


def test_the_last_observation_is_kept_when_the_next_episode_begins_at_once():
    envs = gymnasium.make_vec(
        REACH, num_envs=3, autoreset_mode="SameStep", max_episode_steps=4, randomisation="light"
    )
    envs.reset(seed=0)
    for _ in range(4):
        observation, _, terminated, truncated, info = envs.step(np.full((3, 5), 0.5))
    assert truncated.all()
    assert not terminated.any()
    assert info["_final_obs"].all()
    final = np.stack(info["final_obs"])
    assert not np.allclose(final, observation)
    np.testing.assert_array_equal(info["final_info"]["is_success"], [False] * 3)
    assert (info["final_info"]["distance"] > 0).all()
    assert info["dynamics"].shape == (3, len(envs.dynamics_names))
