import pytest
from click.testing import CliRunner

from trirl_robot.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["so102-reach"], "did you mean 'so101-reach'"),
        (["point-maze", "--randomise", "litght"], "did you mean 'light'"),
        (["point-maze", "--num-envs", "0"], "num_envs is 0, expected at least 1"),
        (["point-maze", "--port", "70000"], "--port is 70000"),
        (["point-maze", "--actions", "policy"], "no --policy is given"),
        (["point-maze", "--policy", "absent.onnx"], "absent.onnx: no such file"),
        (["point-maze", "--host", "no.such.host.invalid"], "--host is 'no.such.host.invalid'"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(arguments, message):
    result = CliRunner().invoke(main, ["view", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
