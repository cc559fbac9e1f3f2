"""What holds for every recipe with an encoder or a partner beside the GAN: who moves, which views, how many devices."""

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.losses import elbo
from jaxgen.runs import session
from jaxgen.training import compiled_steps

RECIPES = ("bigan", "adversarial_autoencoder", "vae_gan", "cluster_gan", "cogan")
ENCODERS = RECIPES[:-1]
# The steps of the others are in the quick tier by tests/settings/test_experiments.py and the tests in closed form.
QUICK = ("bigan", "adversarial_autoencoder")


def tiers(recipes):
    return [recipe if recipe in QUICK else pytest.param(recipe, marks=pytest.mark.full) for recipe in recipes]


@pytest.fixture(scope="session")
def config_of(tiny_config):
    def make(recipe, *, sgd=False, **changes):
        config = tiny_config("gan", sgd=sgd)
        config.recipe.name = config.model.name = recipe
        if recipe in ("bigan", "adversarial_autoencoder"):
            config.recipe.deterministic_encoder = True
        if recipe == "bigan":
            config.model.architecture = "mlp"
        if recipe == "adversarial_autoencoder":
            config.model.update({"name": "mlp_vae", "batch_norm": True})
            config.recipe.update({"critic_width": 16, "critic_layers": 1})
        if recipe == "cluster_gan":
            config.recipe.update({"loss": "wasserstein", "penalty": "wgan_gp", "n_critic": 2})
            config.model.num_clusters = 3
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        return config

    return make


