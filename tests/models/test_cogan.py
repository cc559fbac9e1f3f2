"""CoGAN's networks share layers: all but the last of the generators, all but the first of the discriminators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.models import cogan
from jaxgen.settings.experiments import experiment


@pytest.fixture(scope="module")
def model():
    config = experiment("cogan_mnist").model
    config.update({"width": 2, "latent_dim": 3})
    return cogan.build(config, (16, 16, 1), 0, jnp.float32)


def moved(fn, params):
    """Which outputs of fn(params) change with which part of the parameters: {name: [bool for each output]}."""
    before, changes = fn(params), {}
    for name in params:
        part = jax.tree.map(lambda x: x + 0.5, params[name])
        after = fn({**params, name: part})
        changes[name] = [bool(np.abs(np.asarray(a - b)).max() > 0) for a, b in zip(before, after, strict=True)]
    return changes


def test_the_generators_share_all_but_the_last_layer(model):
    latents = jax.random.normal(jax.random.key(1), (4, 3))
    images, variables = model.generator.init_with_output(jax.random.key(0), latents)
    assert [part.shape for part in images] == [(4, 16, 16, 1)] * 2
    stats = {"batch_stats": variables["batch_stats"]}
    changes = moved(lambda params: model.generator.apply({"params": params, **stats}, latents), variables["params"])
    assert changes.pop("first") == [True, False]
    assert changes.pop("second") == [False, True]
    assert len(changes) == 4  # a dense layer, a transposed convolution, and the normalisation after each
    assert all(change == [True, True] for change in changes.values())


def test_the_discriminators_share_all_but_the_first_layer(model):
    images = jax.random.normal(jax.random.key(1), (2, 4, 16, 16, 1))
    logits, variables = model.discriminator.init_with_output(jax.random.key(0), *images)
    assert logits.shape == (4, 2)
    changes = moved(lambda params: model.discriminator.apply({"params": params}, *images).T, variables["params"])
    assert changes == {"first": [True, False], "second": [False, True], "shared": [True, True], "logit": [True, True]}


def test_a_discriminator_sees_no_pair(model):
    """The logit of an image does not depend on the image of the other kind beside it."""
    images = jax.random.normal(jax.random.key(1), (2, 4, 16, 16, 1))
    logits, variables = model.discriminator.init_with_output(jax.random.key(0), *images)
    other = model.discriminator.apply(variables, images[0], images[1][::-1])
    np.testing.assert_allclose(other[:, 0], logits[:, 0], atol=1e-7)
    np.testing.assert_allclose(other[:, 1], logits[::-1, 1], atol=1e-7)
