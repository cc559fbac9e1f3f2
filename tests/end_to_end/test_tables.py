"""Runs on tables from the config to the evaluation: trained, resumed, sampled as CSV, measured, and refused."""

import csv
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.commands import evaluate as evaluate_command
from jaxgen.commands import sample, train
from jaxgen.data.base import open_dataset
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.evaluation.engine import evaluate
from jaxgen.losses.likelihoods import tabular
from jaxgen.models.tabular_gan import TabularGenerator
from jaxgen.recipes.tables import packed
from jaxgen.runs import session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import default
from jaxgen.training import compiled_steps
from jaxgen.training.batches import Batching, ResidentSplit, make_batch


def tiny(kind="gan", **changes):
    config = default.get_config()
    config.data.update({"name": "breast_cancer", "test_fraction": 0.3})
    config.model.update({"name": f"tabular_{kind}", "width": 8, "latent_dim": 4, "hidden_layers": 1, "dropout": 0.0})
    config.recipe.name = kind
    if kind == "vae":
        config.recipe.likelihood = "tabular"
    config.update({"batch_size": 16, "steps_per_dispatch": 5, "steps": 20, "num_devices": 1})
    config.log_every = config.checkpoint_every = config.histogram_every = 10
    config.sample_every = 20
    config.evaluation.update({"num_samples": 200, "batch_size": 100, "baselines": ("real",), "baseline_draws": 1})
    config.evaluation.metrics = ("ks_complement", "closest_record", "psnr")
    config.sample.num_images = 30
    config.compilation_cache = ""
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


PACKED = {"model__pack": 4, "data__class_sampling": "log"}
PACKED |= {"recipe__loss": "wasserstein", "recipe__penalty": "wgan_gp", "recipe__share_fakes": False}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The work directory of a tiny VAE's run, never stopped."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train.train(tiny("vae"), folder)
    return folder


def checksums(folder, step):
    return json.loads((folder / "checkpoints" / str(step) / "meta" / "metadata").read_text())["checksums"]


@pytest.mark.full
def test_a_run_in_two_parts_ends_with_the_same_bytes(whole, tmp_path):
    train.train(tiny("vae", steps=10, evaluation__metrics=(), evaluation__baselines=()), tmp_path / "parts")
    train.train(tiny("vae", evaluation__metrics=(), evaluation__baselines=()), tmp_path / "parts")
    assert checksums(tmp_path / "parts", 20) == checksums(whole, 20)


def test_its_evaluation_has_pictures_and_baselines_beside_it(whole):
    results = json.loads((whole / "evaluation.json").read_text())
    assert 0 < results["ks_complement"]["value"] < 1
    assert results["closest_record"]["found"] is False
    assert "The run offers points" in results["_skipped"]["psnr"]
    beside = json.loads((whole / "baselines.json").read_text())
    assert beside["real"]["_title"] == "real training rows"
    assert beside["real"]["closest_record"]["found"] is True
    assert beside["real"]["ks_complement"]["value"] > results["ks_complement"]["value"]
    assert beside["real"]["ks_complement"]["seeds"] == {"0": beside["real"]["ks_complement"]["value"]}
    assert beside["real"]["ks_complement"]["n_fake"] == 398
    pictures = {"marginals.png", "correlations.png", "pca.png", "tsne.png", "features.npz"}
    assert {path.name for path in (whole / "evaluation").iterdir()} == pictures


def test_samples_are_csv_in_the_units_of_the_data_and_can_be_measured_from_outside(whole, tmp_path):
    sample.sample(tiny("vae"), whole, "latest")
    path = whole / "samples" / "rows.csv"
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    assert len(lines) == 31
    assert (lines[0][0], lines[0][-1]) == ("mean radius", "diagnosis")
    assert {line[-1] for line in lines[1:]} == {"malignant", "benign"}
    radius = np.array([float(line[0]) for line in lines[1:]])
    assert 6 < radius.min() < radius.max() < 29
    data = default.get_config().data
    data.update({"name": "csv", "dir": str(path), "label_column": "diagnosis", "test_fraction": 0.5})
    assert open_dataset(data).splits["train"].images.shape == (15, 31)
    options = Options(samples=200, batch_size=100, num_devices=1)
    run = open_source(f"run:{whole}", options, "--fake")
    opened = session.open_session(tiny("vae"))
    settings = tiny("vae").evaluation
    real, train = (session.real_split(opened, name) for name in ("test", "train"))
    found = evaluate(settings, real, run.views, train=train, facts=opened.dataset.facts, progress=False)
    inside = json.loads((whole / "evaluation.json").read_text())
    assert found["ks_complement"]["value"] == pytest.approx(inside["ks_complement"]["value"], abs=1e-6)


