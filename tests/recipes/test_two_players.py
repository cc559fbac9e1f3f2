"""Recipes with a generator and a discriminator of several outputs, or with an autoencoder as discriminator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.models import energy_gan, headed_gan
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes.base import apply_train
from jaxgen.recipes.latent_codes import LatentCodes
from jaxgen.runs import session
from jaxgen.training import compiled_steps
from jaxgen.training.batches import make_batch

HEADED = ("acgan", "infogan", "semi_supervised_gan")
RECIPES = (*HEADED, "ebgan", "began")


@pytest.fixture(scope="session")
def game_config(tiny_config):
    """A config of one of `RECIPES` with dense networks, which compile in no time."""

    def make(recipe, *, sgd=False, **changes):
        config = tiny_config("gan", sgd=sgd)
        config.recipe.name, config.model.architecture = recipe, "dense"
        config.model.name = "headed_gan" if recipe in HEADED else "energy_gan"
        config.model.batch_norm = False
        if recipe not in HEADED:
            config.model.update({"code_dim": 4, "hidden_layers": 1})
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        return config

    return make


def train(config, steps, per_dispatch=0):
    config.steps, config.steps_per_dispatch = steps, per_dispatch or steps
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    before, data, history = jax.device_get(parallel.local(state.players)), session.training_data(opened), []
    compiled = compiled_steps.compile_steps(
        opened.recipe, opened.batching, opened.mesh, state, data, steps=config.steps_per_dispatch
    )
    for _ in range(steps // config.steps_per_dispatch):
        state, metrics = compiled.run(state, data)
        history.append(jax.device_get(metrics))
    return opened, before, state, {name: np.concatenate([m[name] for m in history]) for name in history[0]}


def nats(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def cross_entropy(logits, real):
    """-log of the probability of "real" or of "fake", from a sigmoid."""
    probability = 1 / (1 + jnp.exp(-logits))
    return -jnp.log(probability if real else 1 - probability)


def acgan(see, reals, labels, fakes, latents):
    (real, real_class), (fake, fake_class) = see(reals[0])[1], see(fakes)[1]
    named = nats(fake_class, labels[0])
    d = cross_entropy(real[:, 0], True) + cross_entropy(fake[:, 0], False) + nats(real_class, labels[0]) + named
    return jnp.mean(cross_entropy(fake[:, 0], True) + named), jnp.mean(d)


def infogan(see, reals, labels, fakes, latents):
    (real, _), (fake, told) = see(reals[0])[1], see(fakes)[1]
    information = nats(told[:, :10], jnp.argmax(latents[:, 8:18], axis=1))
    information += 0.1 * 0.5 * jnp.sum((told[:, 10:] - latents[:, 18:]) ** 2, axis=1)
    d = cross_entropy(real[:, 0], True) + cross_entropy(fake[:, 0], False) + information
    return jnp.mean(cross_entropy(fake[:, 0], True) + information), jnp.mean(d)


def semi_supervised_gan(see, reals, labels, fakes, latents):
    def with_fake(images):
        logits = see(images)[1][0]
        return jnp.concatenate([logits, jnp.zeros((len(logits), 1))], axis=1)

    fake, unlabelled = (jax.nn.softmax(with_fake(images))[:, -1] for images in (fakes, reals[0]))
    d = nats(with_fake(reals[1])[:, :-1], labels[1]) - jnp.log(1 - unlabelled) - jnp.log(fake)
    difference = jnp.mean(see(reals[0])[0], axis=0) - jnp.mean(see(fakes)[0], axis=0)
    return jnp.sum(difference**2), jnp.mean(d)


def ebgan(see, reals, labels, fakes, latents):
    def energy(images):
        return jnp.sqrt(jnp.sum((see(images)[0] - images) ** 2, axis=(1, 2, 3)))

    codes = see(fakes)[1]
    products = (codes @ codes.T) ** 2 / jnp.outer(jnp.sum(codes**2, 1), jnp.sum(codes**2, 1))
    pull_away = jnp.sum(products - jnp.diag(jnp.diag(products))) / (16 * 15)
    d = energy(reals[0]) + jnp.maximum(10 - energy(fakes), 0)
    return jnp.mean(energy(fakes)) + 0.1 * pull_away, jnp.mean(d)


def began(see, reals, labels, fakes, latents):
    def error(images):
        return jnp.mean(jnp.abs(see(images)[0] - images))

    return error(fakes), error(reals[0])  # k is 0 at first


def networks_of(config):
    options = (8, 8, 1), 10, jnp.float32
    if config.recipe.name in HEADED:
        heads = {"acgan": (1, 10), "infogan": (1, 12), "semi_supervised_gan": (10,)}[config.recipe.name]
        model = headed_gan.build(config.model, *options, heads=heads, labelled=config.recipe.name == "acgan")
    else:
        model = energy_gan.build(config.model, *options)
    return model[:2]


LOSSES = (acgan, infogan, semi_supervised_gan, ebgan, began)
FULL = (infogan, ebgan, began)


@pytest.mark.full
@pytest.mark.parametrize(
    ("losses", "share"),
    [
        *(pytest.param(of, True, marks=pytest.mark.full if of in FULL else ()) for of in LOSSES),
        pytest.param(acgan, False, marks=pytest.mark.full),
    ],
)
def test_the_first_step_is_that_of_the_paper_s_losses(game_config, losses, share):
    """One step of SGD: each player moves against its own loss, and only its own parameters."""
    config = game_config(losses.__name__, sgd=True, recipe__share_fakes=share)
    if losses in LOSSES[:3]:
        config.model.layer_noise = 0.0
    opened, before, state, metrics = train(config, 1)
    generator, discriminator = networks_of(config)
    key, data = parallel.init_state(opened.recipe, opened.mesh, 0).key, session.training_data(opened)
    draw = LatentCodes(8, (10,), 2).draw if losses is infogan else lambda key, ids: example_normal(key, ids, (8,))

    def by_hand(g, d, data):
        batch = make_batch(opened.batching, jax.random.fold_in(key, 1), jnp.int32(0), example_ids(16), data)
        step_key = jax.random.fold_in(jax.random.fold_in(key, 2), 0)
        reals, labels = batch.images[:, 0], batch.labels[:, 0]

        def of(g, d, number):
            latents = draw(jax.random.split(jax.random.fold_in(step_key, number), 1)[0], example_ids(16))
            fakes = apply_train(generator, g, {}, latents, labels[0], key=key)[0]

            def see(images):
                return apply_train(discriminator, d, {}, images, key=key)[0]

            return losses(see, reals, labels, fakes, latents)

        if share:
            return jax.value_and_grad(lambda g: of(g, d, 1)[0])(g), jax.value_and_grad(lambda d: of(g, d, 1)[1])(d)
        loss_d, slope = jax.value_and_grad(lambda d: of(g, d, 2)[1])(d)  # first, from fakes of its own
        d = jax.tree.map(lambda p, s: p - 0.02 * s, d, slope)
        return jax.value_and_grad(lambda g: of(g, d, 1)[0])(g), (loss_d, slope)

    wrapped = jax.shard_map(by_hand, mesh=opened.mesh, in_specs=jax.P(), out_specs=jax.P(), check_vma=False)
    expected = jax.jit(wrapped)(before["g"].params, before["d"].params, data)
    for name, (loss, gradient) in zip("gd", expected, strict=True):
        assert float(metrics[f"loss_{name}"][0]) == pytest.approx(float(loss), rel=1e-4)
        assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient)) > 1e-3
        moved = jax.tree.map(lambda p, g: p - 0.02 * g, before[name].params, gradient)
        for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(state.players[name].params), strict=True):
            np.testing.assert_allclose(a, b, atol=3e-6)


# With which dense networks learn something in a few hundred steps of 16 digits.
QUICK = {"optimizers__generator__learning_rate": 1e-3, "optimizers__discriminator__learning_rate": 1e-3}
QUICK |= {"recipe__ema_decay": 0.9, "model__width": 32}
QUICK_HEADED = {**QUICK, "model__layer_noise": 0.1, "model__batch_norm": True}


@pytest.mark.full
def test_acgan_s_images_are_of_the_class_that_was_asked_for(game_config):
    """A discriminator that never saw these samples names their class."""
    opened, _, state, m = train(game_config("acgan", **QUICK_HEADED), 400, 100)
    assert m["class_accuracy_fake_d"][:10].mean() < 0.3
    assert m["class_accuracy_fake_d"][-50:].mean() > 0.8
    samples = opened.views.sample(state.players, jax.random.key(9), np.arange(200))
    named = np.asarray(opened.views.classify(state.players, samples)).argmax(1)
    assert np.mean(named == np.arange(200) % 10) > 0.8
    real = np.asarray(opened.views.classify(state.players, opened.test.images)).argmax(1)
    assert np.mean(real == opened.test.labels[: len(real)]) > 0.6


@pytest.mark.full
def test_infogan_s_codes_are_told_from_its_images(game_config):
    opened, _, state, m = train(game_config("infogan", **QUICK_HEADED), 500, 100)
    assert m["information_g"][:10].mean() < 0.3
    assert m["information_g"][-50:].mean() > 1.5  # of ln 10 = 2.3 nats
    latents = np.asarray(opened.views.latents(jax.random.key(9), np.arange(200)))
    images = opened.views.decode(state.players, latents, np.arange(200))
    clusters = np.asarray(opened.views.clusters(state.players, images))
    assert clusters.dtype == np.int32
    assert np.mean(clusters == latents[:, 8:18].argmax(1)) > 0.8
    assert opened.recipe.facts["latents"]["layout"] == (("normal", 8), ("one_hot", 10), ("uniform", 2))


@pytest.mark.full
def test_a_semi_supervised_gan_learns_classes_from_few_labels(game_config):
    settings = {"recipe__labelled_per_class": 3, "data__limit": 0, **QUICK_HEADED}
    opened, _, state, m = train(game_config("semi_supervised_gan", **settings), 400, 100)
    assert m["class_accuracy_labelled_d"][-50:].mean() > 0.9
    named = np.asarray(opened.views.classify(state.players, opened.test.images)).argmax(1)
    assert np.mean(named == opened.test.labels) > 0.6  # from 30 labels


@pytest.mark.full
def test_ebgan_s_energy_is_low_on_digits_and_high_on_noise(game_config):
    opened, _, state, m = train(game_config("ebgan", recipe__margin=6.0, **QUICK), 300, 100)
    assert m["energy_real_d"][-20:].mean() < 0.75 * m["energy_real_d"][:5].mean()
    assert np.all((m["pull_away_g"] >= 0) & (m["pull_away_g"] <= 1))
    noise = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)
    energies = [np.asarray(opened.views.energy(state.players, x)).mean() for x in (opened.test.images[:50], noise)]
    assert energies[1] > 1.3 * energies[0]


@pytest.mark.full
def test_began_s_share_of_fakes_follows_the_errors_of_the_whole_batch(game_config):
    settings = {"recipe__balance_rate": 0.05, "recipe__diversity_ratio": 0.8, "grad_accum_steps": 2, **QUICK}
    _, _, state, m = train(game_config("began", **settings), 300, 100)
    share = 0.0
    for real, fake, new in zip(m["energy_real_d"], m["loss_g"], m["fake_share"], strict=True):
        share = np.clip(share + 0.05 * (0.8 * real - fake), 0, 1)
        assert new == pytest.approx(share, abs=1e-4)
        share = new
    assert float(state.players["fake_share"]) == m["fake_share"][-1]
    assert m["fake_share"].max() > 0.01
    assert m["convergence"][-20:].mean() < 0.7 * m["convergence"][:5].mean()


# The losses of the others have no term over several examples.
@pytest.mark.full
@pytest.mark.parametrize("recipe", [*(pytest.param(of, marks=pytest.mark.slow) for of in HEADED[:2]), *RECIPES[2:]])
def test_the_trajectory_does_not_depend_on_the_number_of_devices(game_config, recipe):
    results = []
    for devices in (1, 2):
        config = game_config(recipe, sgd=True, num_devices=devices, model__batch_norm=True)
        config.recipe.ema_decay = 0.5
        _, before, state, metrics = train(config, 4)
        results.append((jax.device_get(parallel.local(state.players)), metrics))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before["g"].params, results[0][0]["g"].params)
    assert max(jax.tree.leaves(moved)) > 1e-4
    for a, b in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


def test_the_labelled_examples_are_a_choice_of_each_class_by_the_seed_of_the_data(game_config):
    def chosen(**changes):
        config = game_config("semi_supervised_gan", recipe__labelled_per_class=4, **changes)
        opened = session.open_session(config)
        assert opened.recipe.batches == 2
        return opened.batching.labelled, opened.train.labels

    labelled, labels = chosen()
    np.testing.assert_array_equal(np.bincount(labels[list(labelled)]), [4] * 10)
    assert len(set(labelled)) == 40
    assert chosen(seed=7)[0] == labelled
    assert chosen(data__seed=7)[0] != labelled
    assert chosen(seed=7, data__seed=-1)[0] == chosen(data__seed=7)[0]
    with pytest.raises(UserError, match=r"labelled_per_class=30: class \d has \d+ training examples"):
        session.open_session(game_config("semi_supervised_gan", recipe__labelled_per_class=30))


@pytest.mark.parametrize(
    ("recipe", "changes", "words"),
    [
        ("acgan", {"model__name": "dcgan", "model__architecture": "radford"}, "Use model.name=headed_gan"),
        ("acgan", {"recipe__class_weight": -1.0}, "0 or more"),
        ("acgan", {"recipe__n_critic": 2}, "n_critic=2 would change nothing"),
        ("acgan", {"recipe__penalty": "r1"}, "would change nothing"),
        ("acgan", {"recipe__loss": "hing"}, "did you mean 'hinge'"),
        ("infogan", {"recipe__code_weight": -1.0}, "0 or more"),
        ("semi_supervised_gan", {"recipe__labelled_per_class": 0}, "at least 1"),
        ("semi_supervised_gan", {"data__class_sampling": "log"}, "draws examples uniformly"),
        ("ebgan", {"recipe__margin": 0.0}, "above 0"),
        ("ebgan", {"model__name": "dcgan", "model__architecture": "radford"}, "Use model.name=energy_gan"),
        ("began", {"recipe__diversity_ratio": 1.5}, r"in \(0, 1\]"),
        ("began", {"recipe__balance_rate": 0.0}, "above 0"),
    ],
)
def test_what_cannot_be_is_refused(game_config, recipe, changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(game_config(recipe, **changes))


@pytest.mark.parametrize("recipe", ["acgan", "semi_supervised_gan"])
def test_data_without_classes_are_refused(game_config, recipe):
    from jaxgen.recipes import acgan, semi_supervised_gan

    module = {"acgan": acgan, "semi_supervised_gan": semi_supervised_gan}[recipe]
    with pytest.raises(UserError, match="needs data with class labels"):
        module.build(game_config(recipe), (8, 8, 1), 0)
