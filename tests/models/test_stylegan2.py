"""StyleGAN2's networks: the reference implementation's images, logits and gradients; sizes; constants."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import softplus

from jaxgen.errors import UserError
from jaxgen.losses.penalties import path_length_penalty, path_lengths, r1
from jaxgen.models import stylegan2
from jaxgen.models.stylegan2 import official
from jaxgen.models.stylegan2.discriminator import DiscriminatorBlock
from jaxgen.models.stylegan2.layers import Conv, FullyConnected, Mapping, broadcast, leaky_relu, truncate
from jaxgen.models.stylegan2.synthesis import RandomNoise, SynthesisBlock, SynthesisLayer, ToRGB, precision
from jaxgen.ops.resample import downsample_conv, upsample_conv
from jaxgen.settings import default
from jaxgen.settings.experiments import experiment
from tests.helpers import stylegan2_golden as golden_arrays

KEY = jax.random.key(0)


def close(actual, expected, tolerance):
    expected = np.asarray(expected)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.full
@golden_arrays.needs_golden
@pytest.mark.parametrize("name", ["cifar_like", pytest.param("config_f_like", marks=pytest.mark.full)])
def test_images_and_logits_equal_the_reference(name):
    golden = golden_arrays.load(name)
    expect = {key[7:]: value for key, value in golden.arrays.items() if key.startswith("expect/")}
    params, average = golden.g["params"], golden.g["w_avg"]["mapping"]["w_avg"]

    def run(params, params_d, latents, reals):
        w = golden_arrays.map_latents(golden, params, latents, golden.labels)
        ws = broadcast(w, golden.model.num_ws)
        images = golden_arrays.synthesize(golden, params, ws)
        others = (
            golden_arrays.synthesize(golden, params, ws, "none"),
            golden_arrays.synthesize(golden, params, ws, fused=True),
        )
        return ws, images, *others, *(golden_arrays.logits(golden, params_d, x) for x in (reals, images))

    arguments = params, golden.d["params"], golden.arrays["inputs/z"][0, 0], golden.images("inputs/reals")[0]
    ws, images, noiseless, fused, real, fake = jax.jit(run)(*arguments)
    close(ws, expect["ws"], 1e-5)
    close(truncate(ws, average, 0.7), expect["ws_psi0.7"], 1e-5)
    close(truncate(ws, average, 0.5, cutoff=4), expect["ws_psi0.5_cutoff4"], 1e-5)
    close(images, golden.images("expect/image_noise_const"), 1e-5)
    close(noiseless, golden.images("expect/image_noise_none"), 1e-5)
    close(fused, golden.images("expect/image_noise_const_unfused"), 1e-5)
    close(real, expect["logits_real"][:, 0], 1e-5)
    close(fake, expect["logits_fake"][:, 0], 1e-5)
    close(softplus(-fake).mean(), expect["loss_g_main"], 1e-5)
    close((softplus(fake) + softplus(-real)).mean(), expect["loss_d_main"], 1e-5)


@pytest.mark.full
@golden_arrays.needs_golden
@pytest.mark.parametrize("name", golden_arrays.NAMES)
def test_gradients_equal_the_reference(name):
    """In float64: in float32 one unit at LeakyReLU's kink, on the other side by rounding, moves a gradient by 1e-3."""
    with jax.enable_x64(True):
        golden = golden_arrays.load(name, np.float64)
        params_g, params_d = (jax.tree.map(jnp.asarray, c["params"]) for c in (golden.g, golden.d))
        latents = jnp.asarray(golden.arrays["inputs/z"][0, 0])
        reals = golden.images("inputs/reals")[0]
        y = golden.images("inputs/path_length_noise")[0]

        def made(params, count=8):
            labels = None if golden.labels is None else golden.labels[:count]
            return broadcast(golden_arrays.map_latents(golden, params, latents[:count], labels), golden.model.num_ws)

        def image(params, ws):
            return golden_arrays.synthesize(golden, params, ws)

        def logits(params, images):
            return golden_arrays.logits(golden, params, images)

        def loss_g(params):
            return softplus(-logits(params_d, image(params, made(params)))).mean()

        def loss_d(params):
            fakes = image(params_g, made(params_g))
            return (softplus(logits(params, fakes)) + softplus(-logits(params, reals))).mean()

        def loss_r1(params):
            return r1(lambda x: logits(params, x), reals, None, None, None).mean()

        def loss_path(params):
            lengths = path_lengths(lambda ws: image(params, ws), made(params, 4), y)
            penalty, mean = path_length_penalty(lengths, 0.0, 0.01, lengths.mean())
            return 2 * penalty.mean(), (lengths, mean)

        @jax.jit
        def everything(params_g, params_d):
            path, aux = jax.grad(loss_path, has_aux=True)(params_g)
            return (
                {
                    "grad_g_main/G.": jax.grad(loss_g)(params_g),
                    "grad_path_length/G.": path,
                    "grad_d_main/D.": jax.grad(loss_d)(params_d),
                    "grad_r1_gamma1/D.": jax.grad(loss_r1)(params_d),
                },
                aux,
                2 * r1(lambda x: logits(params_d, x), reals, None, None, None),
            )

        lowered = everything.lower(params_g, params_d)
        gradients, (lengths, mean), penalties = lowered.compile()(params_g, params_d)
    close(penalties, golden.arrays["expect/r1_penalty"], 1e-5)
    close(lengths, golden.arrays["expect/path_lengths"], 1e-5)
    close(mean, golden.arrays["expect/path_length_mean_after"], 1e-5)
    for kind, tree in gradients.items():
        prefix = f"expect/{kind}"
        expected = {key[len(prefix) :]: v for key, v in golden.arrays.items() if key.startswith(prefix)}
        ours = official.to_official({"params": tree})
        assert expected.keys() <= ours.keys()
        assert all(np.all(ours[key] == 0) for key in ours.keys() - expected.keys())
        for key, value in expected.items():
            # The reference is in float32: sums over all pixels, such as a noise strength's, are off by 1e-4 there.
            close(ours[key], value, 1e-4 if value.ndim else 3e-4)


