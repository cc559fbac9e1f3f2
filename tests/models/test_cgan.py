"""Conditional GANs by concatenation: sizes, and that the class matters in both networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.models import cgan
from jaxgen.settings import default

KEY = jax.random.key(0)


def model(shape=(28, 28, 1), classes=10, **changes):
    config = default.get_config().model
    config.update(changes)
    return cgan.build(config, shape, classes, jnp.float32)


def variables(gan, shape=(28, 28, 1)):
    labels = jnp.zeros((2,), jnp.int32)

    def init():
        g = gan.generator.init(KEY, jnp.zeros((2, gan.latent_dim)), labels, train=False)
        return g, gan.discriminator.init(KEY, jnp.zeros((2, *shape)), labels, train=False)

    return jax.jit(init)()


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree["params"]))


def test_parameter_counts_are_pytorch_gan_s_without_its_embeddings():
    g, d = jax.eval_shape(lambda: variables(model(architecture="pytorch_gan")))
    layers = 111 * 128 + 129 * 256 + 257 * 512 + 513 * 1024 + 1025 * 784
    assert count(g) == layers + 2 * (256 + 512 + 1024)
    assert count(d) == 795 * 512 + 2 * 513 * 512 + 513


@pytest.mark.parametrize("architecture", ["pytorch_gan", "radford"])
def test_the_class_changes_images_and_logits(architecture):
    shape = (8, 8, 1)
    gan = model(shape, architecture=architecture, width=4, latent_dim=3)
    g, d = variables(gan, shape)
    latents, same = jnp.zeros((2, 3)), jnp.zeros((2, *shape))
    labels = jnp.array([1, 7])
    images = gan.generator.apply(g, latents, labels, train=False)
    logits = gan.discriminator.apply(d, same, labels, train=False)
    assert images.shape == (2, *shape)
    assert np.abs(images[0] - images[1]).max() > 1e-6
    assert logits.shape == (2,)
    assert logits[0] != logits[1]


def test_impossible_models_are_refused():
    with pytest.raises(UserError, match="needs data with class labels"):
        model(classes=0)
    with pytest.raises(UserError, match="choices: pytorch_gan, radford"):
        model(architecture="goodfellow")
