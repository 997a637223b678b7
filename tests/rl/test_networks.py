import torch

from trirl_robot.rl.networks import InputScaler, Tanh


def test_the_fast_tangent_is_the_tangent():
    values = torch.linspace(-20.0, 20.0, 4001)
    torch.testing.assert_close(Tanh()(values), torch.tanh(values), atol=3e-7, rtol=0.0)


def test_its_gradient_agrees_with_finite_differences():
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Tanh(), values)


def test_scales_of_many_parts_are_those_of_the_whole():
    torch.manual_seed(0)
    values = 3.0 + 2.0 * torch.randn(900, 4)
    parts = InputScaler(4, "linear")
    for part in torch.split(values, 100):
        parts.track(part)
    torch.testing.assert_close(parts.mean, values.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(parts.deviation, values.std(0), atol=1e-2, rtol=1e-2)
    scaled = parts(values)
    assert scaled.mean(0).abs().max() < 1e-3
    assert (scaled.std(0) - 1.0).abs().max() < 1e-2


def test_a_constant_input_is_not_blown_up():
    scaler = InputScaler(2, "linear")
    values = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    scaler.fit(values)
    assert scaler(torch.tensor([[1.0005, 0.5]]))[0, 0].abs() <= 0.5