def test_the_report_shows_the_baselines_below_the_models(whole, tmp_path):
    from jaxgen import report

    report.build([whole], tmp_path)
    text = (tmp_path / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| real training rows")]
    value = json.loads((whole / "baselines.json").read_text())["real"]["ks_complement"]["value"]
    assert any(f"{value:.4g}" in row for row in rows)
    assert all("baseline" in row for row in rows)
    assert "Copies training data" not in text  # of the run; the baseline copies, and is not accused


@pytest.mark.full
def test_an_evaluation_without_baselines_leaves_none_of_an_earlier_one(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "again")
    evaluate_command.evaluate(
        tiny("vae", evaluation__metrics=("ks_complement",), evaluation__baselines=()), folder, "latest"
    )
    assert json.loads((folder / "evaluation.json").read_text())["ks_complement"]["value"] > 0
    assert not (folder / "baselines.json").exists()


def ends(config, steps=5):
    for player in config.optimizers.values():
        player.update({"name": "sgd", "b1": 0.0, "learning_rate": 0.01})
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, 0)
    data = session.training_data(opened)
    run = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, state, data, steps=steps).run
    return jax.device_get(run(state, data)[0].players)


@pytest.mark.full
@pytest.mark.parametrize("changes", [{"kind": "vae"}, {"kind": "gan", **PACKED}], ids=["vae", "packed gan"])
def test_the_trajectory_does_not_depend_on_the_number_of_devices(changes):
    one, two = (ends(tiny(num_devices=devices, **changes)) for devices in (1, 2))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), one, two)


def test_the_class_is_a_condition_of_what_is_generated():
    opened = session.open_session(tiny(steps=20))
    labels = np.asarray(opened.views._labels(np.arange(398)))
    assert abs(labels.mean() - opened.train.labels.mean()) < 0.01  # as often as in the data
    state = parallel.init_state(opened.recipe, opened.mesh, 0)
    rows = np.asarray(opened.views.points(state.players, jax.random.key(0), np.arange(398)))
    np.testing.assert_array_equal(rows[:, 30], labels)


def test_packs_are_of_the_same_rows_on_any_number_of_devices():
    rows = np.arange(24)
    whole = packed(rows, 3)
    for devices in (2, 4):
        # Device d has rows d, D + d, ... and packs d, D + d, ...
        shares = [packed(rows[device::devices], 3) for device in range(devices)]
        np.testing.assert_array_equal(np.stack(shares, axis=1).reshape(8, 3), whole)
    assert packed(rows, 1) is rows
    with pytest.raises(UserError, match=r"config\.model\.pack=5 does not divide the 24 rows"):
        packed(rows, 5)


def test_classes_are_drawn_by_their_weights_and_examples_evenly():
    labels = jnp.asarray(np.repeat([0, 1], [90, 10]))
    batching = Batching(2000, class_weights=(1.0, 3.0))
    data = ResidentSplit(jnp.arange(100, dtype=jnp.float32)[:, None], labels)
    draw = jax.jit(lambda step: make_batch(batching, jax.random.key(0), step, jnp.arange(2000), data))
    first, again, other = draw(0), draw(0), draw(1)
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    drawn = np.asarray(first.images).ravel().astype(int)
    np.testing.assert_array_equal(drawn >= 90, np.asarray(first.labels).ravel())
    assert np.mean(drawn >= 90) == pytest.approx(0.75, abs=0.03)
    counts = np.bincount(drawn, minlength=100)
    assert np.abs(counts[90:] - 150).max() < 50
    assert (counts[:90] > 0).mean() > 0.95


