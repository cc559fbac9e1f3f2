"""The dense VAE of Burda et al. 2016: parameter count, shapes, against NumPy, more channels for a likelihood."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models import mlp_vae
from jaxgen.models.base import posterior

KEY = jax.random.key(0)


def model(shape=(28, 28, 1), width=200, latent_dim=50, conditional=False, num_classes=0, **options):
    config = ConfigDict({"latent_dim": latent_dim, "width": width, "conditional": conditional})
    return mlp_vae.build(config, shape, num_classes, jnp.float32, **options)


def test_parameter_count():
    # By hand: 785*200 + 201*200 + 201*100 and 51*200 + 201*200 + 201*784.
    vae = model()
    encoder = jax.eval_shape(lambda: vae.encoder.init(KEY, jnp.zeros((1, 28, 28, 1))))
    decoder = jax.eval_shape(lambda: vae.decoder.init(KEY, jnp.zeros((1, 50))))
    sizes = [sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree)) for tree in (encoder, decoder)]
    assert sizes == [785 * 200 + 201 * 200 + 201 * 100, 51 * 200 + 201 * 200 + 201 * 784]


def test_encoder_equals_numpy():
    vae = model((3, 5, 1), width=7, latent_dim=2)
    images = jax.random.normal(KEY, (4, 3, 5, 1))
    params = vae.encoder.init(KEY, images)["params"]
    mean, log_variance = vae.encoder.apply({"params": params}, images)
    x = np.asarray(images, np.float64).reshape(4, 15)
    layers = [params[f"Dense_{i}"] for i in range(3)]
    for i, layer in enumerate(layers):
        x = x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)
        x = np.tanh(x) if i < 2 else x
    np.testing.assert_allclose(mean, x[:, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_variance, 15 * np.tanh(x[:, 2:] / 15), rtol=1e-5, atol=1e-6)


def test_a_conditional_network_has_a_row_of_weights_for_each_class():
    vae = model((3, 5, 1), width=7, latent_dim=2, conditional=True, num_classes=4)
    assert vae.conditional
    images, latents, labels = jnp.zeros((2, 3, 5, 1)), jnp.zeros((2, 2)), jnp.array([0, 3])
    encoder, decoder = vae.encoder.init(KEY, images, labels), vae.decoder.init(KEY, latents, labels)
    kernels = [variables["params"]["Dense_0"]["kernel"] for variables in (encoder, decoder)]
    assert [kernel.shape for kernel in kernels] == [(15 + 4, 7), (2 + 4, 7)]
    # Of a black image the first layer sees the row of its class alone, and nothing else tells the classes apart.
    params = {**decoder["params"], "Dense_0": {**decoder["params"]["Dense_0"], "kernel": kernels[1].at[2:].set(0)}}
    of_class = vae.decoder.apply(decoder, latents, labels)
    blind = vae.decoder.apply({"params": params}, latents, labels)
    assert float(jnp.abs(of_class[0] - of_class[1]).max()) > 1e-3
    np.testing.assert_array_equal(blind[0], blind[1])


def test_a_conditional_network_needs_classes():
    with pytest.raises(UserError, match="needs data with class labels"):
        model(conditional=True)
    assert not model(num_classes=10).conditional


@pytest.mark.parametrize("channels", [None, 30])
def test_the_decoder_gives_the_images_or_as_many_channels_as_the_likelihood_wants(channels):
    vae = model((6, 4, 3), width=8, latent_dim=5, output_channels=channels)
    latents = jnp.zeros((2, 5))
    output, _ = vae.decoder.init_with_output(KEY, latents)
    assert output.shape == (2, 6, 4, channels or 3)
    assert output.dtype == jnp.float32


def test_log_variance_is_bounded_and_keeps_a_gradient():
    x = jnp.array([3.0, 4.0, 5.0, 6.0, 7.0, -100.0, -0.1, 0.0, 0.1, 20.0])
    mean, log_variance = posterior(x)
    np.testing.assert_array_equal(mean, x[:5])
    assert float(jnp.abs(log_variance).max()) <= 15
    np.testing.assert_allclose(log_variance[1:4], x[6:9], rtol=1e-4)
    assert float(jax.grad(lambda x: posterior(x)[1][-1])(x)[-1]) > 0.1