@golden_arrays.needs_golden
@pytest.mark.parametrize("name", golden_arrays.NAMES)
def test_weights_go_to_the_official_names_and_back(name):
    golden = golden_arrays.load(name)
    back = official.to_official(golden.g)
    assert {f"G.{key}" for key in back} == {
        key for key in golden.arrays if key.startswith("G.") and "resample_filter" not in key
    }
    for key, value in back.items():
        np.testing.assert_array_equal(value, golden.arrays[f"G.{key}"])
    # Fresh networks have exactly these tensors.
    model = golden.model
    made = jax.eval_shape(
        lambda: (
            model.synthesis.init(KEY, jnp.zeros((1, model.num_ws, 64))),
            model.discriminator.init(KEY, golden.images("inputs/reals")[0], golden.labels),
        )
    )
    shapes = jax.tree.map(jnp.shape, dict(made[0]))
    assert shapes["params"] == jax.tree.map(jnp.shape, golden.g["params"]["synthesis"])
    assert shapes["noise"] == jax.tree.map(jnp.shape, golden.g["noise"]["synthesis"])
    assert jax.tree.map(jnp.shape, dict(made[1]))["params"] == jax.tree.map(jnp.shape, golden.d["params"])


def sizes(config, side=32, classes=0):
    model = stylegan2.build(config.model, (side, side, 3), classes, jnp.float32)
    labels = jnp.zeros((1,), jnp.int32)

    def init():
        return (
            model.mapping.init(KEY, jnp.zeros((1, model.z_dim)), labels)["params"],
            model.synthesis.init(KEY, jnp.zeros((1, model.num_ws, model.z_dim)))["params"],
            model.discriminator.init(KEY, jnp.zeros((1, side, side, 3)), labels)["params"],
        )

    return [sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in jax.eval_shape(init)], model


def test_the_cifar_networks_have_the_published_size():
    (mapping, synthesis, discriminator), model = sizes(experiment("stylegan2_cifar"))
    assert model.num_ws == 8
    assert round((mapping + synthesis) / 1e6, 1) == 19.9
    assert round(discriminator / 1e6, 1) == 20.7


@pytest.mark.parametrize(("side", "num_ws"), [(8, 4), (32, 8), (256, 14), (1024, 18)])
def test_styles_of_a_resolution(side, num_ws):
    config = default.get_config()
    config.model.architecture = "skip"
    assert stylegan2.build(config.model, (side, side, 1), 0, jnp.float32).num_ws == num_ws == 2 * math.log2(side) - 2


