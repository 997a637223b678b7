import pytest
import torch
from torch import nn

from trirl_robot.baselines.cloning import BehaviouralCloning, BehaviouralCloningConfig
from trirl_robot.errors import ConfigError, RunError
from trirl_robot.rl.descent import minibatches
from trirl_robot.rl.processes import ALONE, Processes, joined


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 512])
def test_the_parts_of_a_gradient_step_make_up_its_mean(size, count):
    values = torch.randn(count, dtype=torch.float64)
    parts = [Processes(rank=rank, size=size).part(count) for rank in range(size)]
    mean = sum(part.weight * values[part.rows].mean() for part in parts)
    torch.testing.assert_close(mean, values.mean())


def test_processes_share_every_sample_of_every_order():
    values, generator = torch.arange(50.0), torch.Generator().manual_seed(0)
    orders = [torch.randperm(50, generator=generator) for _ in range(3)]
    seen = [
        [list(minibatches((values,), orders, 16, Processes(rank=rank, size=2)))]
        for rank in range(2)
    ]
    alone = list(minibatches((values,), orders, 16, ALONE))
    assert [len(part) for _, (part,) in alone] == 3 * [16, 16, 16, 2]
    for first, second, (weight, (whole,)) in zip(*seen[0], *seen[1], alone, strict=True):
        assert weight == 1.0
        assert torch.equal(torch.cat([first[1][0], second[1][0]]), whole)


def test_environments_are_shared_out_one_after_another():
    places = [Processes(rank=rank, size=4).place(12) for rank in range(4)]
    assert [place.first for place in places] == [0, 3, 6, 9]
    assert {place.total for place in places} == {12}
    with pytest.raises(ConfigError, match=r"num_envs is 10, .* 4 processes.*num_envs=12"):
        Processes(size=4).place(10)


def test_one_process_changes_nothing():
    layer, values = nn.Linear(3, 2), torch.randn(5, 3)
    layer(values).sum().backward()
    before = [p.grad.clone() for p in layer.parameters()]
    ALONE.sum_gradients(layer.parameters(), 1.0)
    assert all(torch.equal(a, p.grad) for a, p in zip(before, layer.parameters(), strict=True))
    assert torch.equal(ALONE.mapped(layer, values), layer(values))
    assert ALONE.gathered(values, 0) is values
    assert ALONE.total(2.5) == 2.5
    assert ALONE.joint_state({"a": 1}) == {"a": 1} == ALONE.own_state({"a": 1})


def test_states_of_another_number_of_processes_are_refused():
    with pytest.raises(RunError, match=r"is 1, expected 2 .*torchrun --nproc-per-node 2"):
        ALONE.own_state({"by_process": [{}, {}]})
    with pytest.raises(RunError, match=r"is 2, expected 1 .*without torchrun"):
        Processes(size=2).own_state({"random": {}})


def test_cloning_has_nothing_to_share():
    with pytest.raises(ConfigError, match=r"algorithm bc .* 2 processes .* without torchrun"):
        BehaviouralCloning(BehaviouralCloningConfig(), None, None, 0, Processes(size=2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_refused():
    with pytest.raises(ConfigError, match="sees no CUDA GPU"), joined("cuda"):
        pass


def test_without_torchrun_there_is_one_process():
    with joined() as processes:
        assert processes == ALONE
        assert processes.is_first
        assert processes.threads == 0
