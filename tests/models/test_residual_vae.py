"""The residual VAE: shapes at every size, parameter count, the residual path, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models import residual_vae

KEY = jax.random.key(0)


def model(shape, dtype=jnp.float32, output_channels=None, **changes):
    config = {"latent_dim": 5, "width": 8, "batch_norm": False, "residual_blocks": 2, "downsamplings": 2}
    return residual_vae.build(ConfigDict({**config, **changes}), shape, 0, dtype, output_channels=output_channels)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize(("shape", "downsamplings"), [((28, 28, 1), 2), ((32, 32, 3), 2), ((32, 16, 3), 3)])
def test_shapes(shape, downsamplings, batch_norm, dtype):
    vae = model(shape, dtype, batch_norm=batch_norm, downsamplings=downsamplings)

    def run():
        (mean, log_variance), encoder = vae.encoder.init_with_output(KEY, jnp.zeros((3, *shape)), train=False)
        output, decoder = vae.decoder.init_with_output(KEY, mean, train=False)
        assert ("batch_stats" in encoder) == ("batch_stats" in decoder) == batch_norm
        return mean, log_variance, output

    shapes = [(3, 5), (3, 5), (3, *shape)]
    assert [(a.shape, a.dtype) for a in jax.eval_shape(run)] == [(shape, jnp.float32) for shape in shapes]


def test_parameter_count_of_the_papers_width():
    # By hand, 32x32x3, width 256, latent_dim 128. Down: 16*3*256 + 16*256*256 + 9*256*256 + 2 (9+1)*256*256 and their
    # biases; dense 16384 * 256. Up: 9*256*256 + 2 (9+1)*256*256 + 16*256*256 + 16*256*3; dense 128 * 16384.
    vae = model((32, 32, 3), width=256, latent_dim=128)
    encoder = jax.eval_shape(lambda: vae.encoder.init(KEY, jnp.zeros((1, 32, 32, 3)), train=False))
    decoder = jax.eval_shape(lambda: vae.decoder.init(KEY, jnp.zeros((1, 128)), train=False))
    sizes = [sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree)) for tree in (encoder, decoder)]
    square, biases = 256 * 256, 6 * 256
    assert sizes[0] == 48 * 256 + 45 * square + biases + 256 + 16384 * 256 + 256
    assert sizes[1] == 45 * square + biases + 16 * 256 * 3 + 3 + 128 * 16384 + 16384


def test_a_block_adds_to_its_input():
    """With its last layer at zero a block changes nothing: the features behind any number of them are the same."""
    images = jax.random.normal(KEY, (2, 16, 16, 1))
    features = []
    for blocks in (0, 3):
        down = model((16, 16, 1), residual_blocks=blocks).encoder.trunk
        params = down.init(KEY, images)["params"]
        for i in range(4, 3 + 2 * blocks, 2):  # Conv_0 to Conv_2 come before the blocks, 1x1 layers are each second
            assert params[f"Conv_{i}"]["kernel"].shape[:2] == (1, 1)
            params[f"Conv_{i}"]["kernel"] = jnp.zeros_like(params[f"Conv_{i}"]["kernel"])
        features.append(down.apply({"params": params}, images))
    np.testing.assert_allclose(features[0], features[1], atol=1e-6)
    assert np.abs(features[0]).max() > 0.1


def test_as_many_channels_as_the_likelihood_wants():
    decoder = model((16, 16, 3), output_channels=30).decoder
    shape = jax.eval_shape(lambda: decoder.init_with_output(KEY, jnp.zeros((2, 5)), train=False))[0].shape
    assert shape == (2, 16, 16, 30)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((30, 30, 3), {}, r"2 halvings .* divisible by 4, such as 32"),
        ((16, 16, 3), {"downsamplings": 0}, "downsamplings=0"),
        ((16, 16, 3), {"residual_blocks": -1}, "residual_blocks=-1"),
    ],
)
def test_what_it_cannot_make(shape, changes, message):
    with pytest.raises(UserError, match=message):
        model(shape, **changes)