def test_one_hot_parts_are_drawn_with_the_odds_of_their_logits():
    """A generator whose last layer says log p for every latent: its Gumbel-softmax chooses with probabilities p."""
    odds = np.array([0.1, 0.2, 0.7])
    generator = TabularGenerator(4, 1, 2, (("softmax", 3), ("tanh", 1)), batch_norm=False)
    latents = np.random.default_rng(0).normal(size=(20_000, 5)).astype(np.float32)
    params = jax.tree.map(jnp.zeros_like, jax.eval_shape(generator.init, jax.random.key(0), latents)["params"])
    params["Dense_1"]["bias"] = jnp.asarray([*np.log(odds), 3.0], jnp.float32)
    rows = np.asarray(jax.jit(generator.apply)({"params": params}, latents))
    np.testing.assert_allclose(np.bincount(rows[:, :3].argmax(1)) / 20_000, odds, atol=0.01)
    np.testing.assert_allclose(rows[:, :3].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(rows[:, 3], np.tanh(3), atol=1e-6)


def test_the_likelihood_of_rows_is_scipy_s_and_draws_follow_it():
    from scipy.stats import norm

    likelihood = tabular((("linear", 1), ("softmax", 3), ("tanh", 1)))
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 5)).astype(np.float32)
    observed = np.column_stack([rng.normal(size=6), np.eye(3)[[0, 1, 2, 0, 1, 2]], rng.uniform(-1, 1, 6)])
    parameters = {"log_sigmas": jnp.asarray([np.log(0.5), 9.0, 9.0, 9.0, np.log(0.2)], jnp.float32)}
    logits = outputs[:, 1:4] - np.log(np.exp(outputs[:, 1:4]).sum(1, keepdims=True))
    expected = norm.logpdf(observed[:, 0], outputs[:, 0], 0.5) + (observed[:, 1:4] * logits).sum(1)
    expected += norm.logpdf(observed[:, 4], np.tanh(outputs[:, 4]), 0.2)
    found = jax.jit(likelihood.log_prob)(parameters, outputs, observed.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    many = np.tile(outputs[:1], (20_000, 1))
    drawn = np.asarray(jax.jit(likelihood.draw)(parameters, many, jax.random.key(0), np.arange(20_000)))
    np.testing.assert_allclose(drawn.mean(0)[1:4], np.exp(logits[0]), atol=0.015)
    np.testing.assert_allclose(drawn.mean(0)[[0, 4]], [outputs[0, 0], np.tanh(outputs[0, 4])], atol=0.015)
    np.testing.assert_allclose(drawn.std(0)[[0, 4]], [0.5, 0.2], rtol=0.03)


def test_a_split_of_the_run_s_own_seed():
    one, same, other = (
        session.open_session(tiny(data__seed=seed, seed=run)).train.images for seed, run in ((-1, 3), (3, 0), (-1, 4))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model__name": "point_gan"},
            "makes no rows of a table, but breast_cancer is a table. Use model.name=tabular_gan",
        ),
        ({"data__name": "gaussian_ring", "evaluation__baselines": ()}, "'tabular_gan' makes rows of a table"),
        ({"kind": "vae", "recipe__likelihood": "gaussian"}, "recipe.likelihood='gaussian', but the data are rows"),
        ({"recipe__name": "stylegan2"}, "'stylegan2' trains on images"),
        ({"model__pack": 3}, r"config\.model\.pack=3 does not divide the 16 rows of a batch"),
        ({"model__pack": 0}, r"config\.model\.pack=0: it must be at least 1"),
        ({"data__class_sampling": "even"}, "class_sampling='even' is unknown"),
        ({"evaluation__baselines": ("copula",)}, "'copula' is unknown: did you mean 'class_copula'"),
        ({"data__name": "gaussian_ring"}, "baselines sample tables"),
        ({"data__num_classes": 3}, "breast_cancer has 2 classes"),
    ],
)
def test_what_does_not_go_with_a_table_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(tiny(**changes))
