"""The networks of SN-GAN and WGAN-GP: tables of the papers, classes, spectral norms, devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.errors import UserError
from jaxgen.models import sngan
from jaxgen.ops.layers import SPECTRAL_NORM, BatchNorm, ConditionalBatchNorm
from jaxgen.settings import default

KEY = jax.random.key(0)
CLASSES = 5


def model(architecture, side=32, channels=3, classes=CLASSES, dtype=jnp.float32, **changes):
    config = default.get_config().model
    config.update({"architecture": architecture, "latent_dim": 16, "width": 8, **changes})
    return sngan.build(config, (side, side, channels), classes, dtype)


def variables(gan, side=32, channels=3):
    def init():
        labels = jnp.zeros(2, int)
        g = gan.generator.init(KEY, jnp.zeros((2, gan.latent_dim)), labels, train=False)
        return g, gan.discriminator.init(KEY, jnp.zeros((2, side, side, channels)), labels, train=False)

    return jax.jit(init)()


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree["params"]))


@pytest.mark.parametrize(
    ("changes", "g_count", "d_count"),
    [
        # Table 4 of Miyato et al. By hand, G: 128*4096 + 4096, three blocks of 2*(9*256*256 + 256) + 256*256 + 256 +
        # 2*512, then 512 and 9*256*3 + 3. D: blocks of (27 + 1)*128 + (9*128 + 1)*128 + (3 + 1)*128,
        # 2*(9*128 + 1)*128 + 129*128 and twice 2*(9*128 + 1)*128, then 128.
        ({"architecture": "resnet", "latent_dim": 128, "width": 256, "discriminator_width": 128}, 4_276_739, 1_053_824),
        # Table 3. G: 129*8192 + 2*512, 4x4 from 512 by 256 and 128 to 64 with BN, 9*64*3 + 3. D: 3x3 of 64, then 4x4
        # and 3x3 of 128, 256, 512, and 8192 + 1.
        (
            {"architecture": "cnn", "latent_dim": 128, "width": 64},
            129 * 8192 + 2 * 512 + sum(16 * 2 * c * c + 3 * c for c in (256, 128, 64)) + 9 * 64 * 3 + 3,
            28 * 64 + sum(16 * (c // 2) * c + c + 9 * c * c + c for c in (128, 256, 512)) + 8193,
        ),
    ],
)
def test_parameter_counts(changes, g_count, d_count):
    changes = dict(changes)
    architecture = changes.pop("architecture")
    g, d = jax.eval_shape(lambda: variables(model(architecture, spectral_norm=True, **changes)))
    assert (count(g), count(d)) == (g_count, d_count)


def test_resnet_of_128_has_the_channels_of_table_5():
    g, d = jax.eval_shape(lambda: variables(model("resnet", 128, width=64), 128))
    ups = [g["params"][f"_UpBlock_{i}"]["Conv_0"]["kernel"].shape[-1] for i in range(5)]
    downs = [d["params"][f"_DownBlock_{i}"] for i in range(6)]
    assert ups == [1024, 512, 256, 128, 64]
    assert [(b.get("ConvPool_0") or b["Conv_1"])["kernel"].shape[-1] for b in downs] == [64, 128, 256, 512, 1024, 1024]
    assert ["ConvPool_0" in block for block in downs] == [True] * 5 + [False]


@pytest.mark.parametrize("norm", ["spectral_norm", "layer_norm", None])
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("side", [8, 28, 48])
@pytest.mark.parametrize("architecture", ["cnn", "resnet"])
def test_shapes(architecture, side, conditional, norm):
    gan = model(architecture, side, 1, conditional=conditional, dtype=jnp.bfloat16, **({norm: True} if norm else {}))

    def run():
        g, d = variables(gan, side, 1)
        assert set(d) == ({"params", SPECTRAL_NORM} if norm == "spectral_norm" else {"params"})
        kernels = [path for path, leaf in jax.tree.leaves_with_path(d["params"]) if leaf.ndim > 1]
        if norm == "spectral_norm":  # every kernel, the embedding of the classes among them
            assert 2 * len(kernels) == len(jax.tree.leaves(d[SPECTRAL_NORM]))
        images = gan.generator.apply(g, jnp.zeros((3, 16)), jnp.zeros(3, int), train=False)
        return images, gan.discriminator.apply(d, images, jnp.zeros(3, int), train=False)

    images, logits = jax.eval_shape(run)
    assert (images.shape, images.dtype) == ((3, side, side, 1), jnp.float32)
    assert (logits.shape, logits.dtype) == ((3,), jnp.float32)


@pytest.mark.parametrize("architecture", ["cnn", pytest.param("resnet", marks=pytest.mark.full)])
def test_classes_change_what_is_drawn_and_what_is_judged(architecture):
    gan = model(architecture, 16, conditional=True, spectral_norm=True)
    g, d = variables(gan, 16)
    # All classes start alike; move their scales apart.
    table = [path for path, _ in jax.tree.leaves_with_path(g["params"]) if "ConditionalBatchNorm" in str(path)]
    assert table
    g["params"] = jax.tree.map_with_path(
        lambda path, x: jax.random.normal(KEY, x.shape) if x.shape[:1] == (CLASSES,) else x, g["params"]
    )
    latents = jnp.broadcast_to(jax.random.normal(KEY, (16,)), (CLASSES, 16))
    draw, judge = jax.jit(gan.generator.apply), jax.jit(gan.discriminator.apply)
    images, same = draw(g, latents, jnp.arange(CLASSES)), draw(g, latents, jnp.zeros(CLASSES, int))
    assert np.abs(images[1:] - images[0]).max(axis=(1, 2, 3)).min() > 1e-3
    np.testing.assert_allclose(same, jnp.broadcast_to(same[:1], same.shape), atol=1e-6)
    alike = jnp.broadcast_to(images[:1], images.shape)
    logits = judge(d, alike, jnp.arange(CLASSES))
    assert len(np.unique(np.asarray(logits).round(6))) == CLASSES


def test_the_projection_is_the_inner_product_with_the_class():
    features = jax.random.normal(KEY, (4, 7))

    class Head(sngan._Discriminator):
        @nn.compact
        def __call__(self, features, labels):
            return self.project(features, labels)

    head, labels = Head(num_classes=CLASSES), jnp.array([0, 4, 4, 2])
    logits, held = head.init_with_output(KEY, features, labels)
    embedding = np.asarray(held["params"]["Dense_0"]["kernel"])
    assert embedding.shape == (CLASSES, 7)
    np.testing.assert_allclose(logits, np.sum(embedding[labels] * features, axis=-1), rtol=1e-5)


def test_conditional_batch_norm_scales_each_example_by_its_class():
    layer, x = ConditionalBatchNorm(CLASSES), jax.random.normal(KEY, (4, 3, 3, 6))
    labels = jnp.array([1, 0, 4, 1])
    held = layer.init(KEY, x, labels, False)
    scale, bias = (jax.random.normal(jax.random.key(i), (CLASSES, 6)) for i in (1, 2))
    shared = held["params"]["BatchNorm_0"]
    y = layer.apply({**held, "params": {"scale": scale, "bias": bias, "BatchNorm_0": shared}}, x, labels, False)
    plain = BatchNorm().apply({"params": shared, "batch_stats": held["batch_stats"]["BatchNorm_0"]}, x, False)
    for i, label in enumerate(labels):
        np.testing.assert_allclose(y[i], plain[i] * (1 + scale[label]) + bias[label], rtol=1e-5, atol=1e-6)


@pytest.mark.full
def test_spectral_norm_bounds_the_discriminator():
    """A network of 1-Lipschitz layers: growing a kernel a hundredfold changes nothing."""
    gan = model("cnn", 16, spectral_norm=True)
    _, d = variables(gan, 16)
    images, labels = jax.random.normal(KEY, (4, 16, 16, 3)), jnp.zeros(4, int)
    grown = jax.tree.map_with_path(
        lambda path, x: 100 * x if "Conv_2" in str(path) and "kernel" in str(path) else x, d["params"]
    )
    judge = jax.jit(gan.discriminator.apply)
    a, b = (judge({**d, "params": params}, images, labels) for params in (d["params"], grown))
    np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "resnt"}, "did you mean 'resnet'"),
        ({"side": 36}, "36x36 is a size that this model cannot make"),
        ({"conditional": True, "classes": 0}, "needs data with class labels"),
        ({"spectral_norm": True, "layer_norm": True}, "Choose one"),
    ],
)
def test_impossible_models_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        model(**{"architecture": "resnet", **changes})


@pytest.mark.full
@pytest.mark.parametrize("architecture", ["cnn", "resnet"])
def test_training_does_not_depend_on_devices(architecture):
    gan = model(architecture, 8, conditional=True, spectral_norm=True)
    g, d = variables(gan, 8)
    latents, labels = jax.random.normal(KEY, (8, 16)), jnp.arange(8) % CLASSES

    def run(latents, labels):
        images, _ = gan.generator.apply(g, latents, labels, train=True, mutable=["batch_stats"])
        return images, gan.discriminator.apply(d, images, labels, train=True, mutable=[SPECTRAL_NORM])[0]

    def on(count):
        mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])
        return jax.jit(jax.shard_map(run, mesh=mesh, in_specs=P("data"), out_specs=P("data")))(latents, labels)

    for one, four in zip(on(1), on(4), strict=True):
        np.testing.assert_allclose(one, four, atol=1e-4)
