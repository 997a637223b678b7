"""Discriminators with random weights, and corrections with them at random points."""

import torch

from trirl_robot.irl.discriminator import Discriminator
from trirl_robot.irl.reward.base import Evaluated, Seen

HIDDEN = 8
STEPS = (0.2, 0.05, 0.13, 0.4, 0.01, 0.3, 0.02)


def shaken(network, seed):
    """Return the network with other weights, drawn with the seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


def make_discriminator(features, seed):
    return shaken(Discriminator(features.size, HIDDEN, torch.Generator().manual_seed(seed)), seed)


class Corrected:
    """A reward beside the recursion written out, at a batch and at demonstrations."""

    def __init__(self, reward, seed=0):
        self.reward = reward
        self.generator = torch.Generator().manual_seed(seed)
        size = reward.features.size
        batch = torch.randn(400, size - 1, generator=self.generator)
        demonstrations = 0.5 * torch.randn(150, size - 1, generator=self.generator) + 0.5
        pad = torch.nn.functional.pad
        self.batch = torch.cat([pad(batch, (0, 1)), reward.features.absorbing[None]])
        self.demonstrations = pad(demonstrations, (0, 1))
        self.expected = torch.zeros(len(self.batch))
        self.on_demonstrations = torch.zeros(len(self.demonstrations))

    def correct(self, discriminator, step):
        """Correct both; return the reward that is reported on the demonstrations."""
        with torch.no_grad():
            logit = discriminator(self.batch)
            before = self.reward.from_features(self.batch)
            demonstrated = discriminator(self.demonstrations)
        seen = Seen(
            batch=Evaluated(features=self.batch, reward=before, logit=logit),
            demonstrations=Evaluated(
                features=self.demonstrations, reward=self.on_demonstrations, logit=demonstrated
            ),
            generator=self.generator,
        )
        self.on_demonstrations = self.reward.correct(discriminator, step, seen)
        self.expected = (1 - step) * self.expected + step * logit
        return self.on_demonstrations
