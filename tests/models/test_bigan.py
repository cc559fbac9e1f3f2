"""BiGAN's networks: shapes, parameters of the authors' dense layers, and a discriminator that looks at both inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.models import bigan
from jaxgen.settings.experiments import experiment


def size_of(module, *inputs):
    params = jax.eval_shape(lambda key: module.init(key, *inputs)["params"], jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_parameters_are_those_of_the_authors_dense_layers():
    """Two hidden layers of 1,024 units in each network. The discriminator has no normalisation."""
    model = bigan.build(experiment("bigan_mnist").model, (28, 28, 1), 10, jnp.float32)
    latent, image = jnp.zeros((1, 50)), jnp.zeros((1, 28, 28, 1))
    n = 1024
    assert size_of(model.generator, latent) == (50 * n + 2 * n) + (n * n + 2 * n) + (n * 784 + 784)
    assert size_of(model.encoder, image) == (784 * n + n) + (n * n + 2 * n) + (n * 100 + 100)
    assert size_of(model.discriminator, image, latent) == (784 * n + n) + (n * n + 50 * n + n) + (n + 1)


@pytest.mark.parametrize("architecture", ["mlp", "radford"])
@pytest.mark.full
def test_shapes_and_a_discriminator_of_pairs(architecture):
    config = experiment("bigan_mnist").model
    config.update({"architecture": architecture, "width": 4, "latent_dim": 3, "batch_norm": False})
    model = bigan.build(config, (8, 8, 3), 0, jnp.float32)
    key = jax.random.key(0)
    latents = jax.random.normal(key, (2, 3))
    images, _ = model.generator.init_with_output(key, latents)
    assert images.shape == (2, 8, 8, 3)
    assert [part.shape for part in model.encoder.init_with_output(key, images)[0]] == [(2, 3), (2, 3)]
    logits, variables = model.discriminator.init_with_output(key, images, latents)
    assert logits.shape == (2,)
    slopes = jax.grad(lambda x, z: model.discriminator.apply(variables, x, z).sum(), argnums=(0, 1))(images, latents)
    assert all(np.abs(slope).max() > 0 for slope in slopes)
    # A code far from the prior has a slope that brings it back.
    far = jax.grad(lambda z: model.discriminator.apply(variables, images, z).sum())(100 * latents)
    assert np.abs(far).max() > 0
