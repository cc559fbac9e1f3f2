"""Both DCGANs: shapes at every size, published parameter counts, impossible sizes, devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models import dcgan
from tests.helpers.devices import gathered, spread

KEY = jax.random.key(0)


def model(architecture, side, channels=3, width=64, batch_norm=True, dtype=jnp.float32, output_bias=False, **more):
    config = ConfigDict(
        {
            "architecture": architecture,
            "latent_dim": 100,
            "width": width,
            "dropout": 0.25,
            "batch_norm": batch_norm,
            "output_bias": output_bias,
            "spectral_norm": False,
            "discriminator_width": 0,
            **more,
        }
    )
    return dcgan.build(config, (side, side, channels), 0, dtype)


def variables(gan, side, channels=3):
    def init():
        g = gan.generator.init(KEY, jnp.zeros((2, 100)), None, train=False)
        return g, gan.discriminator.init(KEY, jnp.zeros((2, side, side, channels)), None, train=False)

    return jax.jit(init)()


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree["params"]))


@pytest.mark.parametrize(
    ("architecture", "side", "g_count", "d_count"),
    [
        # The DCGAN of the PyTorch examples and tutorial (nz 100, ngf = ndf = 64).
        ("radford", 64, 3_576_704, 2_765_568),
        # By hand. G: 100*16*256 + 2*256 + 16*256*128 + 2*128 + 16*128*64 + 2*64 + 16*64*3;
        # D: 16*3*64 + 16*64*128 + 2*128 + 16*128*256 + 2*256 + 16*256.
        ("radford", 32, 1_068_928, 663_296),
        # PyTorch-GAN, 32x32x3. G: 101*128*64 + 2*128 + (9*128+1)*128 + 2*128 + (9*128+1)*64 + 2*64 + (9*64+1)*3;
        # D: (27+1)*16 + (144+1)*32 + 2*32 + (288+1)*64 + 2*64 + (576+1)*128 + 2*128 + 513.
        ("pytorch_gan", 32, 1_051_139, 98_401),
    ],
)
def test_parameter_counts(architecture, side, g_count, d_count):
    g, d = jax.eval_shape(lambda: variables(model(architecture, side), side))
    assert (count(g), count(d)) == (g_count, d_count)


def test_an_output_bias_is_one_parameter_a_channel_and_the_layers_stay_the_papers():
    plain, biased = (
        jax.eval_shape(lambda bias=bias: variables(model("radford", 32, output_bias=bias), 32)[0])["params"]
        for bias in (False, True)
    )
    assert {name for name in plain if "BatchNorm" in name} == {f"BatchNorm_{i}" for i in range(3)}  # not the last layer
    added = biased["ConvTranspose_2"].pop("bias")
    assert added.shape == (3,)
    assert jax.tree.structure(biased) == jax.tree.structure(plain)


@pytest.mark.full
def test_spectral_norm_takes_the_place_of_the_discriminators_batch_norm():
    gan = model("radford", 32, width=8, spectral_norm=True, discriminator_width=4)
    g, d = variables(gan, 32)
    assert {"BatchNorm_0", "BatchNorm_1", "BatchNorm_2"} <= set(g["params"])
    assert {name: layer["kernel"].shape[-1] for name, layer in d["params"].items()} == {
        "Conv_0": 4,
        "Conv_1": 8,
        "Conv_2": 16,
        "Conv_3": 1,
    }
    assert set(d["spectral_norm"]) == set(d["params"])
    images = jax.random.normal(KEY, (4, 32, 32, 3))
    for _ in range(30):  # power iterations
        _, moved = gan.discriminator.apply(d, images, None, train=True, mutable=["spectral_norm"])
        d = {**d, **moved}
    scaled = {**d, "params": jax.tree.map(lambda x: 7 * x if x.ndim > 1 else x, d["params"])}
    logits = [gan.discriminator.apply(weights, images, None, train=False) for weights in (d, scaled)]
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-6)  # a layer's slope is 1, whatever its weights' size


def test_with_an_output_bias_the_ground_can_be_black():
    gan = model("radford", 16, channels=1, width=8, output_bias=True)
    weights, _ = variables(gan, 16, channels=1)
    latents = jax.random.normal(KEY, (4, 100))
    last = weights["params"]["ConvTranspose_1"]
    last["bias"] -= 5.0
    black = jax.jit(lambda weights: gan.generator.apply(weights, latents, None, train=False))(weights)
    assert float(black.max()) < -0.99
    last["bias"] += 5.0
    gray = jax.jit(lambda weights: gan.generator.apply(weights, latents, None, train=False))(weights)
    assert float(jnp.abs(gray).max()) < 0.5


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("side", [8, 16, 24, 28, 32, 40, 64])
@pytest.mark.parametrize("architecture", ["radford", "pytorch_gan"])
def test_shapes(architecture, side, batch_norm):
    if architecture == "pytorch_gan" and side <= 16 and batch_norm:
        with pytest.raises(UserError, match=rf"cannot learn images of {side}x{side}"):
            model(architecture, side, batch_norm=batch_norm)
        return
    gan = model(architecture, side, channels=1, width=8, batch_norm=batch_norm)

    def run():
        g, d = variables(gan, side, 1)
        assert ("batch_stats" in g) == batch_norm
        # Radford's has none on its first layer, which at 8x8 is the only one.
        assert ("batch_stats" in d) == (batch_norm and (architecture, side) != ("radford", 8))
        images = gan.generator.apply(g, jnp.zeros((3, 100)), jnp.zeros(3, int), train=False)
        return images, gan.discriminator.apply(d, images, None, train=False)

    images, logits = jax.eval_shape(run)
    assert (images.shape, images.dtype) == ((3, side, side, 1), jnp.float32)
    assert (logits.shape, logits.dtype) == ((3,), jnp.float32)


@pytest.mark.parametrize(("architecture", "side"), [("radford", 36), ("radford", 7), ("pytorch_gan", 30)])
def test_impossible_sizes_name_possible_ones(architecture, side):
    with pytest.raises(UserError, match=rf"{side}x{side} .*cannot make.*\b28\b|{side}x{side} .*cannot make.*\b8\b"):
        model(architecture, side)


@pytest.mark.full
def test_batch_norm_on_one_pixel_blinds_the_upsampling_discriminator():
    """Why those sizes are refused: white and black images get the same mean logit; at 32x32 they do not."""
    discriminator = dcgan.DropoutDiscriminator(width=16, dropout=0.0)

    def difference(side):
        x = jax.random.normal(KEY, (64, side, side, 1))
        d = jax.jit(lambda: discriminator.init(KEY, x[:1], None, train=False))()

        def mean_logit(x):
            return discriminator.apply(d, x, None, train=True, mutable=["batch_stats"])[0].mean()

        mesh = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:1])
        run = jax.jit(jax.shard_map(mean_logit, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False))
        return abs(float(run(0.1 * x + 0.9)) - float(run(x - 0.9)))

    assert difference(16) < 1e-5
    assert difference(32) > 1e-3


def test_images_must_be_square():
    config = ConfigDict({"architecture": "radford", "latent_dim": 4, "width": 8, "dropout": 0.0, "batch_norm": True})
    with pytest.raises(UserError, match="square"):
        dcgan.build(config, (32, 64, 3), 0, jnp.float32)


def test_unknown_architecture_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'radford'"):
        model("redford", 32)


def test_initialisation():
    g, d = variables(model("radford", 32), 32)
    assert np.std(g["params"]["ConvTranspose_0"]["kernel"]) == pytest.approx(0.02, rel=0.02)
    assert np.std(d["params"]["Conv_1"]["kernel"]) == pytest.approx(0.02, rel=0.02)
    scale = np.asarray(d["params"]["BatchNorm_1"]["scale"])
    assert scale.mean() == pytest.approx(1, abs=0.01)
    assert scale.std() == pytest.approx(0.02, rel=0.3)


@pytest.mark.parametrize(
    ("architecture", "dtype"),
    [
        ("radford", jnp.float32),
        *(pytest.param(*x, marks=pytest.mark.full) for x in (("radford", jnp.bfloat16), ("pytorch_gan", jnp.float32))),
        pytest.param("pytorch_gan", jnp.bfloat16, marks=pytest.mark.slow),
    ],
)
def test_training_does_not_depend_on_devices(architecture, dtype):
    side = 16 if architecture == "radford" else 20
    gan = model(architecture, side, width=8, dtype=dtype)
    g, d = variables(gan, side)
    latents = jax.random.normal(KEY, (8, 100))

    def run(latents):
        rngs = {"dropout": jax.random.key(1)}
        images, _ = gan.generator.apply(g, latents, None, train=True, mutable=["batch_stats"], rngs=rngs)
        logits, _ = gan.discriminator.apply(d, images, None, train=True, mutable=["batch_stats"], rngs=rngs)
        return images, logits

    def on(count):
        mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])
        run_on = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=P("data"), out_specs=P("data")))
        return [gathered(y, count) for y in run_on(spread(latents, count))]

    for one, four in zip(on(1), on(4), strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, four, atol=1e-4 if dtype == jnp.float32 else 0.1)
    assert float(jnp.abs(on(1)[0]).max()) <= 1
