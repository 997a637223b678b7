import json
import platform

import pytest

from trirl_robot.evaluation.results import Figure, machine, rate_figure, write_results
from trirl_robot.evaluation.statistics import wilson


def test_the_file_has_the_form_of_a_benchmark(tmp_path):
    path = tmp_path / "results.json"
    ratio = Figure(
        name="sim/ratio", value=0.93, unit="ratio", goal=">= 0.90", spread=(0.91, 0.95), n=5
    )
    write_results(path, [ratio, Figure(name="time", value=3.0, unit="s")])
    document = json.loads(path.read_text())
    assert set(document) == {"machine", "revision", "rows"}
    assert document["rows"] == [
        {
            "name": "sim/ratio",
            "value": 0.93,
            "unit": "ratio",
            "n": 5,
            "goal": ">= 0.90",
            "spread": [0.91, 0.95],
        },
        {"name": "time", "value": 3.0, "unit": "s", "n": 1},
    ]


def test_a_rate_keeps_its_interval():
    rate = wilson(38, 40)
    figure = rate_figure("ros", rate, goal=">= 0.90")
    assert (figure.value, figure.spread, figure.n) == (0.95, (rate.low, rate.high), 40)


def test_a_figure_that_is_not_a_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(tmp_path / "r.json", [Figure(name="a", value=float("nan"), unit="1")])
    assert not (tmp_path / "r.json").exists()


def test_the_machine_is_described_without_its_name():
    facts = machine()
    assert facts["cores"] >= 1
    assert facts["memory_gib"] > 0.1
    assert platform.node() not in json.dumps(facts).split('"')
