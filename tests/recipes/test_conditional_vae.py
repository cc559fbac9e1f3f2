"""A VAE that knows the class: its views of images need their classes, from training to the Python interface."""

import inspect
import json

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen.runs import session


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    """An MLP with two latents, so that the class tells much that the latents do not."""
    config = tiny_config("vae")
    config.model.update({"name": "mlp_vae", "conditional": True, "latent_dim": 2, "width": 64, "batch_norm": True})
    config.data.labels = True
    config.data.limit = 1_000
    config.recipe.update({"likelihood": "bernoulli", "ema_decay": 0.9})
    config.optimizers.vae.learning_rate = 3e-3
    config.update({"steps": 400, "steps_per_dispatch": 50, "batch_size": 64, "compilation_cache": ""})
    config.update({"log_every": 50, "sample_every": 400, "checkpoint_every": 400, "histogram_every": 0})
    config.evaluation.update({"metrics": ("psnr", "bits_per_dim"), "num_samples": 100, "batch_size": 50})
    config.evaluation.update({"latent_samplers": ("normal",), "pictures": False})
    config.sample.update({"rows": 2, "columns": 2, "num_images": 2})
    return jaxgen.train(config, tmp_path_factory.mktemp("conditional") / "run")


@pytest.fixture(scope="module")
def examples(run):
    split = run._opened.test
    return split.images[:200], split.labels[:200]


@pytest.mark.full
def test_the_class_of_an_image_makes_it_more_probable(run, examples):
    images, labels = examples
    options = {"samples": 8, "batch_size": 200}
    right = run.log_likelihood(images, labels=labels, **options)
    wrong = run.log_likelihood(images, labels=(labels + 1) % 10, **options)
    assert np.mean(right) > np.mean(wrong) + 1
    assert np.mean(right > wrong) > 0.7


def test_reconstructions_are_of_the_class_that_is_said(run, examples):
    images, labels = examples
    errors = [
        np.mean((run.reconstruct(images, labels=given, batch_size=200).astype(float) - images) ** 2)
        for given in (labels, (labels + 1) % 10)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_encoder_and_decoder_know_the_class(run, examples):
    images, labels = examples
    means = [run.encode(images[:8], labels=given, batch_size=8)[0] for given in (labels[:8], 3)]
    assert np.abs(means[0] - means[1]).max() > 1e-3
    latents = np.zeros((10, 2))
    assert len(np.unique(run.decode(latents, labels=np.arange(10), batch_size=10), axis=0)) == 10


def test_the_views_need_the_classes_and_the_interface_says_so(run, examples):
    images, labels = examples
    for name in ("reconstruct", "encode", "log_likelihood"):
        parameter = inspect.signature(run._opened.recipe.views[name]).parameters["image_labels"]
        assert parameter.default is parameter.empty
        with pytest.raises(jaxgen.UserError, match=rf"the model knows the class of an image. Give {name}\(\)"):
            getattr(run, name)(images[:2])
    with pytest.raises(jaxgen.UserError, match="labels go from 0 to 10"):
        run.encode(images[:2], labels=[0, 10])
    with pytest.raises(jaxgen.UserError, match="one integer, or 2 integers"):
        run.encode(images[:2], labels=labels[:3])


def test_the_run_used_the_true_classes(run, examples):
    """Its own bits per dimension are those of the right classes, and the pictures of reconstructions are there."""
    images, labels = (part[:100] for part in examples)
    written = jaxgen.load(run.folder)
    nats = written.log_likelihood(images, labels=labels, batch_size=50)
    recorded = evaluation_of(run)["bits_per_dim"]
    assert recorded["value"] == pytest.approx(-np.mean(nats) / (64 * np.log(2)), rel=1e-4)
    assert recorded["n_fake"] == 100
    assert (run.folder / "samples" / "reconstructions_0000400.png").is_file()
    assert (run.folder / "latent_samplers" / "normal.npz").is_file()


def evaluation_of(run):
    return json.loads((run.folder / "evaluation.json").read_text())


@pytest.mark.full
def test_an_unconditional_model_takes_no_classes(tiny_config):
    recipe = session.open_session(tiny_config("vae")).recipe
    state = recipe.init(jax.random.key(0))
    mean, _ = recipe.views["encode"](state, np.zeros((2, 8, 8, 1), np.float32))
    assert mean.shape == (2, 8)
    parameter = inspect.signature(recipe.views["encode"]).parameters["image_labels"]
    assert parameter.default is None
