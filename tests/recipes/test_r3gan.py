"""R3GAN's recipe: schedules, one step by hand, what it learns, devices, and what is refused."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import CHOICES
from jaxgen.models.base import GAN
from jaxgen.ops import ada
from jaxgen.ops.random import example_normal, example_uniform
from jaxgen.recipes import r3gan
from jaxgen.recipes.base import Batch
from jaxgen.settings import default
from tests.helpers.dense_gan import SHAPE, Discriminator, Generator
from tests.helpers.devices import spread

BATCH = 16


def settings_of(**changes):
    config = default.get_config()
    config.recipe.update({"name": "r3gan", "r1_gamma": 0.5, "final_r1_gamma": 0.1})
    config.recipe.update({"burn_in_kimg": 1.0, "ema_kimg": 0.5, **changes})
    return config.recipe


def recipe_of(loss="relativistic", tx=None, **changes):
    tx = tx or optax.sgd(0.1)
    model = GAN(Generator(), Discriminator(), 3)
    settings = settings_of(**changes)
    return r3gan.r3gan(model, CHOICES[loss], tx, tx, image_shape=SHAPE, batch_size=BATCH, settings=settings)


def stepper(recipe, devices=1, labelled=True):
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    spec = Batch(P(None, None, "data"), P(None, None, "data") if labelled else None)
    return jax.jit(jax.shard_map(recipe.update, mesh=mesh, in_specs=(P(), spec, P(), P()), out_specs=P()))


def batch_of(seed, devices=1):
    """Two batches [2, 1, B, ...] of random images with labels, laid over the devices."""
    rng = np.random.default_rng(seed)
    images, labels = rng.uniform(-1, 1, (2, BATCH, *SHAPE)), rng.integers(0, 2, (2, BATCH))
    images, labels = (np.stack([spread(x, devices) for x in both])[:, None] for both in (images, labels))
    return Batch(jnp.asarray(images, jnp.float32), jnp.asarray(labels, jnp.int32))


def test_settings_move_by_half_a_cosine_and_stay():
    images = np.array([0.0, 2_500, 5_000, 10_000, 10_001, 1e9])
    expected = [2.0, 0.5 + 1.5 * (1 + np.cos(np.pi / 4)) / 2, 1.25, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(r3gan.burn_in(2.0, 0.5, jnp.asarray(images), 10.0), expected, rtol=1e-6)


def test_adam_follows_its_schedules():
    """Against Adam by hand, whose decay and rate change in each step."""
    config = default.get_config()
    config.recipe.update({"burn_in_kimg": 0.064, "final_learning_rate": 0.01, "final_b2": 0.99})
    config.batch_size = 16
    config.optimizers.generator.update({"learning_rate": 0.2, "b1": 0.3, "b2": 0.9})
    tx = r3gan._optimizer(config, "generator")
    rng = np.random.default_rng(0)
    weight = jnp.float32(1.0)
    state, by_hand, m, v = tx.init(weight), 1.0, 0.0, 0.0
    for step in range(6):
        slope = float(rng.normal())
        updates, state = tx.update(jnp.float32(slope), state, weight)
        weight = optax.apply_updates(weight, updates)
        share = (1 + math.cos(math.pi * min(step / 4, 1))) / 2
        rate, b2 = 0.01 + 0.19 * share, 0.99 - 0.09 * share
        m, v = 0.3 * m + 0.7 * slope, b2 * v + (1 - b2) * slope**2
        by_hand -= rate * (m / (1 - 0.3 ** (step + 1))) / (math.sqrt(v / (1 - b2 ** (step + 1))) + 1e-8)
        assert float(weight) == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.full
@pytest.mark.parametrize("loss", ["relativistic", "non_saturating"])
def test_a_step_is_that_of_the_paper_by_hand(loss):
    """First the discriminator on the first batch, then the generator on the second, against the new discriminator."""
    recipe, batch, key, step = recipe_of(loss), batch_of(0), jax.random.key(3), 20
    state = jax.jit(recipe.init)(jax.random.key(0))
    after, metrics = stepper(recipe)(state, batch, key, jnp.int32(step))
    gamma = 0.1 + 0.4 * (1 + math.cos(math.pi * step * BATCH / 1000)) / 2
    g, d = state["g"].params, state["d"].params

    def softplus(x):
        return jnp.mean(jnp.log1p(jnp.exp(x)))

    def fakes_of(g, turn):
        key_latents = jax.random.split(jax.random.split(jax.random.fold_in(key, turn), 1)[0], 3)[0]
        latents = example_normal(key_latents, jnp.arange(BATCH), (3,))
        return Generator().apply({"params": g}, latents, batch.labels[turn, 0])

    def logits_of(d, images, turn):
        return Discriminator().apply({"params": d}, images, batch.labels[turn, 0])

    def squared_slopes(d, images):
        def logit(image, label):
            return Discriminator().apply({"params": d}, image[None], label[None])[0]

        slopes = jax.vmap(jax.grad(logit))(images, batch.labels[0, 0])
        return jnp.mean(jnp.sum(slopes**2, axis=(1, 2, 3)))

    def loss_d(d):
        reals, fakes = batch.images[0, 0], fakes_of(g, 0)
        x, y = logits_of(d, reals, 0), logits_of(d, fakes, 0)
        adversarial = softplus(y - x) if loss == "relativistic" else softplus(-x) + softplus(y)
        return adversarial + gamma / 2 * (squared_slopes(d, reals) + squared_slopes(d, fakes)), adversarial

    def loss_g(g, d):
        x, y = logits_of(d, batch.images[1, 0], 1), logits_of(d, fakes_of(g, 1), 1)
        return softplus(x - y) if loss == "relativistic" else softplus(-y)

    @jax.jit
    def by_hand(g, d):
        slopes, adversarial = jax.grad(loss_d, has_aux=True)(d)
        new_d = jax.tree.map(lambda p, slope: p - 0.1 * slope, d, slopes)
        value, slopes = jax.value_and_grad(loss_g)(g, new_d)
        return adversarial, value, new_d, jax.tree.map(lambda p, slope: p - 0.1 * slope, g, slopes)

    adversarial, value, new_d, new_g = by_hand(g, d)
    assert float(metrics["loss_d"]) == pytest.approx(float(adversarial), rel=1e-5)
    assert float(metrics["loss_g"]) == pytest.approx(float(value), rel=1e-5)
    assert float(metrics["gamma"]) == pytest.approx(gamma, rel=1e-5)
    for name, expected in (("d", new_d), ("g", new_g)):
        for a, b in zip(jax.tree.leaves(after[name].params), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    # The half-life of the average has the same schedule, from 0 images to 500.
    decay = 0.5 ** (BATCH / (500 * (1 - math.cos(math.pi * step * BATCH / 1000)) / 2))
    for a, b, new in zip(*(jax.tree.leaves(p) for p in (after["ema"].params, g, new_g)), strict=True):
        np.testing.assert_allclose(a, new + decay * (b - new), atol=1e-6)


@pytest.mark.full
def test_augmentation_has_the_probability_of_the_schedule_and_colour_half_of_it(monkeypatch):
    """What the pipeline is asked for; the operations themselves have tests of their own."""
    asked = []

    def augment(images, key, ids, p, groups):
        jax.debug.callback(lambda p, groups=groups: asked.append((groups, float(p))), p)
        return images * 1.0

    monkeypatch.setattr(ada, "augment", augment)
    recipe = recipe_of(final_augment_p=0.6)
    state = jax.jit(recipe.init)(jax.random.key(0))
    _, metrics = stepper(recipe)(state, batch_of(0), jax.random.key(0), jnp.int32(25))
    jax.effects_barrier()
    p = 0.6 * (1 - math.cos(math.pi * 25 * BATCH / 1000)) / 2
    assert float(metrics["augmentation_p"]) == pytest.approx(p, rel=1e-5)
    found = dict(asked)
    expected = {("blit", "geometry"): p, ("color",): p / 2, ("cutout",): p}
    assert found == {groups: pytest.approx(strength, rel=1e-5) for groups, strength in expected.items()}


@pytest.mark.full
@pytest.mark.parametrize("loss", ["relativistic", "relativistic_average"])
def test_the_same_on_1_and_2_devices(loss, monkeypatch):
    """With an augmentation that draws for each example. ADA's own has such a test, and takes long to compile."""

    def augment(images, key, ids, p, groups):
        return images * (1 + p * example_uniform(jax.random.fold_in(key, len(groups)), ids, (1, 1, 1)))

    monkeypatch.setattr(ada, "augment", augment)
    results = []
    for devices in (1, 2):
        recipe = recipe_of(loss, ada_initial_p=0.8, final_augment_p=0.8)
        state, update = jax.jit(recipe.init)(jax.random.key(0)), stepper(recipe, devices)
        for step in range(3):
            state, metrics = update(state, batch_of(step, devices), jax.random.key(step), jnp.int32(step))
        results.append(jax.device_get(((state["g"].params, state["d"].params), metrics)))
    for a, b in zip(*(jax.tree.leaves(result) for result in results), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-6)


