"""The GAN recipe: who moves when, whose statistics, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import session
from jaxgen.errors import UserError
from jaxgen.recipes.base import apply_train
from jaxgen.training import parallel


def train(config, steps):
    config.steps = config.steps_per_dispatch = steps
    opened = session.open_session(config)
    before = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    kept = jax.tree.map(lambda x: np.asarray(x), before.players)
    images, labels = session.upload(opened)
    compiled = parallel.compile_steps(opened.recipe, opened.feed, opened.mesh, before, images, labels, steps=steps)
    state, metrics = compiled.run(before, images, labels)
    return opened, kept, state, metrics


def counts(player):
    return [int(x) for x in jax.tree.leaves(player.opt_state) if jnp.issubdtype(x.dtype, jnp.integer)]


def test_n_critic_counts_discriminator_updates_per_generator_update(tiny_config):
    config = tiny_config("gan")
    config.recipe.n_critic, config.recipe.share_fakes = 3, False
    opened, _, state, _ = train(config, 2)
    assert set(counts(state.players["g"])) == {2}
    assert set(counts(state.players["d"])) == {6}
    assert opened.recipe.batches == 3


def test_first_step_is_algorithm_1_by_hand(tiny_config):
    """share_fakes, one SGD step: the generator against the old discriminator, which then learns from its fakes."""
    from jaxgen.losses.adversarial import non_saturating
    from jaxgen.models import dcgan
    from jaxgen.ops.random import example_ids, example_normal
    from jaxgen.training.batches import sample_batch

    config = tiny_config("gan", sgd=True)
    opened, before, state, metrics = train(config, 1)
    generator, discriminator, latent_dim = dcgan.build(config.model, (8, 8, 1), 10, jnp.dtype("float32"))
    key = parallel.init_state(opened.recipe, opened.mesh, 0).key
    images, labels = session.upload(opened)

    def by_hand(before, images, labels):
        step = jnp.int32(0)
        batch = sample_batch(opened.feed, jax.random.fold_in(key, 1), step, example_ids(16), images, labels)
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
    loss_g, grad_g, loss_d, grad_d = jax.jit(wrapped)(before, images, labels)
    assert float(metrics["loss_g"][0]) == pytest.approx(float(loss_g), rel=1e-4)
    assert float(metrics["loss_d"][0]) == pytest.approx(float(loss_d), rel=1e-4)
    for name, gradient in (("g", grad_g), ("d", grad_d)):
        expected = jax.tree.map(lambda p, g: p - 0.02 * g, before[name].params, gradient)
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(state.players[name].params), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)


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


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
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
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=message):
        session.open_session(config)
