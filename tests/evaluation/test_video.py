import logging

import numpy as np
import pytest

pytest.importorskip("mujoco")
from trirl_robot.errors import ConfigError
from trirl_robot.evaluation import video
from trirl_robot.evaluation.video import Footage, VideoOptions, render
from trirl_robot.evaluation.video_worker import affordable_rate, sample_times


def footage(samples=25):
    qpos = np.zeros((samples, 6))
    qpos[:, 0] = np.linspace(-0.5, 0.5, samples)
    target = np.tile([0.3, 0.0, 0.2], (samples, 1))
    return Footage(robot="so101", qpos=qpos, target_position=target, rate_hz=25.0)


def test_samples_shown_span_the_motion_at_the_frame_rate():
    times = sample_times(250, 25.0, 12.0)
    assert (times[0], times[-1], len(times)) == (0, 249, 120)
    assert (np.diff(times) > 0).all()
    assert len(sample_times(1, 25.0, 12.0)) == 1


def test_a_slow_renderer_lowers_the_frame_rate_and_not_the_time_limit():
    assert affordable_rate(12.0, 0.01, 10.0, 20.0) == 12.0
    slow = affordable_rate(12.0, 0.5, 10.0, 20.0)
    assert slow * 10.0 * 0.5 == pytest.approx(20.0)
    assert affordable_rate(12.0, 100.0, 10.0, 20.0) == 1.0


def test_footage_of_the_wrong_shape_is_refused():
    with pytest.raises(ConfigError, match=r"\(T, 3\)"):
        Footage(robot="so101", qpos=np.zeros((4, 6)), target_position=np.zeros((3, 3)), rate_hz=25)


def test_without_a_renderer_there_is_no_video_and_the_log_says_how_to_get_one(monkeypatch, caplog):
    monkeypatch.setattr(video, "BACKENDS", ("no-such-renderer",))
    with caplog.at_level(logging.WARNING):
        assert render(footage()) is None
    assert "no-such-renderer" in caplog.text
    assert "apt-get install" in caplog.text


def test_a_motion_becomes_a_video_and_a_strip(monkeypatch):
    options = VideoOptions(width=160, height=120, frames_per_second=4.0, strip_frames=3)
    rendered = render(footage(), options)
    if rendered is None:
        pytest.skip("no renderer on this machine")
    assert rendered.mp4[4:8] == b"ftyp"
    assert rendered.strip_png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(rendered.strip_png[i : i + 4]) for i in (16, 20))
    assert (width, height) == (3 * 84 - 4, 60)
    image = pytest.importorskip("PIL.Image")
    import io

    pixels = np.asarray(image.open(io.BytesIO(rendered.strip_png)))[:, :80].astype(int)
    red, blue = pixels[..., 0], pixels[..., 2]
    assert (red - blue > 100).sum() > 50  # the yellow arm is in the picture
