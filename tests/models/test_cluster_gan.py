"""ClusterGAN's networks: shapes, and the numbers of parameters of the authors' layers for MNIST."""

import jax
import jax.numpy as jnp
import pytest

from jaxgen.models import cluster_gan
from jaxgen.settings.experiments import experiment


def size_of(module, *inputs):
    params = jax.eval_shape(lambda key: module.init(key, *inputs)["params"], jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.fixture(scope="module")
def model():
    return cluster_gan.build(experiment("clustergan_mnist").model, (28, 28, 1), 10, jnp.float32)


def test_parameters_are_those_of_the_authors_layers(model):
    """Dense and convolutional layers with biases. In the generator, a scale takes the place of a bias before it."""
    latents, image = jnp.zeros((1, 40)), jnp.zeros((1, 28, 28, 1))
    dense = (40 * 1024 + 1024 + 1024) + (1024 * 7 * 7 * 128 + 7 * 7 * 128 + 128)
    transposed = (4 * 4 * 128 * 64 + 64 + 64) + (4 * 4 * 64 * 1 + 1)
    scales = 128  # the authors' normalisation has none, and the dense layer before it keeps its bias
    assert size_of(model.generator, latents) == dense + transposed + scales
    looks = (4 * 4 * 1 * 64 + 64) + (4 * 4 * 64 * 128 + 128) + (7 * 7 * 128 * 1024 + 1024)
    assert size_of(model.encoder, image) == looks + 1024 * 40 + 40
    assert size_of(model.discriminator, image) == looks + 1024 + 1


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 3), (12, 4, 1)])
def test_shapes(model, shape):
    config = experiment("clustergan_mnist").model
    config.update({"width": 4, "latent_dim": 5, "num_clusters": 3})
    small = cluster_gan.build(config, shape, 0, jnp.float32)

    def outputs(key):
        images, _ = small.generator.init_with_output(key, jnp.zeros((2, 8)))
        return (
            images,
            small.encoder.init_with_output(key, images)[0],
            small.discriminator.init_with_output(key, images)[0],
        )

    images, codes, logits = jax.eval_shape(outputs, jax.random.key(0))
    assert (images.shape, codes.shape, logits.shape) == ((2, *shape), (2, 8), (2,))
