"""The diffusion recipe: it learns, its views agree with each other, and classes guide its samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.commands import sample_request
from jaxgen.commands.painter import Painter
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.training import compiled_steps
from jaxgen.views import sample_grids


@pytest.fixture(scope="session")
def diffusion_config(tiny_config):
    def make(*, sgd=False, **changes):
        config = tiny_config("vae", sgd=sgd)
        config.recipe.name, config.model.name = "diffusion", "unet"
        config.model.latent_dim, config.model.batch_norm = 100, True  # keys of other networks: their defaults
        config.model.update({"channel_multipliers": (1,), "residual_blocks": 1, "dropout": 0.0})
        config.recipe.sampling_steps = config.recipe.likelihood_steps = 4
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        return config

    return make


def run(config, steps, per_dispatch=5):
    config.steps, config.steps_per_dispatch = steps, per_dispatch
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(
        opened.recipe, opened.batching, opened.mesh, state, data, steps=per_dispatch
    )
    losses = []
    for _ in range(steps // per_dispatch):
        state, metrics = compiled.run(state, data)
        losses.append(np.asarray(metrics["loss"]))
    return opened, state, np.concatenate(losses)


@pytest.fixture(scope="module")
def conditional(diffusion_config):
    changes = {"model__conditional": True, "recipe__label_dropout": 0.3, "recipe__ema_decay": 0.5}
    return run(diffusion_config(**changes, optimizers__denoiser__learning_rate=5e-3), 60)


def test_it_learns_and_knows_the_class(conditional):
    _, state, losses = conditional
    assert losses[-5:].mean() < 0.8 * losses[:5].mean()
    kernel = state.players["denoiser"].params["network"]["Dense_0"]["kernel"]
    assert kernel.shape == (10, 8)


@pytest.mark.full
def test_latents_determine_the_image_and_its_number_the_latents(conditional):
    opened, state, _ = conditional
    views, key = opened.views, jax.random.key(4)
    samples = np.asarray(views.sample(state.players, key, np.arange(6)))
    assert samples.shape == (6, 8, 8, 1)
    latents = views.latents(key, np.arange(6))
    np.testing.assert_array_equal(views.decode(state.players, latents, np.arange(6)), samples)
    np.testing.assert_array_equal(views.sample(state.players, key, np.arange(3, 5)), samples[3:5])


@pytest.mark.full
def test_interpolations_and_seeds_have_latents_of_an_images_shape(conditional):
    opened, state, _ = conditional
    config = opened.config.copy_and_resolve_references()
    config.sample.rows = 2
    decode = opened.views.decode.bind(state=state.players)
    seen = []

    def noted(latents, ids):
        seen.append(latents)
        return decode(latents, ids)

    sample_grids.interpolation_grid(config, opened.views, noted, columns=3)
    assert seen[0].shape == (6, 8, 8, 1)
    np.testing.assert_allclose(
        seen[0][[0, 3]], opened.views.latents(sample_grids.fixed_key(config), np.arange(2)), rtol=1e-5
    )
    painter = Painter(opened, state.players, sample_request.request_of(config.sample))
    images = painter.of_seeds([3, 5])
    assert images.shape == (2, 8, 8, 1)
    latents = np.random.RandomState(5).randn(1, 8, 8, 1).astype(np.float32)
    np.testing.assert_array_equal(images[1:], decode(latents, np.array([5])))


def views_of(conditional, **changes):
    """The same state, seen with other settings of sampling."""
    opened, state, _ = conditional
    config = opened.config.copy_and_resolve_references()
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return session.open_session(config).recipe.views, state.players


@pytest.mark.full
def test_guidance_goes_on_along_the_line_from_no_class_to_the_class(conditional):
    """One step of Euler's is linear in the network's output, so its images lie on the line."""
    ids, key, labels = jnp.arange(4), jax.random.key(1), jnp.array([0, 3, 3, 9])
    options = {"recipe__sampler": "euler", "recipe__sampling_steps": 2, "recipe__process": "flow_matching"}
    images = {}
    for weight in (0.0, 1.0):
        views, players = views_of(conditional, **options, recipe__guidance=weight)
        images[weight] = views["decode"](players, 0.05 * views["latents"](key, ids), labels)
    assert not np.allclose(images[0.0], images[1.0])
    without = views["decode"](players, 0.05 * views["latents"](key, ids), None)
    np.testing.assert_allclose(images[0.0], without, atol=1e-5)


@pytest.mark.full
def test_ancestral_samples_have_noise_of_their_own(conditional):
    views, players = views_of(conditional, recipe__sampler="ancestral")
    ids, key, labels = jnp.arange(4), jax.random.key(1), jnp.array([0, 3, 3, 9])
    samples = jax.jit(views["sample"])(players, key, ids, labels)
    assert samples.shape == (4, 8, 8, 1)
    assert not np.allclose(samples, views["decode"](players, views["latents"](key, ids), labels), atol=1e-2)
    again = jax.jit(views["sample"])(players, key, ids[2:], labels[2:])
    np.testing.assert_allclose(again, samples[2:], atol=1e-4)


@pytest.mark.full
def test_the_likelihood_is_one_of_the_images_and_grows_with_training(conditional, diffusion_config):
    opened, state, _ = conditional
    images = opened.test.images[:8]
    facts = opened.recipe.facts["log_likelihood"]
    assert facts["dimensions"] == 64
    assert facts["discrete"] is False
    trained = opened.views.log_likelihood(state.players, images, jax.random.key(0), np.arange(8), 2)
    first = parallel.init_state(opened.recipe, opened.mesh, 0)
    untrained = opened.views.log_likelihood(first.players, images, jax.random.key(0), np.arange(8), 2)
    assert np.shape(trained) == (8,)
    assert np.mean(trained) > np.mean(untrained) + 1


@pytest.mark.full
def test_the_variational_bound_trains_its_schedule_and_is_the_likelihood(diffusion_config):
    opened, state, losses = run(diffusion_config(recipe__process="variational", recipe__ema_decay=0.5), 30)
    assert losses[-5:].mean() < losses[:5].mean()
    ends = jax.device_get(state.players["denoiser"].params["process"])
    assert ends["gamma_0"] != -13.3
    assert ends["gamma_1"] != 5.0
    facts = opened.recipe.facts["log_likelihood"]
    assert facts["discrete"] is True
    assert "scale_nats_per_dim" not in facts
    images = opened.test.images[:8]
    nats = opened.views.log_likelihood(state.players, images, jax.random.key(0), np.arange(8), 4)
    # The loss is this bound, for a network of a few steps before and for training images.
    assert np.mean(nats) / 64 == pytest.approx(-losses[-5:].mean(), rel=0.3)
    samples = opened.views.sample(state.players, jax.random.key(4), np.arange(2))
    assert np.isfinite(samples).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe__sampler": "hean"}, "did you mean 'heun'"),
        ({"recipe__process": "edn"}, "did you mean 'edm'"),
        ({"recipe__sampling_steps": 1}, "2 or more"),
        ({"recipe__guidance": 2.0}, "config.model.conditional=True"),
        ({"recipe__label_dropout": 0.1}, "config.model.conditional=True"),
        ({"recipe__guidance": 2.0, "model__conditional": True}, "label_dropout=0.1"),
        ({"recipe__label_dropout": 1.0, "model__conditional": True}, r"in \[0, 1\)"),
        ({"model__name": "dcgan", "model__channel_multipliers": (1, 2)}, "removes no noise"),
    ],
)
def test_what_cannot_be_is_refused(diffusion_config, changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(diffusion_config(**changes))


@pytest.mark.full
@pytest.mark.parametrize("process", ["edm", "flow_matching", "variational"])
def test_the_trajectory_does_not_depend_on_the_number_of_devices(diffusion_config, process):
    results = []
    for devices in (1, 4):
        config = diffusion_config(sgd=True, num_devices=devices, grad_accum_steps=2, recipe__process=process)
        config.model.dropout = 0.1
        _, state, losses = run(config, 10)
        results.append((jax.device_get(parallel.local(state.players)), losses))
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4)
    for x, y in zip(jax.tree.leaves(results[0][0]), jax.tree.leaves(results[1][0]), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)