@pytest.mark.parametrize("architecture", ["orig", "skip", "resnet"])
@pytest.mark.full
def test_every_architecture_makes_and_judges_images(architecture):
    config = default.get_config()
    config.model.architecture = config.model.discriminator_architecture = architecture
    config.model.channel_base, config.model.channel_max, config.model.latent_dim = 64, 8, 6
    config.model.bfloat16_resolutions = 1
    model = stylegan2.build(config.model, (16, 16, 2), 0, jnp.float32)

    def run():
        ws = jax.random.normal(KEY, (4, model.num_ws, 6))
        images, synthesis = model.synthesis.init_with_output(KEY, ws, RandomNoise(KEY, jnp.arange(4)))
        logits, discriminator = model.discriminator.init_with_output(KEY, images)
        return images, logits, synthesis["params"], discriminator["params"]

    images, logits, synthesis, discriminator = jax.jit(run)()
    assert images.shape == (4, 16, 16, 2)
    assert images.dtype == logits.dtype == jnp.float32
    assert logits.shape == (4,)
    assert np.isfinite(images).all()
    assert ("torgb" in synthesis["b4"]) == (architecture == "skip")
    assert ("skip" in synthesis["b8"]) == (architecture == "resnet")
    assert ("fromrgb" in discriminator["b8"]) == ("fromrgb" in discriminator["b4"]) == (architecture == "skip")
    assert ("skip" in discriminator["b16"]) == (architecture == "resnet")


def test_equalised_learning_rate():
    """Weights ~ N(0, 1) / lr_multiplier are used times lr_multiplier / sqrt(fan in), biases times lr_multiplier."""
    x = jax.random.normal(KEY, (5000, 64))
    layer = FullyConnected(128, lr_multiplier=0.01, bias_init=3.0)
    y, variables = layer.init_with_output(KEY, x)
    weight = variables["params"]["weight"]
    assert abs(float(weight.std()) / 100 - 1) < 0.03
    np.testing.assert_allclose(y, x @ (weight * 0.01 / 8) + 0.03, rtol=1e-4, atol=1e-4)
    kernel = Conv(16, activate=False).init(KEY, jnp.zeros((1, 8, 8, 32)))["params"]["weight"]
    assert abs(float(kernel.std()) - 1) < 0.03
    x = jax.random.normal(KEY, (8, 16, 16, 32))
    assert abs(float(Conv(64, activate=False).init_with_output(KEY, x)[0][:, 2:-2, 2:-2].std()) - 1) < 0.05


def test_leaky_relu_gain_and_clamp():
    x = jnp.array([-10.0, 1.0, 1000.0])
    np.testing.assert_allclose(leaky_relu(x), np.sqrt(2) * np.array([-2, 1, 1000]), rtol=1e-6)
    np.testing.assert_allclose(leaky_relu(x, 0.5, 256.0), [-np.sqrt(2), np.sqrt(0.5), 128], rtol=1e-6)


@pytest.mark.full
def test_styles_start_at_one_and_noise_at_zero():
    layer = SynthesisLayer(4)
    x, w = jnp.ones((2, 8, 8, 3)), jax.random.normal(KEY, (2, 5))
    params = layer.init(KEY, x, w, "const")["params"]
    np.testing.assert_array_equal(params["affine"]["bias"], 1)
    assert params["noise_strength"] == 0
    variables = layer.init(KEY, x, w, "const")
    params["noise_strength"] = jnp.float32(2)
    outputs = [layer.apply({**variables, "params": params}, x, w, noise) for noise in ("none", "const")]
    random = [RandomNoise(KEY, jnp.array(ids)) for ids in ([0, 1], [1, 0])]
    first, second = (layer.apply({**variables, "params": params}, x, w, noise) for noise in random)
    assert not np.allclose(outputs[0], outputs[1])
    assert not np.allclose(first, outputs[1])
    assert not np.allclose(first, second)  # each image's noise is that of its number
    same = layer.apply({**variables, "params": params}, x[:1], w[:1], RandomNoise(KEY, jnp.array([0])))
    np.testing.assert_allclose(same, first[:1], rtol=1e-5)
    with pytest.raises(ValueError, match="noise='loud'"):
        layer.apply(variables, x, w, "loud")


