"""GANs with several outputs: the bodies are those of DCGAN, and every output sees the features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.errors import UserError
from jaxgen.models import dcgan, headed_gan
from jaxgen.settings import default
from tests.helpers.devices import gathered

KEY = jax.random.key(0)


def model(shape, heads, labelled=False, **changes):
    config = default.get_config().model
    config.update(changes)
    return headed_gan.build(config, shape, 10, jnp.float32, heads=heads, labelled=labelled), config


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree["params"]))


def init(network, *inputs):
    return jax.jit(lambda: network.init(KEY, *inputs, train=False))()


def test_infogan_has_dcgan_s_body_and_q_has_a_hidden_layer():
    shape = (28, 28, 1)
    gan, _ = model(shape, (1, 12), width=64, latent_dim=62, head_width=128)
    g, d = jax.eval_shape(lambda: (init(gan.generator, jnp.zeros((1, 74)), None), init(gan.discriminator, _zeros(28))))
    assert count(g) == 74 * 6272 + 16 * 128 * 64 + 16 * 64 + 2 * (128 + 64)
    body = 16 * 64 + 16 * 64 * 128 + 2 * 128
    assert count(d) == body + (6272 + 1) + 6272 * 128 + 2 * 128 + 129 * 12


def test_chen_s_networks_have_the_sizes_of_the_paper_s_appendix():
    gan, _ = model((28, 28, 1), (1, 12), architecture="chen", width=64, latent_dim=62, head_width=128)
    g, d = jax.eval_shape(lambda: (init(gan.generator, jnp.zeros((1, 74)), None), init(gan.discriminator, _zeros(28))))
    dense = 74 * 1024 + 2 * 1024 + 1024 * 6272 + 2 * 6272  # each unit has its own normalisation
    assert count(g) == dense + 16 * 128 * 64 + 2 * 64 + 16 * 64
    body = 16 * 64 + 16 * 64 * 128 + 2 * 128 + 6272 * 1024 + 2 * 1024
    assert count(d) == body + (1024 + 1) + 1024 * 128 + 2 * 128 + 129 * 12


def test_chen_s_outputs_see_the_dense_layer_with_slope_0_1():
    gan, _ = model((8, 8, 1), (1, 3), architecture="chen", width=2, batch_norm=False)
    images = jax.random.normal(KEY, (5, 8, 8, 1))
    variables = init(gan.discriminator, images)
    features, (logit, others) = gan.discriminator.apply(variables, images)
    params = variables["params"]
    radford, _ = model((8, 8, 1), (1, 3), architecture="radford", width=2, batch_norm=False)
    maps = radford.discriminator.clone(negative_slope=0.1)
    body = {name: value for name, value in params.items() if name.startswith("Conv")}
    shaped = init(maps, images)["params"]
    seen, _ = maps.apply({"params": {**shaped, **body}}, images)
    before = seen @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
    np.testing.assert_allclose(features, np.where(before > 0, before, 0.1 * before), atol=1e-5)
    np.testing.assert_allclose(logit, features @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"], atol=1e-5)
    assert others.shape == (5, 3)


def _zeros(side):
    return jnp.zeros((1, side, side, 1))


@pytest.mark.parametrize(
    ("architecture", "side"), [("radford", 8), pytest.param("pytorch_gan", 20, marks=pytest.mark.full)]
)
def test_the_first_output_is_dcgan_s_logit_of_the_same_weights(architecture, side):
    shape = (side, side, 1)
    gan, config = model(shape, (1, 3), architecture=architecture, width=4)
    variables = init(gan.discriminator, _zeros(side))
    plain = dcgan.build(config, shape, 10, jnp.float32).discriminator
    alone = init(plain, _zeros(side))
    params = dict(variables["params"])
    head = {"kernel": params["Dense_0"]["kernel"]}
    body = {name: value for name, value in params.items() if not name.startswith("Dense")}
    (last,) = set(alone["params"]) - set(body)
    head = {name: value.reshape(alone["params"][last][name].shape) for name, value in head.items()}
    alone = {**alone, "params": {**body, last: {**alone["params"][last], **head}}}
    images = jax.random.normal(KEY, (5, *shape))
    features, (logit, others) = gan.discriminator.apply(variables, images)
    np.testing.assert_allclose(logit[:, 0], plain.apply(alone, images), atol=1e-5)
    assert features.shape == (5, params["Dense_0"]["kernel"].shape[0])
    assert others.shape == (5, 3)
    expected = features @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]
    np.testing.assert_allclose(others, expected, atol=1e-5)


def test_dense_networks_have_the_sizes_of_salimans_et_al():
    gan, _ = model((28, 28, 1), (10,), architecture="dense", width=250)
    g, d = jax.eval_shape(lambda: (init(gan.generator, jnp.zeros((1, 100)), None), init(gan.discriminator, _zeros(28))))
    assert count(g) == 101 * 500 + 501 * 500 + 501 * 784 + 4 * 500
    assert count(d) == 785 * 1000 + 1001 * 500 + 501 * 250 + 2 * 251 * 250 + 251 * 10


@pytest.mark.full
def test_the_noise_between_dense_layers_belongs_to_the_example_on_1_and_4_devices():
    gan, _ = model((4, 4, 1), (3,), architecture="dense", width=8, layer_noise=0.5)
    variables = init(gan.discriminator, _zeros(4))
    images = jnp.broadcast_to(jax.random.normal(KEY, (4, 4, 1)), (8, 4, 4, 1))

    def on(devices):
        mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])

        def run(images):
            return gan.discriminator.apply(variables, images, train=True, rngs={"dropout": KEY})[1][0]

        return gathered(
            np.asarray(jax.jit(jax.shard_map(run, mesh=mesh, in_specs=P("data"), out_specs=P("data")))(images)), devices
        )

    np.testing.assert_allclose(on(1), on(4), rtol=1e-4, atol=1e-5)
    assert len(np.unique(on(1)[:, 0])) == 8
    _, (quiet,) = gan.discriminator.apply(variables, images, train=False)
    assert len(np.unique(quiet[:, 0])) == 1


def test_a_labelled_generator_sees_the_class():
    gan, _ = model((8, 8, 1), (1, 10), labelled=True, architecture="dense", width=4)
    latents = jnp.zeros((2, 100))
    variables = init(gan.generator, latents, jnp.zeros((2,), jnp.int32))
    images = gan.generator.apply(variables, latents, jnp.array([0, 4]), train=False)
    assert np.abs(images[0] - images[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        ((28, 28, 1), {"architecture": "resnet"}, "choices: chen, dense, pytorch_gan, radford"),
        ((28, 28, 1), {"head_width": -1}, "0 or more"),
        ((30, 30, 1), {}, "a side of 4, 5, 6 or 7 times"),
        ((16, 16, 1), {"architecture": "pytorch_gan"}, "one pixel"),
    ],
)
def test_impossible_models_are_refused(shape, changes, words):
    with pytest.raises(UserError, match=words):
        model(shape, (1, 10), **changes)
