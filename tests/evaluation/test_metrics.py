import json

import numpy as np
import pytest

from trirl_robot.errors import RunError
from trirl_robot.evaluation.metrics import read_metrics


def written(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_missing_keys_leave_gaps_and_not_errors(tmp_path):
    rows = [
        {"env_steps": 10, "loss/policy": 1.5},
        {"env_steps": 20, "evaluation/success_rate": 0.5},
        {"loss/policy": 9.0},
        {"env_steps": 30, "loss/policy": 2.5, "stage": "late", "done": True},
    ]
    run = read_metrics(written(tmp_path / "m.jsonl", *map(json.dumps, rows)), "seed 0")
    x, y = run.series("loss/policy")
    np.testing.assert_array_equal(x, [10, 30])
    np.testing.assert_array_equal(y, [1.5, 2.5])
    assert run.series("not/there")[0].shape == (0,)
    assert "stage" not in run.rows[3]
    assert "done" not in run.rows[3]


def test_numbers_that_are_not_finite_are_left_out(tmp_path):
    path = written(tmp_path / "m.jsonl", '{"env_steps": 1, "a": NaN, "b": Infinity, "c": 2}')
    assert read_metrics(path, "x").rows == ({"env_steps": 1.0, "c": 2.0},)


def test_a_torn_last_line_is_left_out_and_a_torn_middle_line_is_named(tmp_path):
    path = written(tmp_path / "m.jsonl", '{"env_steps": 1}', '{"env_st')
    assert len(read_metrics(path, "x").rows) == 1
    written(path, '{"env_st', '{"env_steps": 1}')
    with pytest.raises(RunError, match=r"m\.jsonl, line 1: expected a JSON object"):
        read_metrics(path, "x")


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        read_metrics(tmp_path / "metrics.jsonl", "x")
