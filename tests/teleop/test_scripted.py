import numpy as np
import pytest

from teleop.backends.mujoco import MujocoBackend
from teleop.devices import DEVICES, open_device
from teleop.devices.base import DeviceContext, OperatorView
from trirl_robot.command import ActionMapping
from trirl_robot.errors import ConfigError

EPISODES = 60


def perform(seed, episodes, randomisation="light"):
    """Let the scripted operator do episodes; return success, actions and distances."""
    backend = MujocoBackend("so101-reach", randomisation=randomisation, seed=seed)
    context = DeviceContext(contract=backend.contract, robot=backend.robot, seed=(seed,))
    device, mapping = open_device("scripted", context), ActionMapping(backend.contract)
    success, actions, distances = [], [], []
    for _ in range(episodes):
        backend.begin_episode()
        sample = backend.observe()
        device.begin(view(sample, 0))
        for step in range(backend.max_episode_steps):
            action = mapping.action_towards(
                device.command(view(sample, step)), sample.joint_command
            )
            backend.command(action)
            sample = backend.observe()
            actions.append(action)
            distances.append(-sample.reward)
        success.append(sample.success)
    shape = (episodes, backend.max_episode_steps)
    return np.array(success), np.reshape(actions, (*shape, -1)), np.reshape(distances, shape)


def view(sample, step):
    return OperatorView(
        step=step,
        joint_position=sample.joint_position,
        joint_command=sample.joint_command,
        end_effector_position=sample.end_effector_position,
        target_position=sample.target_position,
    )


@pytest.fixture(scope="module")
def performed():
    return perform(3, EPISODES)


def test_succeeds_under_the_training_randomisation(performed):
    success, _, _ = performed
    assert success.mean() >= 0.95


def test_moves_like_a_person(performed):
    _, actions, distances = performed
    # a reaction time, then one large movement that is mostly over at two seconds
    moved = distances[:, :3] - distances[:, :1]
    assert np.abs(moved).max() < 0.02
    assert np.median(distances[:, 50]) < 0.02
    # seldom at the limit, never frozen: the hand trembles while it holds
    assert (np.abs(actions) >= 0.999).any(axis=-1).mean() < 0.1
    hold = actions[:, -12:]
    assert (hold.std(axis=1) > 0.02).all()
    # speed rises and falls once: slow at both ends, fastest in between
    speed = np.abs(np.diff(distances, axis=1)).mean(axis=0)
    assert speed[:2].max() < 0.3 * speed.max()
    assert speed[70:].mean() < 0.2 * speed.max()


def test_every_demonstration_is_another_and_a_seed_fixes_them():
    _, first, _ = perform(1, 2)
    _, again, _ = perform(1, 2)
    _, other, _ = perform(2, 1)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first[0], other[0])


def test_unknown_device():
    assert "scripted" in DEVICES
    with pytest.raises(ConfigError, match="unknown device 'skripted': did you mean 'scripted'"):
        open_device("skripted", None)
