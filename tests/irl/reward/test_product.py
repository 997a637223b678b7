import pytest
import torch
from reward_corrections import shaken

from trirl_robot.irl.discriminator import Discriminator
from trirl_robot.irl.reward import product as module
from trirl_robot.irl.reward.product import DiscriminatorProduct


def make_product(count, size=7, hidden=16):
    generator = torch.Generator().manual_seed(0)
    networks = [shaken(Discriminator(size, hidden, generator), seed) for seed in range(count)]
    product = DiscriminatorProduct(size, hidden)
    for network in networks:
        product.append(network.head()[None])
    return product, networks


@torch.no_grad()
def slowly(networks, features, weights):
    logits = torch.stack([network.double()(features.double()) for network in networks])
    return (weights.double() @ logits).float()


@pytest.mark.parametrize("rows", [1, 30, 512, 513, 1100])
def test_the_product_equals_the_sum_of_the_networks(rows, monkeypatch):
    # few hidden values at a time, so that points and networks come in several blocks
    monkeypatch.setattr(module, "BLOCK", 512 * 16 * 3)
    product, networks = make_product(10)
    features, weights = 3.0 * torch.randn(rows, 7), torch.rand(10)
    expected = slowly(networks, features, weights)
    torch.testing.assert_close(product(features, weights), expected, atol=1e-5, rtol=1e-5)


def test_networks_far_in_saturation_are_as_exact():
    product, networks = make_product(3)
    features, weights = 1e4 * torch.randn(50, 7), torch.ones(3)
    expected = slowly(networks, features, weights)
    torch.testing.assert_close(product(features, weights), expected, atol=1e-5, rtol=1e-5)


def test_one_pass_and_blocks_agree(monkeypatch):
    product, _ = make_product(10)
    features, weights = torch.randn(600, 7), torch.rand(10)
    blocks = product(features, weights)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(product(features, weights), blocks, atol=1e-5, rtol=1e-5)


def test_no_network_is_a_reward_of_zero():
    assert torch.equal(
        DiscriminatorProduct(7, 16)(torch.randn(5, 7), torch.zeros(0)), torch.zeros(5)
    )


def test_chosen_networks_are_those_of_the_mask():
    product, networks = make_product(5)
    features, weights = torch.randn(9, 7), torch.rand(2)
    mask = torch.tensor([False, True, False, False, True])
    expected = slowly([networks[1], networks[4]], features, weights)
    torch.testing.assert_close(product.chosen(mask)(features, weights), expected, atol=1e-5, rtol=0)