@pytest.mark.full
def test_it_finds_both_modes_of_stripes():
    """Images of two kinds, rows or columns, with noise: 400 steps bring samples to both kinds alike."""
    stripes = np.where(np.arange(4) % 2, 0.7, -0.7)
    kinds = np.stack([np.tile(stripes[:, None], (1, 4)), np.tile(stripes, (4, 1))])[..., None]
    rng = np.random.default_rng(0)
    images = kinds[rng.integers(0, 2, (400, 2, 1, BATCH))] + 0.1 * rng.normal(size=(400, 2, 1, BATCH, *SHAPE))
    recipe = recipe_of(tx=optax.adam(3e-3, b1=0.0, b2=0.9), burn_in_kimg=3.0)

    def distances(state):
        """Root mean square differences [256, 2] of samples from both kinds."""
        samples = np.asarray(recipe.views["sample"](state, jax.random.key(1), jnp.arange(256)))
        return np.sqrt(((samples[:, None] - kinds[None]) ** 2).mean((2, 3, 4)))

    state, update = jax.jit(recipe.init)(jax.random.key(0)), stepper(recipe, labelled=False)
    assert np.median(distances(state).min(1)) > 0.6
    for step in range(400):
        batch = Batch(jnp.asarray(images[step], jnp.float32), None)
        state, _ = update(state, batch, jax.random.key(step), jnp.int32(step))
    assert 0.3 < distances(state).argmin(1).mean() < 0.7
    assert np.median(distances(state).min(1)) < 0.45  # 0.7 is the distance of an empty image


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe.burn_in_kimg": 0.0}, "burn_in_kimg=0.0: it must be above 0"),
        ({"recipe.final_augment_p": 1.5}, "it must lie between 0 and 1"),
        ({"recipe.final_b2": 1.0}, r"it must be in \[0, 1\)"),
        ({"recipe.n_critic": 2}, "n_critic=2 would change nothing"),
        ({"model.name": "dcgan"}, "has batch_stats, but recipe 'r3gan' is for networks without normalisation"),
        ({"model.name": "conv_vae"}, "is no GAN"),
        ({"optimizers.generator.schedule": "linear"}, "recipe 'r3gan' has Adam with schedules of its own"),
        ({"recipe.loss": "relativistik"}, "did you mean 'relativistic'"),
    ],
)
def test_impossible_settings_are_refused(tiny_config, changes, words):
    from jaxgen.runs import session

    config = tiny_config("gan")
    config.data.image_size, config.recipe.name = 16, "r3gan"
    config.model.update({"name": "r3gan", "channel_multipliers": (1, 1, 1)})
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=words):
        session.open_session(config)
