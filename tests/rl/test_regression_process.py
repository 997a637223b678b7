"""The process that fits the critic beside the policy."""

import time

import pytest
import torch
from bandit import improve, setup

from trirl_robot.rl import ppo as ppo_module
from trirl_robot.rl.regression import Regression, RegressionConfig
from trirl_robot.rl.regression_process import RegressionProcess

CONFIG = RegressionConfig(learning_rate=1e-2, minibatch=64, max_gradient_norm=1.0)


def regression(seed=0):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    return Regression(network, CONFIG)


def samples(count=300):
    inputs = torch.randn(count, 3)
    return inputs, inputs.square().sum(-1), [torch.randperm(count) for _ in range(4)]


@pytest.fixture
def started():
    found = []

    def start(fitted):
        process = RegressionProcess(fitted)
        found.append(process)
        return ready(process)

    yield start
    for process in found:
        process.close()


def ready(process):
    began = time.monotonic()
    while not process.is_ready():
        assert time.monotonic() - began < 60.0
        time.sleep(0.05)
    return process


def test_a_fit_beside_is_the_same_to_the_last_bit(started):
    here, there = regression(), regression()
    process = started(there)
    for _ in range(12):
        inputs, targets, orders = samples()
        expected = here.fit(inputs, targets, orders)
        process.begin(inputs, targets, orders)
        assert process.finish() == expected
        assert all(map(torch.equal, here.state(), there.state()))
    assert expected.explained_variance > 0.3


def test_a_fit_goes_on_from_what_it_has_become_in_the_meantime(started):
    here, there = regression(), regression(seed=1)
    process = started(there)
    # as a run does that is resumed
    there.network.load_state_dict(here.network.state_dict())
    process.begin(*(drawn := samples()))
    here.fit(*drawn)
    process.finish()
    assert all(map(torch.equal, here.state(), there.state()))


def test_a_lost_process_is_named_and_leaves_the_network_as_it_was(started, caplog):
    there = regression()
    process = started(there)
    before = [values.clone() for values in there.state()]
    process.begin(*samples())
    process._process.kill()
    assert process.finish() is None
    assert "process in which the critic learns has ended" in caplog.text
    assert not process.is_ready()
    assert all(map(torch.equal, before, there.state()))
    process.begin(*samples())
    assert process.finish() is None


def test_the_process_runs_the_same_code_whatever_lies_in_the_working_directory(
    monkeypatch, tmp_path, started
):
    other = tmp_path / "trirl_robot" / "rl"
    other.mkdir(parents=True)
    for folder in (other.parent, other):
        (folder / "__init__.py").write_text("")
    (other / "regression_process.py").write_text("raise SystemExit('another one')\n")
    monkeypatch.chdir(tmp_path)
    here, there = regression(), regression()
    process, (inputs, targets, orders) = started(there), samples()
    process.begin(inputs, targets, orders)
    assert process.finish() == here.fit(inputs, targets, orders)


def test_a_process_that_does_not_start_is_never_ready(monkeypatch, caplog):
    monkeypatch.setattr("sys.executable", "/bin/false")
    process = RegressionProcess(regression())
    process._process.wait()
    assert not process.is_ready()
    assert not process.is_ready()
    assert caplog.text.count("has ended (status 1)") == 1


def test_nothing_is_left_of_a_process_that_is_forgotten(started):
    process = ready(RegressionProcess(regression()))
    running = process._process
    del process
    assert running.poll() is not None


@pytest.mark.parametrize("loses_it", [False, True])
def test_policy_and_critic_learn_the_same_side_by_side(monkeypatch, loses_it):
    monkeypatch.setattr(ppo_module, "FITS_BEFORE_PROCESS", 1)
    found = []
    for side_by_side in (False, True):
        ppo, generator = setup()
        ppo.side_by_side = side_by_side
        results = improve(ppo, generator, 1)
        if side_by_side:
            ready(ppo._beside)
        results += improve(ppo, generator, 2)
        if side_by_side and loses_it:
            ppo._beside._process.kill()
        results += improve(ppo, generator, 2)
        if side_by_side:
            assert ppo._beside.is_ready() != loses_it
            ppo._beside.close()
        found.append((results, [*ppo.policy.parameters(), *ppo.critic.parameters()]))
    (results, parameters), (beside, parameters_beside) = found
    assert results == beside
    assert all(torch.equal(a, b) for a, b in zip(parameters, parameters_beside, strict=True))
