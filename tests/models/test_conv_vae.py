"""The convolutional VAE: shapes at every size, parameter count, bounded log variance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models import conv_vae
from jaxgen.models.base import with_class_maps

KEY = jax.random.key(0)


def model(side, width=8, latent_dim=5, batch_norm=False, dtype=jnp.float32, num_classes=0, **options):
    sizes = {"latent_dim": latent_dim, "width": width, "batch_norm": batch_norm, "conditional": num_classes > 0}
    return conv_vae.build(ConfigDict(sizes), (side, side, 3), num_classes, dtype, **options)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("side", [8, 28, 32, 64])
def test_shapes(side, batch_norm, dtype):
    vae = model(side, batch_norm=batch_norm, dtype=dtype)

    def run():
        images = jnp.zeros((3, side, side, 3))
        (mean, log_variance), encoder = vae.encoder.init_with_output(KEY, images, train=False)
        output, decoder = vae.decoder.init_with_output(KEY, mean, train=False)
        assert ("batch_stats" in encoder) == ("batch_stats" in decoder) == batch_norm
        return mean, log_variance, output

    shapes = [(3, 5), (3, 5), (3, side, side, 3)]
    assert [(a.shape, a.dtype) for a in jax.eval_shape(run)] == [(shape, jnp.float32) for shape in shapes]


def test_parameter_count():
    # By hand, 32x32x3, width 64, latent_dim 128. Encoder: (16*3+1)*64 + (16*64+1)*128 + (16*128+1)*256 + 4097*256;
    # decoder: 129*4096 + 16*256*128+128 + 16*128*64+64 + 16*64*3+3.
    vae = model(32, width=64, latent_dim=128)
    encoder = jax.eval_shape(lambda: vae.encoder.init(KEY, jnp.zeros((1, 32, 32, 3)), train=False))
    decoder = jax.eval_shape(lambda: vae.decoder.init(KEY, jnp.zeros((1, 128)), train=False))
    sizes = [sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree)) for tree in (encoder, decoder)]
    assert sizes == [1_707_712, 1_187_011]


def test_a_conditional_network_sees_maps_of_the_class_and_a_row_for_it():
    vae = model(8, num_classes=10)
    assert vae.conditional
    images, latents, labels = jnp.zeros((2, 8, 8, 3)), jnp.zeros((2, 5)), jnp.array([1, 9])
    encoder, decoder = (
        jax.eval_shape(lambda network=network, x=x: network.init(KEY, x, labels))["params"]
        for network, x in ((vae.encoder, images), (vae.decoder, latents))
    )
    assert encoder["Conv_0"]["kernel"].shape == (4, 4, 3 + 10, 8)
    assert decoder["Dense_0"]["kernel"].shape == (5 + 10, 4 * 4 * 8)


def test_class_maps_are_ones_for_the_class():
    maps = np.asarray(with_class_maps(jnp.full((2, 2, 3, 1), 7.0), jnp.array([2, 0]), 3))
    np.testing.assert_array_equal(maps[0, 1, 2], [7, 0, 0, 1])
    np.testing.assert_array_equal(maps[1, 0, 0], [7, 1, 0, 0])
    images = jnp.zeros((2, 2, 3, 1))
    assert with_class_maps(images, None, 0) is images


def test_log_variance_stays_finite_for_absurd_inputs():
    vae = model(8)
    images = 1e6 * jax.random.normal(KEY, (4, 8, 8, 3))
    _, log_variance = vae.encoder.apply(vae.encoder.init(KEY, images, train=False), images, train=False)
    assert float(jnp.abs(log_variance).max()) <= 15
    assert np.isfinite(np.exp(log_variance)).all()


def test_impossible_size():
    with pytest.raises(UserError, match=r"cannot make.*32"):
        model(36)


def test_the_decoder_gives_as_many_channels_as_the_likelihood_wants():
    decoder = model(16, output_channels=30).decoder
    shape = jax.eval_shape(lambda: decoder.init_with_output(KEY, jnp.zeros((2, 5)), train=False))[0].shape
    assert shape == (2, 16, 16, 30)
