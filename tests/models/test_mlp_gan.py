"""GANs of dense layers: sizes, what the layers do, impossible widths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.errors import UserError
from jaxgen.models import mlp_gan
from jaxgen.settings import default
from tests.helpers.devices import gathered

KEY = jax.random.key(0)


def model(architecture, shape=(28, 28, 1), dtype=jnp.float32, **changes):
    config = default.get_config().model
    config.update({"architecture": architecture, **changes})
    return mlp_gan.build(config, shape, 10, dtype)


def variables(gan, shape=(28, 28, 1)):
    def init():
        g = gan.generator.init(KEY, jnp.zeros((2, gan.latent_dim)), None, train=False)
        return g, gan.discriminator.init(KEY, jnp.zeros((2, *shape)), None, train=False)

    return jax.jit(init)()


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree["params"]))


@pytest.mark.parametrize(
    ("architecture", "width", "g_count", "d_count"),
    [
        # PyTorch-GAN: 100-128-256-512-1024-784, BN on three; 784-512-256-1.
        (
            "pytorch_gan",
            64,
            101 * 128 + 129 * 256 + 257 * 512 + 513 * 1024 + 1025 * 784 + 2 * (256 + 512 + 1024),
            785 * 512 + 513 * 256 + 257,
        ),
        # Goodfellow et al.: 100-1200-1200-784; 784-(240 of 5)-(240 of 5)-1.
        ("goodfellow", 1200, 101 * 1200 + 1201 * 1200 + 1201 * 784, 785 * 1200 + 241 * 1200 + 241),
    ],
)
def test_parameter_counts(architecture, width, g_count, d_count):
    g, d = jax.eval_shape(lambda: variables(model(architecture, width=width)))
    assert (count(g), count(d)) == (g_count, d_count)


@pytest.mark.parametrize("shape", [(8, 8, 1), (17, 17, 3)])
@pytest.mark.parametrize("architecture", ["pytorch_gan", "goodfellow"])
def test_shapes_and_ranges(architecture, shape):
    gan = model(architecture, shape, jnp.bfloat16, width=20)
    g, d = variables(gan, shape)

    @jax.jit
    def run(g, d):
        images = gan.generator.apply(g, 10 * jax.random.normal(KEY, (3, 100)), None, train=False)
        return images, gan.discriminator.apply(d, images, None, train=False)

    images, logits = run(g, d)
    assert (images.shape, images.dtype) == ((3, *shape), jnp.float32)
    assert np.abs(images).max() <= 1
    assert (logits.shape, logits.dtype) == ((3,), jnp.float32)


def test_no_batch_norm_in_any_network_where_it_is_off():
    g, d = variables(model("pytorch_gan", width=8, batch_norm=False))
    assert set(g) == set(d) == {"params"}
    assert set(variables(model("pytorch_gan", width=8))[1]) == {"params"}  # a penalty fits the discriminator


def test_maxout_takes_the_largest_of_five():
    gan = model("goodfellow", (2, 2, 1), width=10, dropout=0.0)
    _, d = variables(gan, (2, 2, 1))
    x = jax.random.uniform(KEY, (3, 2, 2, 1), minval=-1)
    h = (np.asarray(x).reshape(3, 4) + 1) / 2
    for name in ("Dense_0", "Dense_1"):
        h = h @ np.asarray(d["params"][name]["kernel"]) + np.asarray(d["params"][name]["bias"])
        h = h.reshape(3, 2, 5).max(-1)
    expected = h @ np.asarray(d["params"]["Dense_2"]["kernel"])
    np.testing.assert_allclose(gan.discriminator.apply(d, x, None)[:, None], expected, rtol=1e-5)


def test_dropout_belongs_to_the_example_on_1_and_4_devices():
    gan = model("goodfellow", (4, 4, 1), width=50, dropout=0.5)
    _, d = variables(gan, (4, 4, 1))
    x = jnp.broadcast_to(jax.random.normal(KEY, (4, 4, 1)), (8, 4, 4, 1))

    def on(count):
        mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])

        def run(x):
            return gan.discriminator.apply(d, x, None, train=True, rngs={"dropout": KEY})

        y = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=P("data"), out_specs=P("data")))(x)
        return gathered(np.asarray(y), count)

    np.testing.assert_allclose(on(1), on(4), rtol=1e-5)
    assert len(np.unique(on(1))) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "radford"}, "choices: goodfellow, pytorch_gan"),
        ({"architecture": "goodfellow", "width": 64}, "width=64: maxout has 5 pieces"),
    ],
)
def test_impossible_models_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        model(**changes)
