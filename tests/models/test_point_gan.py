"""Dense networks for vectors: their arithmetic by hand, the Lipschitz bound, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from jaxgen.errors import UserError
from jaxgen.models import point_gan
from jaxgen.settings import default


def networks(shape=(2,), **changes):
    config = default.get_config().model
    config.update({"width": 16, "latent_dim": 3, "hidden_layers": 2, **changes})
    return point_gan.build(config, shape, 0, jnp.float32)


def by_hand(params, x, slope):
    layers = [params[f"Dense_{i}"] for i in range(len(params))]
    for i, layer in enumerate(layers):
        x = x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)
        if i < len(layers) - 1:
            x = np.where(x > 0, x, slope * x)
    return x


@pytest.mark.parametrize("latents", ["normal", "uniform"])
def test_the_generator_by_hand(latents):
    generator = networks(latents=latents).generator
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    params = generator.init(jax.random.key(0), z)["params"]
    assert len(params) == 3
    seen = z if latents == "normal" else np.sqrt(3) * (2 * norm.cdf(z) - 1)
    np.testing.assert_allclose(generator.apply({"params": params}, z), by_hand(params, seen, 0.0), atol=1e-5)


def test_uniform_latents_have_unit_variance_and_bounds():
    z = np.sqrt(3) * (2 * norm.cdf(norm.ppf((np.arange(10_000) + 0.5) / 10_000)) - 1)
    assert z.var() == pytest.approx(1, abs=1e-6)
    assert np.abs(z).max() < np.sqrt(3)


def test_the_discriminator_by_hand_in_the_datas_scale():
    discriminator = networks(data_scale=4.0, discriminator_width=8).discriminator
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    params = discriminator.init(jax.random.key(0), x)["params"]
    assert params["Dense_0"]["kernel"].shape == (2, 8)
    found = discriminator.apply({"params": params}, x)
    assert (found.shape, found.dtype) == ((5,), jnp.float32)
    np.testing.assert_allclose(found, by_hand(params, x / 4, 0.1)[:, 0], atol=1e-5)


@pytest.mark.full
def test_spectral_normalisation_bounds_the_slope_by_the_inverse_scale():
    discriminator = networks(spectral_norm=True, data_scale=0.5, width=32).discriminator
    x = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    variables = discriminator.init(jax.random.key(0), x)
    # A large bias would not matter; large kernels do, and are divided by their singular values.
    variables = {**variables, "params": jax.tree.map(lambda p: 7 * p, variables["params"])}
    for _ in range(50):
        _, moved = discriminator.apply(variables, x, train=True, mutable=["spectral_norm"])
        variables = {**variables, **moved}
    slopes = jax.vmap(jax.grad(lambda x: discriminator.apply(variables, x[None])[0]))(x)
    norms = np.linalg.norm(slopes, axis=1)
    assert 0.02 < norms.max() <= 2.0 * 1.01


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        ((8, 8, 1), {}, "makes vectors"),
        ((2,), {"hidden_layers": 0}, "hidden_layers=0"),
        ((2,), {"data_scale": 0.0}, "data_scale=0.0"),
        ((2,), {"latents": "norml"}, "did you mean 'normal'"),
    ],
)
def test_what_it_cannot_make_is_refused(shape, changes, words):
    with pytest.raises(UserError, match=words):
        networks(shape, **changes)