def test_to_rgb_is_not_demodulated():
    layer = ToRGB(3)
    x, w = jax.random.normal(KEY, (2, 4, 4, 9)), jax.random.normal(KEY, (2, 5))
    y, variables = layer.init_with_output(KEY, x, w)
    params = variables["params"]
    styles = (w @ params["affine"]["weight"] / np.sqrt(5) + 1) / 3
    expected = jnp.einsum("nhwc,nc,co->nhwo", x, styles, params["weight"][0, 0])
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_latents_are_normalised_with_the_small_number_inside_the_root():
    mapping = Mapping(6, num_layers=1)
    variables = mapping.init(KEY, jnp.ones((1, 4)))
    tiny = jnp.full((1, 4), 1e-4)
    expected = leaky_relu((tiny / np.sqrt(1e-8 + 1e-8)) @ variables["params"]["fc0"]["weight"] * 0.01 / 2)
    np.testing.assert_allclose(mapping.apply(variables, tiny), expected, rtol=1e-5)


def test_half_precision_at_the_highest_resolutions_only():
    assert [precision(r, 32, 2) for r in (4, 8, 16, 32)] == [None, None, jnp.bfloat16, jnp.bfloat16]
    assert [precision(r, 32, 9) for r in (4, 8)] == [None, jnp.bfloat16]
    assert precision(32, 32, 0) is None


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        ((28, 28, 1), {}, r"28x28.*8, 16, 32.*data.image_size=32"),
        ((32, 16, 1), {}, "32x16"),
        ((2048, 2048, 3), {}, "data.image_size=1024"),
        ((2,), {}, "vectors of 2"),
        ((32, 32, 1), {"architecture": "radford"}, "choices: orig, skip, resnet"),
        ((32, 32, 1), {"conditional": True}, "class labels"),
        ((32, 32, 1), {"channel_base": 16}, "no channel at 32x32"),
        ((32, 32, 1), {"mapping_layers": 0}, "config.model.mapping_layers=0"),
    ],
)
def test_refuses(shape, changes, words):
    config = default.get_config()
    config.model.architecture = "skip"
    config.model.update(changes)
    with pytest.raises(UserError, match=words):
        stylegan2.build(config.model, shape, 0, jnp.float32)


@pytest.mark.full
def test_a_residual_generator_halves_the_variance_of_both_branches():
    """Karras et al. 2020, section 4.1: both branches times sqrt(1/2), the one of the 1x1 convolution and the other."""
    block = SynthesisBlock(6, 3, "resnet", is_first=False, is_last=False)
    x, ws = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(2, 4, 4, 5), (2, 3, 7)]))
    variables = block.init(jax.random.key(2), x, None, ws, "none")
    weight = variables["params"]["skip"]["weight"]

    def output(scale, residual=True):
        params = {**variables["params"], "skip": {"weight": scale * weight}}
        kind = block if residual else block.clone(architecture="orig")
        if not residual:
            params.pop("skip")
        return kind.apply({**variables, "params": params}, x, None, ws, "none")[0]

    skip = upsample_conv(x, weight / np.sqrt(5)) * np.sqrt(0.5)
    np.testing.assert_allclose(output(1.0) - output(0.0), skip, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output(0.0), output(0.0, residual=False) * np.sqrt(0.5), rtol=1e-4, atol=1e-5)


@pytest.mark.full
def test_a_residual_discriminator_halves_the_variance_of_both_branches():
    block = DiscriminatorBlock(5, 7, "resnet", is_first=False)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 5))
    params = block.init(jax.random.key(1), x, None)["params"]
    weight = params["skip"]["weight"]

    def output(scale):
        return block.apply({"params": {**params, "skip": {"weight": scale * weight}}}, x, None)[0]

    plain = {name: params[name] for name in ("conv0", "conv1")}
    other = block.clone(architecture="orig").apply({"params": plain}, x, None)[0]
    skip = downsample_conv(x, weight / np.sqrt(5)) * np.sqrt(0.5)
    np.testing.assert_allclose(output(1.0) - output(0.0), skip, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output(0.0), other * np.sqrt(0.5), rtol=1e-4, atol=1e-5)
