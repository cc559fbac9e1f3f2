"""Autoencoders as discriminators: sizes, shapes, and what a code of few numbers cannot pass on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.models import energy_gan
from jaxgen.settings import default

KEY = jax.random.key(0)


def model(shape=(28, 28, 1), **changes):
    config = default.get_config().model
    config.update(changes)
    return energy_gan.build(config, shape, 0, jnp.float32)


def variables(gan, shape=(28, 28, 1)):
    def init():
        g = gan.generator.init(KEY, jnp.zeros((1, gan.latent_dim)), None, train=False)
        return g, gan.autoencoder.init(KEY, jnp.zeros((1, *shape)), train=False)

    return jax.jit(init)()


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree["params"]))


def test_parameter_counts():
    g, d = jax.eval_shape(lambda: variables(model(architecture="dense", width=512, code_dim=32)))
    assert count(g) == 101 * 512 + 2 * 513 * 512 + 513 * 784 + 6 * 512
    assert count(d) == 785 * 512 + 513 * 32 + 33 * 512 + 513 * 784
    g, d = jax.eval_shape(lambda: variables(model(architecture="conv", width=16, latent_dim=64)))
    decoder = 65 * 7 * 7 * 16 + 6 * (9 * 16 + 1) * 16 + (9 * 16 + 1)
    assert count(g) == decoder
    pairs = [(1, 16), (16, 16), (16, 32), (32, 32), (32, 48), (48, 48), (48, 48)]
    assert count(d) == decoder + sum((9 * a + 1) * b for a, b in pairs) + (7 * 7 * 48 + 1) * 64


@pytest.mark.parametrize("architecture", ["conv", "dense"])
def test_shapes_and_the_way_through_the_code(architecture):
    shape = (12, 12, 3)
    gan = model(shape, architecture=architecture, width=12, latent_dim=5, code_dim=2)
    g, d = variables(gan, shape)
    images = jax.jit(lambda z: gan.generator.apply(g, z, None, train=False))(jax.random.normal(KEY, (3, 5)))
    assert (images.shape, images.dtype) == ((3, *shape), jnp.float32)

    copies, codes = jax.eval_shape(gan.autoencoder.apply, d, images)
    assert copies.shape == images.shape
    assert codes.shape == (3, 2)

    def reconstruct(image):
        return gan.autoencoder.apply(d, image[None])[0][0].ravel()

    slopes = jax.jit(jax.jacobian(reconstruct))(images[0]).reshape(432, 432)
    assert np.linalg.matrix_rank(np.asarray(slopes), tol=1e-5) == 2  # all goes through the code


def test_uniform_latents_have_variance_1_and_bounded_effect():
    gan = model((8, 8, 1), architecture="dense", latents="uniform", width=4, latent_dim=2)
    g, _ = variables(gan, (8, 8, 1))
    far, farther = (gan.generator.apply(g, jnp.full((1, 2), value), None, train=False) for value in (9.0, 90.0))
    np.testing.assert_allclose(far, farther, atol=1e-5)
    plain = model((8, 8, 1), architecture="dense", width=4, latent_dim=2)
    end = plain.generator.apply(g, jnp.full((1, 2), np.sqrt(3.0)), None, train=False)
    np.testing.assert_allclose(far, end, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "radford"}, "choices: conv, dense"),
        ({"architecture": "conv", "latents": "unifrom"}, "did you mean 'uniform'"),
        ({"architecture": "conv", "code_dim": 0}, "at least 1"),
        ({"architecture": "dense", "hidden_layers": 0}, "at least 1"),
    ],
)
def test_impossible_models_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        model(**changes)
