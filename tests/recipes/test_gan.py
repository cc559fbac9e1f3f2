"""The GAN recipe: who moves when, whose statistics, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.losses import penalties
from jaxgen.losses.adversarial import CHOICES
from jaxgen.models.base import GAN
from jaxgen.ops.random import example_normal
from jaxgen.recipes import constraints, gan
from jaxgen.recipes.base import Batch, apply_train
from jaxgen.runs import session
from jaxgen.training import compiled_steps
from tests.helpers.dense_gan import SHAPE, Discriminator, Generator


def train(config, steps):
    config.steps = config.steps_per_dispatch = steps
    opened = session.open_session(config)
    before = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    kept = jax.tree.map(lambda x: np.asarray(x), before.players)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, before, data, steps=steps)
    state, metrics = compiled.run(before, data)
    return opened, kept, state, metrics


def counts(player):
    return [int(x) for x in jax.tree.leaves(player.opt_state) if jnp.issubdtype(x.dtype, jnp.integer)]


@pytest.mark.full
def test_n_critic_counts_discriminator_updates_per_generator_update(tiny_config):
    config = tiny_config("gan")
    config.recipe.n_critic, config.recipe.share_fakes = 3, False
    opened, _, state, _ = train(config, 2)
    assert set(counts(state.players["g"])) == {2}
    assert set(counts(state.players["d"])) == {6}
    assert opened.recipe.batches == 3


@pytest.mark.full
@pytest.mark.parametrize("devices", [1, 2])
def test_generator_may_learn_from_a_larger_batch_than_the_discriminator(tiny_config, devices):
    """Without critic and statistics between them, the step on a doubled batch is that of a run of twice the batch."""
    steps = {}
    for batch_size, factor in ((8, 2), (16, 1), (8, 1)):
        config = tiny_config("gan", sgd=True)
        config.model.batch_norm = False
        config.num_devices, config.batch_size = devices, batch_size
        config.recipe.share_fakes, config.recipe.generator_batch = False, factor
        config.optimizers.discriminator.learning_rate, config.optimizers.generator.learning_rate = 0.0, 1.0
        _, before, state, _ = train(config, 1)
        steps[batch_size, factor] = jax.tree.leaves(
            jax.tree.map(lambda a, b: np.asarray(a) - b, state.players["g"].params, before["g"].params)
        )
    for doubled, large, small in zip(*steps.values(), strict=True):
        scale = np.abs(large).max()
        np.testing.assert_allclose(doubled, large, atol=1e-4 * scale)
        assert np.abs(doubled - small).max() > 1e-2 * scale


def test_first_step_is_algorithm_1_by_hand(tiny_config):
    """share_fakes, one SGD step: the generator against the old discriminator, which then learns from its fakes."""
    from jaxgen.losses.adversarial import non_saturating
    from jaxgen.models import dcgan
    from jaxgen.ops.random import example_ids, example_normal
    from jaxgen.training.batches import make_batch

    config = tiny_config("gan", sgd=True)
    opened, before, state, metrics = train(config, 1)
    generator, discriminator, latent_dim = dcgan.build(config.model, (8, 8, 1), 10, jnp.dtype("float32"))[:3]
    key = parallel.init_state(opened.recipe, opened.mesh, 0).key
    data = session.training_data(opened)

    def by_hand(before, data):
        step = jnp.int32(0)
        batch = make_batch(opened.batching, jax.random.fold_in(key, 1), step, example_ids(16), data)
        key_g = jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(key, 2), step), 1), 1)[0]
        latents = example_normal(key_g, example_ids(16), (latent_dim,))
        g, d = before["g"], before["d"]

        def fakes_of(params):
            return apply_train(generator, params, g.stats, latents, None, key=key_g)[0]

        def logits_of(params, x):
            return apply_train(discriminator, params, d.stats, x, None, key=key_g)[0]

        loss_g, grad_g = jax.value_and_grad(
            lambda p: jnp.mean(non_saturating.generator_loss(logits_of(d.params, fakes_of(p))))
        )(g.params)
        fakes = fakes_of(g.params)
        loss_d, grad_d = jax.value_and_grad(
            lambda p: jnp.mean(non_saturating.discriminator_loss(logits_of(p, batch.images[0, 0]), logits_of(p, fakes)))
        )(d.params)
        return loss_g, grad_g, loss_d, grad_d

    wrapped = jax.shard_map(by_hand, mesh=opened.mesh, in_specs=jax.P(), out_specs=jax.P(), check_vma=False)
    loss_g, grad_g, loss_d, grad_d = jax.jit(wrapped)(before, data)
    assert float(metrics["loss_g"][0]) == pytest.approx(float(loss_g), rel=1e-4)
    assert float(metrics["loss_d"][0]) == pytest.approx(float(loss_d), rel=1e-4)
    for name, gradient in (("g", grad_g), ("d", grad_d)):
        expected = jax.tree.map(lambda p, g: p - 0.02 * g, before[name].params, gradient)
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(state.players[name].params), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.full
def test_average_has_parameters_and_statistics_of_its_own(tiny_config):
    config = tiny_config("gan")
    config.optimizers.generator.learning_rate = 0.01
    _, _, state, _ = train(config, 20)
    g, ema = state.players["g"], state.players["ema"]
    for of_g, of_ema in ((g.params, ema.params), (g.stats, ema.stats)):
        different = [
            np.abs(np.asarray(a) - np.asarray(b)).max()
            for a, b in zip(jax.tree.leaves(of_g), jax.tree.leaves(of_ema), strict=True)
        ]
        assert max(different) > 1e-4


@pytest.mark.full
def test_without_average_samples_come_from_the_generator(tiny_config):
    config = tiny_config("gan")
    config.recipe.ema_decay = 0.0
    _, _, state, _ = train(config, 5)
    for a, b in zip(
        jax.tree.leaves(state.players["g"].params), jax.tree.leaves(state.players["ema"].params), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_samples_belong_to_their_ids(tiny_config):
    opened, _, state, _ = train(tiny_config("gan"), 2)
    key = jax.random.key(5)
    all_at_once = np.asarray(opened.views.sample(state.players, key, np.arange(12)))
    assert all_at_once.dtype == np.uint8
    assert all_at_once.shape == (12, 8, 8, 1)
    some = np.asarray(opened.views.sample(state.players, key, np.array([7, 2, 11])))
    assert np.abs(some.astype(int) - all_at_once[[7, 2, 11]]).max() <= 1  # rounding of a different batch size
    assert np.abs(all_at_once[0].astype(int) - all_at_once[1]).max() > 0


def critic_of(tiny_config, steps, **recipe):
    """The discriminator before and after `steps` steps of SGD, without BatchNorm; and the metrics."""
    config = tiny_config("gan", sgd=True)
    config.model.batch_norm = False
    config.recipe.update(recipe)
    opened, before, state, metrics = train(config, steps)
    return opened, before["d"].params, jax.device_get(state.players["d"].params), metrics


@pytest.mark.full
@pytest.mark.parametrize("n_critic", [1, pytest.param(3, marks=pytest.mark.full)])
def test_clipped_weights_stay_inside_the_clip(tiny_config, n_critic):
    settings = {"loss": "wasserstein", "n_critic": n_critic, "share_fakes": n_critic == 1}
    largest = {}
    for clip in (0.0, 0.01):
        params = critic_of(tiny_config, 5, weight_clip=clip, **settings)[2]
        largest[clip] = max(np.abs(leaf).max() for leaf in jax.tree.leaves(params))
    assert largest[0.0] > 0.03
    assert largest[0.01] == np.float32(0.01)


@pytest.mark.full
def test_a_penalty_adds_its_own_gradient_times_its_weight(tiny_config):
    """One SGD step with and without R1, which has no random numbers: the difference is its gradient on the reals."""
    from jaxgen.models import dcgan
    from jaxgen.ops.random import example_ids
    from jaxgen.training.batches import make_batch

    without = critic_of(tiny_config, 1)[2]
    opened, before, after, metrics = critic_of(tiny_config, 1, penalty="r1", penalty_weight=3e3)
    discriminator = dcgan.build(opened.config.model, (8, 8, 1), 10, jnp.dtype("float32")).discriminator
    key = jax.random.fold_in(parallel.init_state(opened.recipe, opened.mesh, 0).key, 1)
    data = session.training_data(opened)

    def reals_of(data):
        return make_batch(opened.batching, key, jnp.int32(0), example_ids(16), data).images[0, 0]

    wrapped = jax.shard_map(reals_of, mesh=opened.mesh, in_specs=jax.P(), out_specs=jax.P(), check_vma=False)
    reals = jax.jit(wrapped)(data)

    def r1(params):
        slopes = jax.vmap(jax.grad(lambda x: discriminator.apply({"params": params}, x[None], None)[0]))(reals)
        return 0.5 * jnp.mean(jnp.sum(jnp.square(slopes), axis=(1, 2, 3)))

    value, gradient = jax.jit(jax.value_and_grad(r1))(before)
    assert float(metrics["penalty_d"][0]) == pytest.approx(float(value), rel=1e-4)
    expected = jax.tree.map(lambda g: -0.02 * 3e3 * g, gradient)
    got = jax.tree.map(np.subtract, after, without)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected)) > 1e-2
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-6)


@pytest.mark.full
@pytest.mark.parametrize("share_fakes", [True, False])
def test_a_generator_that_sees_reals_has_one_of_its_class_beside_each_fake(tiny_config, share_fakes):
    """A step by hand. Its reals are fresh, unless the players share their fakes and so their reals, too."""
    settings = tiny_config("gan").recipe
    settings.share_fakes = share_fakes
    model, tx, loss = GAN(Generator(), Discriminator(), 3), optax.sgd(0.1), CHOICES["relativistic"]
    parts = {"image_shape": SHAPE, "settings": settings, "table": None}
    recipe = gan.gan(model, loss, constraints.Constraints(), tx, tx, **parts)
    batches = 1 if share_fakes else 2
    assert recipe.batches == batches
    rng, key = np.random.default_rng(0), jax.random.key(4)
    images = jnp.asarray(rng.uniform(-1, 1, (batches, 1, 8, *SHAPE)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 2, (batches, 1, 8)), jnp.int32)
    state = jax.jit(recipe.init)(jax.random.key(0))
    mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
    update = jax.shard_map(recipe.update, mesh=mesh, in_specs=jax.P(), out_specs=jax.P(), check_vma=False)
    after, metrics = jax.jit(update)(state, Batch(images, labels), key, jnp.int32(0))
    judge = state["d"].params if share_fakes else after["d"].params

    @jax.jit
    def by_hand(g):
        latents = example_normal(jax.random.split(jax.random.fold_in(key, 1), 1)[0], jnp.arange(8), (3,))
        fakes = model.generator.apply({"params": g}, latents, labels[-1, 0])
        real, fake = (model.discriminator.apply({"params": judge}, x, labels[-1, 0]) for x in (images[-1, 0], fakes))
        return jnp.mean(jnp.log1p(jnp.exp(real - fake)))

    value, slopes = jax.value_and_grad(by_hand)(state["g"].params)
    assert float(metrics["loss_g"]) == pytest.approx(float(value), rel=1e-5)
    expected = jax.tree.map(lambda p, slope: p - 0.1 * slope, state["g"].params, slopes)
    for a, b in zip(jax.tree.leaves(after["g"].params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_larger_batch_of_fakes_has_no_reals_beside_it(tiny_config):
    config = tiny_config("gan")
    config.recipe.update({"loss": "softmax", "share_fakes": False, "generator_batch": 2})
    with pytest.raises(UserError, match="makes more fakes than there are reals"):
        session.open_session(config)


def test_a_penalty_may_be_about_the_images_before_augmentation():
    """Of a linear critic, R1 is half the squared weights; through the augmentation, of the pixels that it shows."""
    key, ids, step = jax.random.key(0), jnp.arange(16), 0
    weights = jax.random.normal(jax.random.key(1), (8, 8, 1))
    images = jax.random.normal(jax.random.key(2), (16, 8, 8, 1))
    values = {}
    for plain in (False, True):
        settings = {"penalty": penalties.r1, "penalize_plain": plain, "augmentations": ("cutout",)}
        constraint = constraints.Constraints(**settings)
        values[plain] = constraint.penalize(
            lambda x: jnp.sum(x * weights, axis=(1, 2, 3)), (images, images), (images, images), key, ids, step
        )
    shown = constraint.show_fake(jnp.ones_like(images), jax.random.fold_in(key, 1), ids, step)
    assert float(values[False]) == pytest.approx(float(jnp.sum(weights**2)) / 2, rel=1e-5)
    visible = jnp.mean(jnp.sum((shown * weights) ** 2, axis=(1, 2, 3)))
    assert float(values[True]) == pytest.approx(float(visible) / 2, rel=1e-5)
    assert float(values[True]) < 0.9 * float(values[False])


@pytest.mark.full
def test_wgan_gp_brings_the_slope_near_1(tiny_config):
    settings = {"loss": "wasserstein", "n_critic": 5, "share_fakes": False}
    bound = critic_of(tiny_config, 40, penalty="wgan_gp", **settings)[3]["penalty_d"]
    assert bound[0] > 0.5  # N(0, 0.02) weights are almost flat at first
    assert np.mean(bound[-5:]) < 0.1
    # A weight of 0 only watches.
    watched = critic_of(tiny_config, 40, penalty="wgan_gp", penalty_weight=0.0, **settings)[3]["penalty_d"]
    assert np.mean(watched[-5:]) > 1


@pytest.mark.full
def test_smoothing_noise_and_dequantisation_change_what_the_discriminator_learns(tiny_config):
    plain = critic_of(tiny_config, 1)[3]
    smoothed = critic_of(tiny_config, 1, label_smoothing=0.1)[3]
    difference = float(smoothed["loss_d"][0] - plain["loss_d"][0])
    assert difference == pytest.approx(0.1 * float(plain["real_logits_d"][0]), abs=1e-6)
    for change in ({"instance_noise": 0.5}, {"dequantize": True}, {"diff_augment": "color, cutout"}):
        noisy = critic_of(tiny_config, 1, **change)[3]
        assert abs(float(noisy["real_logits_d"][0] - plain["real_logits_d"][0])) > 1e-7


def test_what_the_discriminator_is_shown():
    reals, key, ids = jnp.zeros((64, 8, 8, 1)), jax.random.key(0), jnp.arange(64)
    uniform = constraints.Constraints(dequantize=True).show_real(reals, key, ids, 0)
    assert np.abs(uniform).max() <= 0.5 / 127.5
    assert np.std(uniform) == pytest.approx(1 / 127.5 / np.sqrt(12), rel=0.05)
    augmented = constraints.Constraints(augmentations=("cutout",))
    for show in (augmented.show_real, augmented.show_fake):
        holes = np.asarray(show(reals + 1, key, ids, 0) == 0).mean((1, 2, 3))
        assert holes.max() == 0.25  # a square of half the side
    noise = constraints.Constraints(instance_noise=0.4, instance_noise_steps=100)
    for step, sigma in ((0, 0.4), (50, 0.2), (100, 0.0), (500, 0.0)):
        for show in (noise.show_real, noise.show_fake):
            assert np.std(show(reals, key, ids, step)) == pytest.approx(sigma, rel=0.05)


@pytest.mark.full
@pytest.mark.parametrize(
    "penalty", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("wgan_gp", "dragan")), "r1"]
)
def test_constraints_do_not_depend_on_the_number_of_devices(tiny_config, penalty):
    results = []
    for devices in (1, 4):
        config = tiny_config("gan", sgd=True)
        config.num_devices, config.grad_accum_steps = devices, 2 if penalty == "r1" else 1
        config.model.update({"name": "dcgan", "batch_norm": False})
        config.recipe.update({"penalty": penalty, "weight_clip": 0.2, "label_smoothing": 0.1})
        config.recipe.update({"instance_noise": 0.1, "dequantize": True, "n_critic": 2, "share_fakes": False})
        config.recipe.diff_augment = "color,translation,cutout"
        _, before, state, metrics = train(config, 10)
        results.append(jax.device_get((parallel.local(state.players)["d"].params, metrics)))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before["d"].params, results[0][0])
    assert max(jax.tree.leaves(moved)) > 1e-2  # or the comparison below would say nothing
    for a, b in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("recipe.penalty", "wgan_pg", "did you mean 'wgan_gp'"),
        ("recipe.penalty", "r1", "needs a discriminator without BatchNorm"),
        ("recipe.penalty", "jaxgen.errors", r"has no penalty\(\)"),
        ("recipe.penalty_weight", -1.0, "it must be 0 or more"),
        ("recipe.weight_clip", -0.01, "it must be 0 or more"),
        ("recipe.instance_noise", float("nan"), "it must be 0 or more"),
        ("recipe.instance_noise_steps", 0, "at least 1"),
        ("recipe.diff_augment", "color,cutuot", "did you mean 'cutout'"),
        ("recipe.ada_pipeline", "bgc", "belongs to recipe 'stylegan2'"),
        ("recipe.label_smoothing", 0.5, r"it must be in \[0, 0.5\)"),
        ("recipe.n_critic", 0, "n_critic=0"),
        ("recipe.n_critic", 5, "share_fakes=True needs n_critic=1"),
        ("recipe.loss", "hing", "did you mean 'hinge'"),
        ("model.name", "dcgann", "did you mean 'dcgan'"),
        ("model.name", "conv_vae", "is no GAN"),
        ("model.name", "no_such.module", "no module 'no_such'"),
        ("recipe.name", "gann", "did you mean 'gan'"),
    ],
)
def test_impossible_recipes_are_refused(tiny_config, key, value, message):
    config = tiny_config("gan")
    config.data.image_size = 16  # at 8x8 the discriminator has no BatchNorm
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=message):
        session.open_session(config)


def test_smoothing_a_loss_without_targets_is_refused(tiny_config):
    config = tiny_config("gan")
    config.recipe.update({"loss": "hinge", "label_smoothing": 0.1})
    with pytest.raises(UserError, match="no target for real images"):
        session.open_session(config)


def spectral_config(tiny_config, **recipe):
    config = tiny_config("gan", sgd=True)
    config.model.update({"name": "sngan", "architecture": "resnet", "width": 4, "spectral_norm": True})
    config.model.update({"conditional": True, "batch_norm": True})
    config.recipe.update({"loss": "hinge", "n_critic": 2, "share_fakes": False, **recipe})
    return config


@pytest.mark.full
def test_spectral_norm_takes_one_power_iteration_a_critic_update(tiny_config):
    config = spectral_config(tiny_config)
    config.optimizers.discriminator.learning_rate = 0.0  # the kernels stay, their vectors move
    _, before, state, _ = train(config, 3)
    path = ("_DownBlock_1", "Conv_0")
    kernel, u = before["d"].params, before["d"].stats["spectral_norm"]
    after = state.players["d"].stats["spectral_norm"]
    for name in path:
        kernel, u, after = kernel[name], u[name], after[name]
    matrix = np.asarray(kernel["kernel"], np.float64).reshape(-1, kernel["kernel"].shape[-1])
    u = np.asarray(u["u"], np.float64)
    for _ in range(3 * 2):
        v = matrix @ u / np.linalg.norm(matrix @ u)
        u, previous = matrix.T @ v / np.linalg.norm(matrix.T @ v), u
    np.testing.assert_allclose(after["u"], u, atol=1e-5)
    assert np.abs(u - previous).max() > 1e-4  # one iteration more or less would show


@pytest.mark.slow
def test_conditional_sngan_follows_the_same_trajectory_on_1_and_4_devices(tiny_config):
    results = []
    for devices in (1, 4):
        config = spectral_config(tiny_config)
        config.num_devices = devices
        _, before, state, metrics = train(config, 8)
        results.append(jax.device_get((parallel.local(state.players), metrics)))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before["g"].params, results[0][0]["g"].params)
    assert max(jax.tree.leaves(moved)) > 1e-3
    for a, b in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)
