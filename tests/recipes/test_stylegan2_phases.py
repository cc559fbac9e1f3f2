"""StyleGAN2's four phases with linear networks, where every update has a closed form."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxgen.losses import adversarial
from jaxgen.models.stylegan2 import StyleGAN2
from jaxgen.recipes import stylegan2
from jaxgen.recipes.augmentation import Augmentation
from jaxgen.recipes.base import Batch
from jaxgen.recipes.lazy_regularization import lazy_optimizer
from jaxgen.settings import default

KEY = jax.random.key(0)
LAYERS, SIZE, SIDE, COUNT = 2, 3, 2, 8
RATE, GAMMA, WEIGHT = 0.1, 0.7, 0.3


class LinearMapping(nn.Module):
    """w = z."""

    w_dim: int = SIZE

    @nn.compact
    def __call__(self, latents, labels=None):
        self.variable("w_avg", "w_avg", jnp.zeros, (self.w_dim,))
        return latents * self.param("scale", nn.initializers.ones, ())


class LinearSynthesis(nn.Module):
    """images = sum over layers of w A."""

    @nn.compact
    def __call__(self, ws, noise="const"):
        self.variable("noise", "noise_const", jnp.zeros, ())
        a = self.param("a", nn.initializers.normal(1.0), (LAYERS, SIZE, SIDE * SIDE))
        return jnp.einsum("nld,ldp->np", ws, a).reshape(-1, SIDE, SIDE, 1)


class LinearDiscriminator(nn.Module):
    """logit = <theta, image>."""

    @nn.compact
    def __call__(self, images, labels=None, train=False):
        return jnp.sum(self.param("theta", nn.initializers.normal(1.0), images.shape[1:]) * images, axis=(1, 2, 3))


@functools.cache
def program(r1_gamma, path_length_weight, interval, augment, style_mixing):
    """One step of SGD as a compiled function of its number, and the list in which it notes keys and counts of latents.

    Tests that differ in the number of the step or in what they look at share it.
    """
    config = default.get_config()
    config.recipe.name = config.model.name = "stylegan2"
    config.recipe.update({"r1_gamma": r1_gamma, "path_length_weight": path_length_weight})
    config.recipe.style_mixing = style_mixing
    config.recipe.update({"r1_interval": interval, "path_length_interval": interval})
    config.batch_size = COUNT
    for player in ("generator", "discriminator"):
        config.optimizers[player].update({"name": "sgd", "b1": 0.0, "learning_rate": RATE})
    seen = []

    def latents(phase, key, ids, dim, step):
        count = len(ids)
        jax.debug.callback(lambda key: seen.append((phase, bytes(np.asarray(key)), count)), jax.random.key_data(key))
        return jax.random.normal(key, (len(ids), dim))

    draws = stylegan2.Draws(latents, path_noise=lambda key, ids, shape, step: path_noise()[: len(ids)])
    recipe = stylegan2.stylegan2(
        StyleGAN2(LinearMapping(), LinearSynthesis(), LinearDiscriminator(), SIZE, LAYERS),
        adversarial.CHOICES["non_saturating"],
        *(lazy_optimizer(config, player, interval, lambda path: False) for player in ("generator", "discriminator")),
        image_shape=(SIDE, SIDE, 1),
        batch_size=config.batch_size,
        settings=config.recipe,
        draws=draws,
        augment=augment,
    )
    mesh = Mesh(np.array(jax.devices()[:1]), ("data",))
    update = jax.shard_map(recipe.update, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False)

    def run(step):
        batch = Batch(jax.random.normal(jax.random.key(5), (1, 1, COUNT, SIDE, SIDE, 1)), None)
        return update(recipe.init(KEY), batch, KEY, step)[0]

    return jax.jit(run), seen


def updated(*, r1_gamma=0.0, path_length_weight=0.0, interval=4, augment=None, step=0, style_mixing=0.0):
    """The state after one step of SGD from the same start, and the keys and counts of latents by phase."""
    run, seen = program(r1_gamma, path_length_weight, interval, augment, style_mixing)
    seen.clear()
    state = run(np.int32(step))
    jax.effects_barrier()
    return jax.device_get(state), list(seen)


def path_noise():
    return jax.random.normal(jax.random.key(6), (COUNT, SIDE, SIDE, 1))


def theta(state):
    return np.asarray(state["d"].params["theta"])


def doubled(images, key, ids, p):
    """An augmentation that needs no random numbers."""
    return 2 * images


@pytest.mark.full
@pytest.mark.parametrize("interval", [2, 16])
def test_r1_is_gamma_half_times_its_interval(interval):
    """The penalty of a linear critic is |theta|^2 / 2, its gradient theta; rate times k/(k+1), loss times k."""
    before, after = (theta(updated(r1_gamma=gamma, interval=interval)[0]) for gamma in (0.0, GAMMA))
    moved = RATE * interval / (interval + 1) * interval * GAMMA
    np.testing.assert_allclose(after, before * (1 - moved), rtol=1e-5, atol=1e-6)


def test_r1_is_the_gradient_of_the_images_before_augmentation():
    augment = Augmentation(doubled, 0.0, 0.0, 4, 1.0, COUNT)
    before, after = (theta(updated(r1_gamma=gamma, augment=augment)[0]) for gamma in (0.0, GAMMA))
    np.testing.assert_allclose(after, before * (1 - RATE * 0.8 * 4 * GAMMA * 4), rtol=1e-5, atol=1e-6)


def test_the_generator_learns_through_the_augmentation():
    plain, augmented = (updated(augment=a)[0] for a in (None, Augmentation(doubled, 0.0, 0.0, 4, 1.0, COUNT)))
    start = LinearSynthesis().init(jax.random.split(KEY, 3)[1], jnp.zeros((1, LAYERS, SIZE)))["params"]["a"]
    moves = [np.linalg.norm(s["g"].params["synthesis"]["a"] - start) for s in (plain, augmented)]
    assert moves[0] > 1e-3
    assert not np.isclose(moves[0], moves[1], rtol=0.05)
    assert moves[1] > 1e-3


@pytest.mark.parametrize("interval", [2, 4])
def test_path_length_is_times_its_interval(interval):
    """|J^T y| of a linear generator: A y / sqrt(H W), squares summed over w and averaged over layers."""
    before, after = (updated(path_length_weight=weight, interval=interval)[0] for weight in (0.0, WEIGHT))
    # Both players' own phases are those of the run without it, since it comes after the generator's.
    start = before["g"].params["synthesis"]["a"]
    y = np.asarray(path_noise()).reshape(COUNT, -1)[: COUNT // 2] / np.sqrt(SIDE * SIDE)

    def penalty(a):
        gradient = jnp.einsum("ldp,np->nld", a, y)
        lengths = jnp.sqrt(jnp.mean(jnp.sum(gradient**2, 2), 1))
        return jnp.mean((lengths - 0.01 * jnp.mean(lengths)) ** 2)

    rate = RATE * interval / (interval + 1)
    expected = start - rate * WEIGHT * interval * jax.jit(jax.grad(penalty))(start)
    np.testing.assert_allclose(after["g"].params["synthesis"]["a"], expected, rtol=1e-4, atol=1e-5)


def test_every_phase_has_latents_of_its_own_and_the_path_length_half_a_batch():
    _, seen = updated(r1_gamma=GAMMA, path_length_weight=WEIGHT)
    phases = {phase: (key, count) for phase, key, count in seen}
    assert {phase: count for phase, (_, count) in phases.items()} == {
        "g": COUNT,
        "path_length": COUNT // 2,
        "d": COUNT,
    }
    assert len({key for key, _ in phases.values()}) == 3


def test_style_mixing_gives_later_layers_the_styles_of_other_latents():
    """Two layers: the crossover lies between them, so the first one's gradient comes from the first latents alone."""
    alone, mixed = (updated(style_mixing=p) for p in (0.0, 1.0))
    assert [sum(phase == "g" for phase, *_ in seen) for _, seen in (alone, mixed)] == [1, 2]
    start = LinearSynthesis().init(jax.random.split(KEY, 3)[1], jnp.zeros((1, LAYERS, SIZE)))["params"]["a"]
    steps = [np.asarray(state["g"].params["synthesis"]["a"] - start) for state, _ in (alone, mixed)]
    assert np.allclose(steps[0][0], steps[0][1], atol=1e-6)  # one w for both: the same gradient
    assert not np.allclose(steps[1][0], steps[1][1], atol=1e-3)


