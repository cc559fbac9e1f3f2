"""R3GAN's networks: the paper's sizes, shapes, the start of a block, classes, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.models import r3gan
from jaxgen.settings import default

SMALL = {"width": 16, "channel_multipliers": (1, 2), "residual_blocks": 1, "latent_dim": 6}
SHAPE = (8, 8, 3)


def built(shape=SHAPE, num_classes=0, dtype="float32", **changes):
    config = default.get_config().model
    config.update({**SMALL, **changes})
    return r3gan.build(config, shape, num_classes, jnp.dtype(dtype))


def init(model, shape=SHAPE):
    def both(key):
        labels = jnp.zeros((1,), jnp.int32)
        g = model.generator.init(key, jnp.zeros((1, model.latent_dim)), labels)["params"]
        return g, model.discriminator.init(key, jnp.zeros((1, *shape)), labels)["params"]

    return both


def count(model, shape):
    return [
        sum(leaf.size for leaf in jax.tree.leaves(params))
        for params in jax.eval_shape(init(model, shape), jax.random.key(0))
    ]


@pytest.mark.full
def test_networks_have_the_published_sizes():
    """Huang et al. 2024: 20.78M and 21.28M for CIFAR-10 with classes, 23.058M and 23.010M for FFHQ at 256x256."""
    cifar = built(
        (32, 32, 3), 10, conditional=True, width=768, channel_multipliers=(1,) * 4, residual_blocks=2, latent_dim=64
    )
    assert np.round(np.array(count(cifar, (32, 32, 3))) / 1e6, 2).tolist() == [20.78, 21.28]
    of_ffhq = {"width": 96, "channel_multipliers": (1, 2, 4, 8, 8, 8, 8), "residual_blocks": 2, "latent_dim": 64}
    ffhq = built((256, 256, 3), **of_ffhq)
    assert np.round(np.array(count(ffhq, (256, 256, 3))) / 1e6, 3).tolist() == [23.058, 23.010]


@pytest.mark.full
def test_weights_start_as_published():
    model = built(width=64, residual_blocks=2)
    g, d = jax.jit(init(model))(jax.random.key(0))
    gain = np.sqrt(2 / 1.04) * 4**-0.25  # of four blocks
    for network in (g, d):
        block = network["Block_0"]
        channels = block["Conv_0"]["kernel"].shape[2]
        assert np.std(block["Conv_0"]["kernel"]) == pytest.approx(gain / np.sqrt(channels), rel=0.02)
        assert np.std(block["grouped"]) == pytest.approx(gain / np.sqrt(9 * 16), rel=0.02)
        assert not block["Conv_1"]["kernel"].any()
        assert not block["bias_1"].any()
    assert np.std(g["basis"]) == pytest.approx(1.0, rel=0.05)
    assert np.std(d["basis"]) == pytest.approx(1 / 4, rel=0.05)
    assert np.std(g["Dense_0"]["kernel"]) == pytest.approx(1 / np.sqrt(6), rel=0.1)


def moved(params):
    """Weights that are nowhere 0, as after some training."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    leaves = [leaf + 0.1 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, leaves)


@pytest.fixture(scope="module")
def conditional():
    model = built(num_classes=3, conditional=True)
    return model, *map(moved, jax.jit(init(model))(jax.random.key(0)))


def test_a_block_is_its_formula():
    """By shifted sums in NumPy, group by group."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 3, 8))
    block = r3gan.Block(group_width=4, depth=1)
    params = moved(block.init(jax.random.key(0), jnp.asarray(x, jnp.float32)))["params"]
    w1, w3, grouped = params["Conv_0"]["kernel"][0, 0], params["Conv_1"]["kernel"][0, 0], params["grouped"]

    def a(y):
        return np.maximum(y, 0.2 * y)

    y = np.pad(a(x @ np.asarray(w1) + params["bias_1"]), ((0, 0), (1, 1), (1, 1), (0, 0)))
    z = np.zeros((2, 4, 3, 16))
    for group in range(4):
        mine = slice(4 * group, 4 * group + 4)
        for i in range(3):
            for j in range(3):
                z[..., mine] += y[:, i : i + 4, j : j + 3, mine] @ np.asarray(grouped[i, j, :, mine])
    expected = x + a(z + params["bias_2"]) @ np.asarray(w3)
    got = block.apply({"params": params}, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.full
def test_every_weight_of_both_networks_counts(conditional):
    model, g, d = conditional
    latents = jax.random.normal(jax.random.key(2), (4, 6))
    labels = jnp.array([0, 1, 2, 1])

    def total(g, d):
        images = model.generator.apply({"params": g}, latents, labels)
        assert images.shape == (4, *SHAPE)
        logits = model.discriminator.apply({"params": d}, images, labels)
        assert (logits.shape, logits.dtype) == ((4,), jnp.float32)
        return jnp.sum(jnp.square(logits))

    slopes = jax.jit(jax.grad(total, (0, 1)))(g, d)
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(slopes))


@pytest.mark.full
def test_classes_change_images_and_logits(conditional):
    model, g, d = conditional
    latents, labels = jnp.ones((2, 6)), jnp.array([0, 1])
    images = model.generator.apply({"params": g}, latents, labels)
    assert float(jnp.abs(images[0] - images[1]).max()) > 1e-3
    logits = model.discriminator.apply({"params": d}, images[:1].repeat(2, 0), labels)
    assert float(jnp.abs(logits[0] - logits[1])) > 1e-4


def test_the_highest_resolutions_compute_in_bfloat16():
    model = built(bfloat16_resolutions=1)
    g, d = jax.jit(init(model))(jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves((g, d))} == {jnp.dtype("float32")}
    text = str(jax.make_jaxpr(lambda x: model.discriminator.apply({"params": d}, x))(jnp.zeros((2, *SHAPE))))
    assert "bf16[2,8,8,16]" in text
    assert "bf16[2,4,4,64]" not in text
    assert "bf16" not in str(jax.make_jaxpr(lambda z: built().generator.apply({"params": g}, z))(jnp.zeros((2, 6))))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_multipliers": (1, 1, 1)}, "images of 8 pixels have 2 resolutions, 8 down to 4"),
        ({"width": 12}, "does not divide 2 \\* 12 channels"),
        ({"residual_blocks": 0}, "at least 1"),
        ({"conditional": True}, "needs data with class labels"),
    ],
)
def test_impossible_networks_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        built(**changes)
    with pytest.raises(UserError, match="a size that this model cannot make"):
        built((10, 8, 1))
