"""Fixtures of the simulation's tests."""

import pytest

from trirl_robot.config import find_config


@pytest.fixture
def short_hopper(tmp_path):
    """File of a Hopper that falls (terminated) or runs out of time (truncated) in 20 steps."""
    text = find_config("tasks", "hopper").read_text()
    path = tmp_path / "hopper.yaml"
    path.write_text(text.replace("max_episode_steps: 1000", "max_episode_steps: 20"))
    return str(path)
