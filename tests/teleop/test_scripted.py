import numpy as np
import pytest

from teleop.devices import DEVICES, open_device
from trirl_robot.errors import ConfigError

EPISODES = 60


@pytest.fixture(scope="module")
def performed(perform):
    return perform("so101-reach", 3, EPISODES)


def test_succeeds_under_the_training_randomisation(performed):
    assert performed.success.mean() >= 0.95


def test_moves_like_a_person(performed):
    actions, distances = performed.action, -performed.reward
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


def test_every_demonstration_is_another_and_a_seed_fixes_them(perform):
    first, again, other = (
        perform("so101-reach", seed, count).action for seed, count in ((1, 2), (1, 2), (2, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first[0], other[0])


def test_unknown_device():
    assert "scripted" in DEVICES
    with pytest.raises(ConfigError, match="unknown device 'skripted': did you mean 'scripted'"):
        open_device("skripted", None)
