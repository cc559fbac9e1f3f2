"""The flow and the second VAE: exact densities, inverses, fits that a Gaussian cannot have, files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.evaluation.samplers import maf, two_stage
from jaxgen.settings import default

KEY, IDS = jax.random.key(0), np.arange(2_000)


def settings_of(**changes):
    settings = default.get_config().evaluation
    settings.update({"sampler_steps": 400, "sampler_width": 24, **changes})
    return settings


def ring(n=3_000):
    """Points near a circle of radius 3 around (1, -2)."""
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, n), 3 + 0.2 * rng.normal(size=n)
    return np.stack([1 + radius * np.cos(angle), -2 + radius * np.sin(angle)], axis=1).astype(np.float32)


def random_blocks(size, width=9, scale=0.4):
    blocks = maf.init(jax.random.key(1), size, width)
    leaves, structure = jax.tree.flatten(blocks)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    moved = [leaf + scale * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(structure, moved)


@pytest.mark.full
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_conditional_sees_the_numbers_before_it_alone(size):
    block, parts = random_blocks(size)[0], maf.masks(size, 9)

    def both(x):
        return jnp.stack([part[0] for part in maf.conditionals(block, x[None], parts)])

    slopes = np.abs(jax.jacobian(both)(jnp.linspace(-1, 1, size)))  # [mean or scale, output, input]
    assert np.all(np.triu(slopes) == 0)
    assert np.all(slopes[:, np.tril_indices(size, -1)[0], np.tril_indices(size, -1)[1]] > 0)


@pytest.mark.full
def test_samples_are_the_inverse_of_the_density_and_its_integral_is_one():
    blocks, parts = random_blocks(2), maf.masks(2, 9)
    normal = jax.random.normal(jax.random.key(3), (5, 2))
    x = maf.transformed(blocks, normal, parts)
    slopes = jax.vmap(jax.jacobian(lambda u: maf.transformed(blocks, u[None], parts)[0]))(normal)
    base = -0.5 * np.sum(np.square(normal) + np.log(2 * np.pi), axis=-1)
    expected = base - np.log(np.abs(np.linalg.det(np.asarray(slopes, np.float64))))
    np.testing.assert_allclose(maf.log_density(blocks, x, parts), expected, rtol=1e-3, atol=1e-3)
    assert np.abs(np.asarray(x - normal)).max() > 0.1
    start = maf.init(KEY, 2, 9)
    side = np.linspace(-8, 8, 161)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(np.asarray(maf.log_density(start, jnp.asarray(grid, jnp.float32), parts))).reshape(161, 161)
    assert integrate.simpson(integrate.simpson(density, x=side), x=side) == pytest.approx(1, abs=1e-3)


def share_in_the_hole(draws):
    return np.mean(np.linalg.norm(draws - [1, -2], axis=1) < 1.5)


@pytest.mark.parametrize("name", ["maf", "two_stage"])
@pytest.mark.full
def test_a_ring_stays_hollow_where_a_gaussian_fills_it(name, tmp_path):
    latents = ring()
    settings = settings_of(sampler_steps=1_200 if name == "two_stage" else 600, sampler_width=32)
    facts = {"step": 3, **two_stage.facts(settings)}
    sampler = latent_samplers.fit(name, latents, settings, 0, facts)
    drawn = sampler.draw(KEY, IDS)
    assert drawn.dtype == np.float32
    assert np.linalg.norm(drawn - [1, -2], axis=1).mean() == pytest.approx(3, abs=0.3)
    normal = latent_samplers.fit("normal", latents, settings, 0, {}).draw(KEY, IDS)
    assert share_in_the_hole(drawn) < 0.5 * share_in_the_hole(normal)
    np.testing.assert_allclose(drawn.mean(0), [1, -2], atol=0.4)
    np.testing.assert_allclose(sampler.draw(KEY, IDS[40:47]), drawn[40:47], rtol=1e-4, atol=1e-4)
    assert sampler.facts["best_step_of_fit"] > 0
    path = tmp_path / f"{name}.npz"
    latent_samplers.save(sampler, path)
    again = latent_samplers.load(path, facts)
    assert again.facts == sampler.facts
    np.testing.assert_array_equal(again.draw(KEY, IDS[:9]), sampler.draw(KEY, IDS[:9]))
    assert latent_samplers.load(path, {**facts, "width_of_fit": 33}) is None
    arrays = sampler.arrays()
    arrays["mean"] = arrays["mean"][:1]
    np.savez(path, **arrays, facts=np.load(path)["facts"])
    assert latent_samplers.load(path, facts) is None


def test_the_second_vaes_bound_lies_below_the_exact_likelihood():
    """With a linear decoder the exact density is a Gaussian's."""
    params = two_stage.init(KEY, 2, 4)
    params["log_gamma"] = jnp.zeros(())
    for network in ("encoder", "decoder"):
        params[network][-1] = jax.tree.map(jnp.zeros_like, params[network][-1])  # the linear way alone: z = u + noise
    x = np.random.default_rng(0).normal(size=(4_000, 2)).astype(np.float32)
    exact = np.mean(np.sum(-0.25 * x**2 - 0.5 * np.log(4 * np.pi), axis=1))  # N(0, 2)
    bound = -float(two_stage.negative_elbo(params, x, jax.random.key(1)))
    # q(u | z) = N(z, 1) where the exact posterior is N(z / 2, 1/2).
    loss = np.mean(np.sum(0.5 * (2 + 2 * (x / 2) ** 2 - 1 - np.log(2)), axis=1))
    assert bound == pytest.approx(exact - loss, abs=0.1)


def test_too_few_latents_and_impossible_settings_are_refused():
    with pytest.raises(UserError, match=r"'maf': 5 training images are too few"):
        latent_samplers.fit("maf", ring(5), settings_of(), 0, {})
    with pytest.raises(UserError, match="sampler_steps=0"):
        maf.facts(settings_of(sampler_steps=0))
