from pathlib import Path

import pytest
import torch
from other_device import OTHER, is_there, other_device
from run_states import leaves, same
from sharing_processes import CASES, build, learnt, tensors

from trirl_robot.cli.export import export
from trirl_robot.cli.train import resolve
from trirl_robot.evaluation.rollouts import evaluate
from trirl_robot.rl.policy import MeanAction
from trirl_robot.rl.processes import Processes, joined
from trirl_robot.runs.checkpoint import load_checkpoint, save_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.env import make_env

THERE = Processes(device=OTHER)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case != "gail"])
def test_a_learner_is_wholly_on_its_device_and_learns_the_same(case, sources, monkeypatch):
    expected = learnt(case, sources)
    with other_device(monkeypatch):
        learner = build(case, sources, THERE)
        assert all(map(is_there, tensors(learner).values()))
        for iteration, (values, metrics) in enumerate(expected, start=1):
            found_metrics = learner.step()
            assert all(map(is_there, tensors(learner).values()))
            assert found_metrics["iteration"] == iteration
            for name, value in tensors(learner).items():
                torch.testing.assert_close(value.cpu(), values[name], rtol=0, atol=1e-6)
            for name, value in metrics.items():
                assert found_metrics[name] == pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True)


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.parametrize("case", ["trirl", "trirl-distilled"])
def test_checkpoints_go_from_device_to_device(case, demonstrations, monkeypatch, tmp_path):
    path = tmp_path / "checkpoint.pt"
    here = build(case, demonstrations)
    here.step()
    here.step()
    save_checkpoint(path, here.state_dict())
    with other_device(monkeypatch):
        there = build(case, demonstrations, THERE)
        there.load_state_dict(load_checkpoint(path))
        save_checkpoint(tmp_path / "back.pt", there.state_dict())
        there.step()
        assert all(map(is_there, tensors(there).values()))
    back = load_checkpoint(tmp_path / "back.pt")
    returned = dict(leaves(back))
    for name, value in leaves(load_checkpoint(path)):
        assert same(value, returned[name]), name
    here.step()
    for name, value in tensors(here).items():
        torch.testing.assert_close(tensors(there)[name].here, value, rtol=0, atol=1e-6)


def test_a_policy_on_another_device_is_cloned_and_evaluated(demonstrations, monkeypatch):
    config = resolve(demonstrations, Path("run"), algorithm="bc", overrides=("cloning.updates=20",))
    results = []
    for processes in (Processes(), THERE):
        with other_device(monkeypatch):
            learner = build_learner(config, Path("run"), processes=processes)
            learner.step()
            env = make_env("so101-reach", num_envs=4, autoreset=False)
            results.append(evaluate(MeanAction(learner.averaged), env, 4, 0).episode_return.mean())
    assert is_there(learner.averaged.log_std)
    assert results[0] == pytest.approx(results[1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_learns_what_the_processor_does(demonstrations, tiny, tmp_path):
    states = {}
    for kind in ("cpu", "cuda"):
        path = tmp_path / kind
        config = resolve(demonstrations, path, seed=3, overrides=(*tiny, "total_steps=320"))
        with joined(kind) as processes:
            learner = build_learner(config, path, processes=processes)
            train(RunFolder.create(path, config), config, learner)
        assert export(path, path).policy.is_file()
        states[kind] = load_checkpoint(path / "checkpoint.pt")
    for name, value in states["cpu"]["policy"].items():
        torch.testing.assert_close(states["cuda"]["policy"][name], value, rtol=1e-3, atol=1e-3)
