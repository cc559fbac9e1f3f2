"""The networks of a ladder VAE: shapes, parameters by hand, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models import ladder_vae

KEY = jax.random.key(0)


def model(dims=(64, 32, 16, 8, 4), widths=(512, 256, 128, 64, 32), batch_norm=True, shape=(28, 28, 1), **options):
    config = ConfigDict({"level_dims": dims, "level_widths": widths, "batch_norm": batch_norm})
    return ladder_vae.build(config, shape, 0, jnp.float32, **options)


def size(module, *inputs):
    variables = jax.eval_shape(lambda: module.init(KEY, *inputs))
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(variables["params"]))


def test_parameter_count_of_the_papers_levels():
    networks = model()
    dims, widths = networks.latent_dims, (512, 256, 128, 64, 32)

    def layers(inputs, width):  # two dense layers, each with a scale and a bias of batch normalisation
        return inputs * width + width + width * width + width + 4 * width

    encoder = sum(
        layers(inputs, width) + (width + 1) * 2 * dim
        for inputs, width, dim in zip((784, *widths[:-1]), widths, dims, strict=True)
    )
    assert size(networks.encoder, jnp.zeros((1, 28, 28, 1))) == encoder
    for i, prior in enumerate(networks.priors):
        above, width = dims[i + 1], widths[i + 1]
        assert size(prior, jnp.zeros((1, above))) == layers(above, width) + (width + 1) * 2 * dims[i]
    assert size(networks.decoder, jnp.zeros((1, 64))) == layers(64, 512) + 513 * 784


@pytest.mark.full
def test_shapes_and_the_channels_of_a_likelihood():
    networks = model((3, 2), (6, 5), batch_norm=False, shape=(4, 6, 3), output_channels=7)
    levels, _ = networks.encoder.init_with_output(KEY, jnp.zeros((2, 4, 6, 3)))
    assert [(m.shape, v.shape) for m, v in levels] == [((2, 3), (2, 3)), ((2, 2), (2, 2))]
    (mean, log_variance), _ = networks.priors[0].init_with_output(KEY, jnp.zeros((2, 2)))
    assert mean.shape == log_variance.shape == (2, 3)
    images, _ = networks.decoder.init_with_output(KEY, jnp.zeros((2, 3)))
    assert images.shape == (2, 4, 6, 7)


@pytest.mark.parametrize(("dims", "widths"), [((3,), (4,)), ((3, 2), (4,)), ((3, 0), (4, 4))])
def test_levels_that_make_no_ladder_are_refused(dims, widths):
    with pytest.raises(UserError, match="both need the same number of levels, two or more"):
        model(dims, widths)