@pytest.mark.parametrize(("step", "regularised"), [(0, True), (1, False), (3, False), (4, True)])
def test_regularisation_is_every_kth_step_from_0_on(step, regularised):
    options = {"r1_gamma": GAMMA, "path_length_weight": WEIGHT, "step": step}
    state, seen = updated(**options)
    without, _ = updated(step=step)
    assert ("path_length" in {phase for phase, *_ in seen}) == regularised
    assert (not np.allclose(theta(state), theta(without))) == regularised


@pytest.mark.parametrize(("step", "passes"), [(1, 1), (2, 2)])
def test_the_strength_counts_the_signs_of_both_passes_over_reals(step, passes):
    augment = Augmentation(doubled, 0.5, 0.6, 3, 1.0, COUNT)
    main, _ = updated(augment=augment, step=step)
    both, _ = updated(augment=augment, r1_gamma=GAMMA, interval=2, step=step)
    reals = np.asarray(jax.random.normal(jax.random.key(5), (1, 1, COUNT, SIDE, SIDE, 1))[0, 0])
    after_main = theta(main)  # what R1's pass sees
    of_r1 = np.mean(np.sign(np.sum(after_main * reals, axis=(1, 2, 3))))
    assert float(main["strength"].count) == 1
    assert float(both["strength"].count) == passes
    assert float(both["strength"].signs) == pytest.approx(float(main["strength"].signs) + (passes - 1) * of_r1)
