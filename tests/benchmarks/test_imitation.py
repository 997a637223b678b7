"""The imitation benchmark: its statistics, and which kept results still count."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import imitation_run
import numpy as np
import pytest
from imitation_plot import draw_curves
from imitation_run import Cell
from imitation_suites import QUICK, SUITES, Suite
from imitation_table import interval, iqm, print_tables

from trirl_robot.runs.algorithms import load_algorithm
from trirl_robot.sim.tasks.registry import load_task


def cell(**changes):
    settings = {"task": "point-maze", "method": "trirl", "demonstrations": 10, "keep_every": 1}
    return Cell(**{**settings, "seed": 0, **changes})


def row(curve, seed=0, **changes):
    return {
        **{"task": "point-maze", "method": "trirl", "variant": "", "seed": seed},
        **{"demonstrations": 10, "keep_every": 1, "observation_only": False},
        **{"randomisation": "none", "normalised": curve[-1], "curve": curve, "minutes": 1.0},
        "steps": [1000 * (i + 1) for i in range(len(curve))],
        "seconds": [60.0 * (i + 1) for i in range(len(curve))],
        "phases": {"time/rollout_share": 0.75, "time/reward_share": 0.25},
        "chain_length": 55.0,
        **changes,
    }


def test_the_interquartile_mean_is_that_of_the_middle_half():
    assert iqm(np.array([100.0, 1.0, 2.0, -50.0, 3.0, 4.0, 5.0, 6.0])) == pytest.approx(3.5)


def test_an_interval_draws_runs_within_their_task_alone():
    # were runs drawn from all tasks together, the share of each would vary
    low, high = interval([np.full(5, 0.2), np.full(5, 0.9)])
    assert low == high == pytest.approx(0.55)


def test_an_interval_holds_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(3)
    held = []
    for _ in range(60):
        low, high = interval([generator.normal(0.5, 0.1, 40)])
        held.append(low <= 0.5 <= high)
    # 95 % in the long run; fewer than 48 of 60 has a chance of 1e-7
    assert sum(held) >= 48


def test_the_table_shows_steps_to_0_9_worst_seed_and_falls(capsys):
    rows = [
        row([0.3, 0.95, 0.7, 1.0]),
        row([0.2, 0.5, 0.92, 0.94], seed=1),
        row([0.2, 0.5, 0.96, 0.9], seed=2, randomisation="strong", observation_only=True),
    ]
    print_tables(rows, None)
    shown = " ".join(capsys.readouterr().out.split())
    assert "10, no actions, strong" in shown
    # two seeds, there for good after 4 and 3 evaluations; of six that follow another, one is a fall
    assert "0.97 ± 0.03 │ 0.94 │ 4 k │ 3.5 │ 17 %" in shown
    assert "point-maze │ trirl │ 75 % │ 0 % │ 25 % │ 0 % │ 55" in shown


def test_a_result_counts_until_the_recipe_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(imitation_run, "RESULTS", tmp_path)
    done = cell()
    assert done.kept() is None
    done.path.write_text(json.dumps({"recipe": done.recipe, "normalised": 1.0}))
    assert done.kept()["normalised"] == 1.0
    assert done.reward("chain").name.endswith(f"_{done.recipe}.onnx")
    altered = cell(settings=("step_size=0.1",))
    assert altered.path == done.path
    assert altered.kept() is None


def test_a_recipe_is_that_of_task_dynamics_and_settings_and_no_seed_s():
    recipes = {cell(seed=seed).recipe for seed in range(3)}
    assert len(recipes) == 1
    changes = [
        {},
        {"task": "so101-reach"},
        {"method": "gail"},
        {"randomisation": "strong"},
        {"observation_only": True},
        {"settings": ("step_size=0.1",)},
    ]
    assert len({cell(**change).recipe for change in changes}) == len(changes)


@pytest.mark.parametrize(
    ("task", "inputs"),
    [("hopper", ("observation",)), ("so101-reach", ("end_effector_to_target.norm",))],
)
def test_demonstrations_without_actions_leave_nothing_to_clone(task, inputs):
    chosen = cell(task=task, observation_only=True)
    settings = load_algorithm("trirl", load_task(task), chosen.overrides)
    assert settings.start == "scratch"
    assert settings.discriminator.inputs == inputs
    assert settings.discriminator.instance_noise == {}


def test_curves_are_drawn_for_every_setting(tmp_path):
    path = tmp_path / "curves.png"
    rows = [row([0.1, 0.5, 1.0], seed=s) for s in range(3)]
    rows += [row([0.7], method="bc"), row([0.1, 0.4], demonstrations=1, variant="chain of 10")]
    draw_curves(rows, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000


def test_no_two_runs_of_all_suites_share_a_file_unless_they_are_the_same():
    cells = {cell for suite in (*SUITES.values(), *QUICK) for cell in suite.cells()}
    assert len({cell.path for cell in cells}) == len(cells)


def test_a_suite_without_actions_compares_only_what_needs_none():
    suite = Suite(tasks=("hopper",), seeds=(0, 1), observation_only=True)
    assert [(cell.method, cell.seed) for cell in suite.cells()] == [
        *[("trirl", 0), ("gail", 0)],
        *[("trirl", 1), ("gail", 1)],
    ]


def test_the_aggregate_is_of_runs_that_all_methods_have_done_and_of_recipes_alone(capsys):
    rows = [
        *[row([0.9], seed=seed, task=task) for seed in (0, 1) for task in ("hopper", "ant")],
        *[row([0.5], task=task, method="gail") for task in ("hopper", "ant")],
        row([0.4], method="airl", task="ant"),
        row([0.1], variant="distilled", task="ant"),
        # nothing to compare it with
        row([0.1], task="hopper", keep_every=20),
    ]
    print_tables(rows, None)
    shown = " ".join(capsys.readouterr().out.split())
    aggregate = shown[shown.index("IQM over tasks") :]
    for method, mean in (("trirl", "0.90"), ("gail", "0.50"), ("airl", "0.40")):
        assert f"{method} │ ant │ 1 │ {mean}" in aggregate
    assert "distilled" not in aggregate
    assert "20th" not in aggregate


def test_an_interval_is_shown_of_five_runs_a_task_and_not_of_fewer(capsys):
    for seeds, interval_shown in ((4, False), (5, True)):
        print_tables([row([0.9 + 0.01 * seed], seed=seed) for seed in range(seeds)], None)
        found = re.search(r"0\.92 \(0\.9. - 0\.9.\)", capsys.readouterr().out)
        assert (found is not None) == interval_shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "half-cheeta"), "did you mean 'half-cheetah'"),
        (("--variant", "x", "--set", "foo=1", "--method", "bc"), "--set: unknown key 'foo'"),
        (("--seeds", "-1"), "-1, expected 0 or more"),
        (("--jobs", "0"), "0, expected 1 or more"),
    ],
)
def test_bad_input_ends_the_benchmark_with_one_sentence(arguments, message):
    path = Path(imitation_run.__file__).with_name("imitation.py")
    command = [sys.executable, str(path), "--table", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_short_tables_have_methods_side_by_side_and_variants_beside_their_recipe(capsys):
    found = [row([0.9, 1.0]), row([0.9, 0.8], seed=1), row([0.7], method="bc")]
    found.append(row([0.5, 0.6], variant="distilled"))
    print_tables(found, None, markdown=True)
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
    ]
    assert ["demonstrations", "task", "bc", "trirl"] in lines
    shared = "0.90, worst 0.80, n 2"
    assert ["10", "point-maze", "0.70, n 1", shared] in lines
    # on the seed that both have done
    assert ["10", "trirl", "point-maze", "1", "1.00", "1.00"] in lines
    assert ["demonstrations", "method", "point-maze"] in lines
    assert ["10", "trirl", shared] in lines
    assert ["10", "trirl distilled", "0.60, n 1"] in lines


def test_a_table_of_nothing_says_so(capsys):
    print_tables([], None)
    assert capsys.readouterr().out == "nothing of it is done yet\n"
