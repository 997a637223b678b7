import re

import pytest
import yaml
from click.testing import CliRunner

from trirl_robot.cli.tasks import command
from trirl_robot.config import CONFIGS, from_mapping, names_of
from trirl_robot.errors import ConfigError
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.describe import MEANINGS, action_table, observation_table, quantity_table
from trirl_robot.sim.env import make_env
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.quantities import QUANTITIES
from trirl_robot.sim.tasks.registry import load_task


def run(*arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", names_of("tasks"))
def test_every_number_of_an_observation_is_described(name):
    task = make_env(name, num_envs=1, randomisation="none", nthread=1).task
    for field in task.contract.observation:
        assert len(task.components[field.name]) == field.size
        assert field.source in MEANINGS
    last = observation_table(task).rows[-1][0]
    assert last.split("-")[-1] == str(task.contract.observation_size - 1)
    assert len(action_table(task).rows) == task.contract.action_size


def test_the_overview_names_every_task():
    overview = run()
    assert all(name in overview for name in names_of("tasks"))


def test_one_task_is_shown_with_units_and_limits():
    shown = run("so101-reach", "--markdown")
    assert "| 0-4 | joint_position | measured position | shoulder_pan, shoulder_lift" in shown
    assert "| 4 | wrist_roll | joint_position_delta | -0.08 to 0.08 | rad |" in shown


def test_quantities_are_those_that_can_be_drawn():
    assert {row[0] for row in quantity_table().rows} == set(QUANTITIES)
    assert "command_latency_s" in run("--quantities")


def test_an_unknown_task_is_refused_by_name():
    with pytest.raises(ConfigError, match="did you mean 'so101-reach'"):
        CliRunner().invoke(command, ["so101-rech"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("kind", "arguments"), [("tasks", ["--all"]), ("randomisation", ["--quantities"])]
)
def test_the_generated_tables_in_the_repository_are_up_to_date(kind, arguments):
    path = CONFIGS / kind / "README.md"
    again = f"trirl tasks {' '.join(arguments)} --markdown > configs/{kind}/README.md"
    assert path.read_text() == run(*arguments, "--markdown"), f"out of date; run: {again}"


def test_the_randomisation_that_the_readme_shows_is_valid():
    text = (CONFIGS.parent / "README.md").read_text()
    (shown,) = re.findall(r"```yaml\n(terms:.*?)```", text, re.DOTALL)
    config = from_mapping(RandomisationConfig, yaml.safe_load(shown), "README")
    env = BatchEnv(load_task("so101-lift"), 1, randomisation=config, seed=0, nthread=1)
    env.reset()
    drawn = {name.split("/")[0] for name in env.drawn(0)}
    assert {"body_mass", "payload", "command_latency_s"} <= drawn