def train(config, steps, per_dispatch=5):
    """The session, the state before and after, and the metrics of every step."""
    config.steps, config.steps_per_dispatch = steps, min(steps, per_dispatch)
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    before = jax.tree.map(np.asarray, jax.device_get(parallel.local(state.players)))
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(
        opened.recipe, opened.batching, opened.mesh, state, data, steps=config.steps_per_dispatch
    )
    history = []
    for _ in range(steps // config.steps_per_dispatch):
        state, metrics = compiled.run(state, data)
        history.append(jax.device_get(metrics))
    return opened, before, state, {name: np.concatenate([m[name] for m in history]) for name in history[0]}


@pytest.fixture(scope="module")
def trained(config_of):
    """`trained(recipe)`: a run of a few steps, once for each recipe."""
    runs = {}

    def run(recipe):
        if recipe not in runs:
            runs[recipe] = train(config_of(recipe, recipe__ema_decay=0.5), 5)
        return runs[recipe]

    return run


@pytest.mark.full
@pytest.mark.parametrize("recipe", tiers(RECIPES))
def test_all_players_move_and_the_average_follows(trained, recipe):
    _, before, state, metrics = trained(recipe)
    names = {"adversarial_autoencoder": {"vae", "d"}, "vae_gan": {"encoder", "g", "d"}}.get(recipe, {"g", "d"})
    assert set(before) == names | {"ema"}
    for name in names:
        pairs = zip(jax.tree.leaves(state.players[name].params), jax.tree.leaves(before[name].params), strict=True)
        moved = [np.abs(np.asarray(new) - old).max() > 0 for new, old in pairs]
        assert np.mean(moved) > 0.8, name  # a Wasserstein critic's last bias has no gradient
    average = jax.tree.map(lambda new, old: np.abs(new - old).max(), state.players["ema"].params, before["ema"].params)
    assert max(jax.tree.leaves(average)) > 0
    assert all(np.isfinite(values).all() for values in metrics.values())
    assert {"loss_d", "grad_norm_d", "real_logits_d", "fake_logits_d", "pair_distance_ratio"} <= set(metrics)


@pytest.mark.parametrize("recipe", tiers(RECIPES))
def test_samples_are_their_decoded_latents(trained, recipe):
    opened, _, state, _ = trained(recipe)
    key = jax.random.key(4)
    samples = np.asarray(opened.views.sample(state.players, key, np.arange(6)))
    assert (samples.shape, samples.dtype) == ((6, 8, 8, 1), np.uint8)
    latents = opened.views.latents(key, np.arange(6))
    np.testing.assert_array_equal(opened.views.decode(state.players, latents), samples)
    some = np.asarray(opened.views.sample(state.players, key, np.array([4, 1]))).astype(int)
    assert np.abs(some - samples[[4, 1]]).max() <= 1  # rounding of a different batch size
    assert np.ptp(samples.astype(int), axis=0).max() > 0


@pytest.mark.parametrize("recipe", tiers(ENCODERS))
def test_images_are_encoded_and_reconstructed(trained, recipe):
    opened, _, state, _ = trained(recipe)
    images = opened.test.images[:5]
    mean, log_variance = opened.views.encode(state.players, images)
    assert mean.shape == log_variance.shape == np.asarray(opened.views.latents(jax.random.key(0), np.arange(5))).shape
    point = np.all(np.asarray(log_variance) == elbo.POINT)
    assert point == (recipe != "vae_gan")  # these encoders are not stochastic here
    again = opened.views.reconstruct(state.players, images)
    assert (again.shape, again.dtype) == (images.shape, np.uint8)
    if recipe != "cluster_gan":  # which decodes its most probable cluster
        np.testing.assert_array_equal(again, opened.views.decode(state.players, mean))
    assert "log_likelihood" not in opened.recipe.views  # no loss here is a bound on one


@pytest.mark.full
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_trajectory_does_not_depend_on_the_number_of_devices(config_of, recipe):
    results = []
    for devices in (1, 2):
        changes = {"num_devices": devices, "grad_accum_steps": 2}
        if recipe in ("bigan", "adversarial_autoencoder"):
            changes["recipe__deterministic_encoder"] = False
        config = config_of(recipe, sgd=True, **changes)
        if recipe == "bigan":  # small weights, small gradients
            config.optimizers.generator.learning_rate = config.optimizers.discriminator.learning_rate = 2.0
        _, before, state, metrics = train(config, 5)
        results.append(jax.device_get((parallel.local(state.players), metrics)))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before["ema"].params, results[0][0]["ema"].params)
    assert max(jax.tree.leaves(moved)) > 1e-4  # or the comparison below would say nothing
    for a, b in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("recipe", "changes", "words"),
    [
        *(
            (recipe, {"model__name": "dcgan", "model__architecture": "radford"}, "has not the networks")
            for recipe in RECIPES
            if "auto" not in recipe
        ),
        ("adversarial_autoencoder", {"model__name": "dcgan"}, "is no VAE"),
        ("bigan", {"recipe__loss": "minimax"}, "swapped labels"),
        ("bigan", {"recipe__label_smoothing": 0.1}, "swapped labels"),
        ("bigan", {"recipe__loss": "hing"}, "did you mean 'hinge'"),
        ("bigan", {"model__architecture": "mpl"}, "did you mean 'mlp'"),
        (
            "bigan",
            {"recipe__penalty": "r1", "model__architecture": "radford", "data__image_size": 16},
            "without BatchNorm",
        ),
        ("bigan", {"recipe__n_critic": 5}, "n_critic=5 would change nothing"),
        ("vae_gan", {"recipe__feature_weight": -1.0}, "0 or more"),
        ("adversarial_autoencoder", {"recipe__critic_width": 0}, "at least 1"),
        ("cluster_gan", {"recipe__latent_deviation": 0.0}, "above 0"),
        ("cluster_gan", {"model__num_clusters": 1}, "2 or more"),
        ("cluster_gan", {"data__image_size": 10}, "4 must divide"),
        ("cogan", {"recipe__second_kind": "edge"}, "did you mean 'edges'"),
        ("cogan", {"recipe__penalty": "r1"}, "would change nothing"),
    ],
)
def test_what_cannot_be_is_refused(config_of, recipe, changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(config_of(recipe, **changes))
