import torch

from trirl_robot.rl.networks import InputScaler, mlp, tanh


def test_the_fast_tanh_is_the_tanh():
    values = torch.linspace(-20.0, 20.0, 4001)
    torch.testing.assert_close(tanh(values), torch.tanh(values), atol=3e-7, rtol=0.0)


def test_its_gradient_agrees_with_finite_differences():
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(tanh, values)


def test_a_perceptron_in_one_piece_is_its_layers_one_after_another():
    network = mlp([4, 8, 8, 2], torch.Generator().manual_seed(0), output_gain=1.0)
    layers = torch.nn.Sequential(*network)
    values = torch.randn(3, 5, 4, requires_grad=True)
    inputs = (values, *network.parameters())
    torch.testing.assert_close(network(values), layers(values))
    for found, expected in zip(
        torch.autograd.grad(network(values).square().sum(), inputs),
        torch.autograd.grad(layers(values).square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_its_gradient_agrees_with_finite_differences_by_input_and_weights():
    network = mlp([3, 4, 2], torch.Generator().manual_seed(0), output_gain=1.0).double()
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: network(x), (values, *network.parameters()))


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
