import json

import pytest
from click.testing import CliRunner

pytest.importorskip("matplotlib")
from trirl_robot.cli import main as cli


def run(*arguments):
    return CliRunner().invoke(cli.main, ["tabular", *map(str, arguments)])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--mdp", "random", "--seed", "3", "--discount", "0.3", "--kl-bound", "0.1"),
    ],
)
def test_plots_table_and_figures_are_written(tmp_path, arguments):
    figures, output = tmp_path / "figures.json", tmp_path / "new" / "plots"
    result = run("--iterations", 2, "--output", output, "--json", figures, *arguments)
    assert result.exit_code == 0, result.output
    for name in ("TRIRL", "uncorrected", "dual ascent 0.5", "Largest difference"):
        assert name in result.output
    assert ("Eta went from" in result.output) == ("--kl-bound" in arguments)
    assert sorted(path.name for path in output.iterdir()) == ["curves.png", "rewards.png"]
    assert len(json.loads(figures.read_text())["methods"]) == 5


def test_help_shows_examples_and_defaults():
    result = run("--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert "icy-grid, icy-grid-endless, random" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mdp", "icy-gird"), "did you mean 'icy-grid'"),
        (("--step-size", "2"), "step_size is 2.0, expected a value in (0, 1]"),
        (("--eta", "-1"), "eta is -1.0, expected 0 or more"),
        (("--iterations", "0"), "iterations is 0, expected at least 1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, arguments, message):
    result = run("--output", tmp_path / "plots", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "plots").exists()


@pytest.mark.parametrize("option", ["--output", "--json"])
def test_a_place_where_nothing_can_be_made_is_one_line(tmp_path, option):
    (tmp_path / "file").touch()
    result = run("--output", tmp_path / "plots", option, tmp_path / "file" / "inner")
    assert result.exit_code == 2
    assert "choose another place" in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
