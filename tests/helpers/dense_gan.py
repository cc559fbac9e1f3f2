"""A GAN of dense layers for images of 4x4 pixels, with two classes or none, that compiles in no time."""

import math

import flax.linen as nn

SHAPE = (4, 4, 1)


class Generator(nn.Module):
    hidden: int = 32

    @nn.compact
    def __call__(self, latents, labels, train=False):
        x = latents if labels is None else latents + nn.Embed(2, latents.shape[-1])(labels)
        x = nn.leaky_relu(nn.Dense(self.hidden)(x), 0.2)
        return nn.Dense(math.prod(SHAPE))(x).reshape(-1, *SHAPE)


class Discriminator(nn.Module):
    hidden: int = 32

    @nn.compact
    def __call__(self, images, labels, train=False):
        x = nn.leaky_relu(nn.Dense(self.hidden)(images.reshape(len(images), -1)), 0.2)
        if labels is not None:
            x = x * nn.Embed(2, self.hidden)(labels)
        return nn.Dense(1)(x)[:, 0]
