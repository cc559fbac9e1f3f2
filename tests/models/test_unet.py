"""The U-Net: its size is the papers', shapes, classes, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.models import unet
from jaxgen.settings import default

SMALL = {"width": 8, "channel_multipliers": (1, 2), "residual_blocks": 1, "attention_sides": (4,), "dropout": 0.0}


def built(shape, num_classes=0, **changes):
    config = default.get_config().model
    config.update({**SMALL, **changes})
    return unet.build(config, shape, num_classes, jnp.float32)


def parameters(model, shape):
    classes = (jnp.zeros((1, model.num_classes)),) if model.num_classes else ()
    return lambda key: model.network.init(key, jnp.zeros((1, *shape)), jnp.zeros(1), *classes)["params"]


def count(model, shape):
    shapes = jax.eval_shape(parameters(model, shape), jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_ddpm_plus_plus_has_the_published_size():
    """55.7 million parameters for CIFAR-10 (Karras et al. 2022, without the map of their augmentation's labels)."""
    ddpm = {"width": 128, "channel_multipliers": (2, 2, 2), "residual_blocks": 4, "attention_sides": (16,)}
    assert count(built((32, 32, 3), **ddpm), (32, 32, 3)) == pytest.approx(55.7e6, rel=1e-3)


@pytest.mark.full
@pytest.mark.parametrize("changes", [{}, {"patch": 2, "attention_sides": (2,)}], ids=["pixels", "patches"])
def test_every_weight_reaches_the_output(changes):
    model, shape = built((8, 8, 1), 3, conditional=True, **changes), (8, 8, 1)
    params = parameters(model, shape)(jax.random.key(0))
    # The last convolutions of blocks start near 0, where nothing before them has a gradient worth the name.
    params = jax.tree.map(lambda p: p + 0.1 * jax.random.normal(jax.random.key(p.size), p.shape), params)
    x, classes = jax.random.normal(jax.random.key(1), (2, *shape)), jax.nn.one_hot(jnp.array([0, 2]), 3)

    def total(params, number, classes):
        y = model.network.apply({"params": params}, x, number, classes)
        assert y.shape == x.shape
        assert y.dtype == jnp.float32
        return jnp.sum(jnp.square(y))

    gradients = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(params, jnp.array([0.1, 0.7]), classes)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        assert float(jnp.abs(gradient).max()) > 1e-6, jax.tree_util.keystr(path)


@pytest.mark.full
def test_it_starts_by_changing_almost_nothing():
    model, shape = built((8, 8, 1)), (8, 8, 1)
    params = parameters(model, shape)(jax.random.key(0))
    y = model.network.apply({"params": params}, jax.random.normal(jax.random.key(1), (2, *shape)), jnp.zeros(2))
    assert float(jnp.abs(y).max()) < 1e-3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_multipliers": (1, 2, 2, 2, 2)}, "Set data.image_size to a multiple of 16"),
        ({"channel_multipliers": (1, 2, 2), "patch": 4}, "in patches of 4 cannot be halved 2 times"),
        ({"patch": 0}, "patch"),
        ({"channel_multipliers": ()}, "channel_multipliers"),
        ({"width": 10}, "a multiple of 4"),
        ({"dropout": 1.0}, "must be in"),
        ({"conditional": True}, "class labels"),
        ({"residual_blocks": 0}, "residual_blocks"),
    ],
)
def test_what_makes_no_network_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        built((8, 8, 1), **changes)


def test_patches_are_squares_of_pixels_and_come_back():
    images = np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    patches = unet.patches_of(images, 2)
    assert patches.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(patches[1, 1, 2], images[1, 2:, 4:].ravel())
    np.testing.assert_array_equal(unet.pixels_of(patches, 2), images)
    np.testing.assert_array_equal(unet.patches_of(images, 1), images)
