"""Densities fitted to encoded training images: they are right, they are kept, and their numbers say whose they are."""

import json

import jax
import numpy as np
import pytest

from jaxgen import evaluate
from jaxgen.commands import evaluate as evaluate_command
from jaxgen.commands import sample, train
from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.evaluation.samplers import mixture
from jaxgen.metrics import fid, psnr
from jaxgen.metrics.base import result_name
from jaxgen.runs import restoring, run_views, session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import default

KEY = jax.random.key(0)
IDS = np.arange(20_000)


def settings_of(components):
    settings = default.get_config().evaluation
    settings.mixture_components = components
    return settings


def two_clusters(n=4000):
    """Unequal, correlated, far apart; with the moments of the mixture in closed form."""
    rng = np.random.default_rng(0)
    left = rng.multivariate_normal([-5, 0], [[1.0, 0.8], [0.8, 1.0]], n // 4)
    right = rng.multivariate_normal([5, 2], [[0.5, -0.3], [-0.3, 0.25]], n - n // 4)
    return np.concatenate([left, right]).astype(np.float32)


def test_normal_has_the_mean_and_covariance_of_what_it_was_fitted_to():
    latents = two_clusters()
    sampler = latent_samplers.fit("normal", latents, settings_of(7), 0, {"step": 3})
    assert sampler.facts == {"step": 3, "components": 1, "converged": True}
    np.testing.assert_allclose(sampler.means[0], latents.mean(0), atol=1e-4)
    covariance = np.cov(latents.T.astype(np.float64), ddof=0)
    np.testing.assert_allclose(sampler.factors[0] @ sampler.factors[0].T, covariance, atol=1e-4)
    drawn = sampler.draw(KEY, IDS)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), latents.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.05, atol=0.05)


def test_gaussian_mixture_finds_both_clusters_where_one_gaussian_fills_the_gap():
    latents = two_clusters()
    sampler = latent_samplers.fit("gaussian_mixture", latents, settings_of(2), 0, {})
    drawn = sampler.draw(KEY, IDS)
    left = drawn[:, 0] < 0
    assert left.mean() == pytest.approx(0.25, abs=0.01)
    for mine, centre, covariance in (
        (left, [-5, 0], [[1.0, 0.8], [0.8, 1.0]]),
        (~left, [5, 2], [[0.5, -0.3], [-0.3, 0.25]]),
    ):
        np.testing.assert_allclose(drawn[mine].mean(0), centre, atol=0.15)
        np.testing.assert_allclose(np.cov(drawn[mine].T), covariance, atol=0.1)
    one = latent_samplers.fit("normal", latents, settings_of(2), 0, {}).draw(KEY, IDS)
    assert np.mean(np.abs(drawn[:, 0]) < 1.5) < 0.001 < 0.1 < np.mean(np.abs(one[:, 0]) < 1.5)


def test_a_latent_belongs_to_its_number_and_the_key():
    sampler = latent_samplers.fit("gaussian_mixture", two_clusters(400), settings_of(3), 0, {})
    whole = sampler.draw(KEY, IDS[:100])
    np.testing.assert_array_equal(sampler.draw(KEY, IDS[:100][::-1]), whole[::-1])
    np.testing.assert_array_equal(sampler.draw(KEY, IDS[40:47]), whole[40:47])
    assert np.abs(sampler.draw(jax.random.key(1), IDS[:100]) - whole).min(1).max() > 0.01


def test_posterior_draws_follow_mean_and_variance_whatever_the_batch():
    images = np.arange(500, dtype=np.uint8).reshape(-1, 1, 1, 1)
    batches = []

    def encode(batch):
        batches.append(len(batch))
        mean = np.repeat(batch.reshape(-1, 1).astype(np.float32), 200, axis=1)
        return mean, np.full_like(mean, np.log(4.0))

    draws = latent_samplers.posterior_draws(encode, images, KEY, 64)
    assert draws.shape == (500, 200)
    assert set(batches) == {64}
    offsets = draws - images.reshape(-1, 1)
    assert offsets.mean() == pytest.approx(0, abs=0.03)
    assert offsets.std() == pytest.approx(2, rel=0.01)
    np.testing.assert_array_equal(latent_samplers.posterior_draws(encode, images, KEY, 500), draws)


def test_too_few_images_and_too_few_iterations_are_told(monkeypatch, caplog):
    with pytest.raises(UserError, match=r"5 training images are too few for 10 component"):
        latent_samplers.fit("gaussian_mixture", two_clusters(8)[:5], settings_of(10), 0, {})
    monkeypatch.setattr(mixture, "ITERATIONS", 1)
    sampler = latent_samplers.fit("gaussian_mixture", two_clusters(400), settings_of(10), 0, {})
    assert not sampler.facts["converged"]
    assert "has not converged in 1 iterations" in caplog.text


def test_a_file_counts_for_its_own_step_only_and_damage_is_told(tmp_path, caplog):
    path = tmp_path / "latent_samplers" / "normal.npz"
    facts = {"step": 20, "seed": 0}
    sampler = latent_samplers.fit("normal", two_clusters(100), settings_of(1), 0, facts)
    assert latent_samplers.load(path, facts) is None
    latent_samplers.save(sampler, path)
    again = latent_samplers.load(path, facts)
    assert again.facts == sampler.facts
    np.testing.assert_array_equal(again.draw(KEY, IDS[:9]), sampler.draw(KEY, IDS[:9]))
    assert latent_samplers.load(path, {**facts, "step": 40}) is None
    assert not caplog.text
    path.write_bytes(path.read_bytes()[:200])
    assert latent_samplers.load(path, facts) is None
    assert "cannot be read and is fitted again" in caplog.text
    assert [file.name for file in path.parent.iterdir()] == ["normal.npz"]


def test_names_say_which_latents():
    class Network:
        canonical, label, name = True, "", "inception"

    names = [result_name("fid", fid, f"sample{part}", Network()) for part in ("", "_normal", "_gaussian_mixture")]
    assert names == ["fid", "fid_normal", "fid_gaussian_mixture"]
    assert result_name("psnr", psnr, "reconstruct", None) == "psnr"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("evaluation.latent_samplers", ("normal",), "needs a recipe with the views encode and decode"),
        ("sample.latent_sampler", "gaussian_mixture", "needs a recipe with the views encode and decode"),
        ("sample.latent_sampler", "gausian_mixture", "did you mean 'gaussian_mixture'"),
    ],
)
def test_a_gan_and_a_wrong_name_are_refused(tiny_config, key, value, words):
    config = tiny_config("gan")
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=f"config.{key}.*{words}"):
        session.open_session(config)


@pytest.fixture(scope="module")
def trained(tiny_config, tmp_path_factory):
    """A run of 20 steps that measures both samplers beside the prior."""
    config = tiny_config("vae")
    config.compilation_cache = ""
    config.evaluation.metrics = ("parzen", "psnr")
    config.evaluation.num_samples = 100
    config.evaluation.pictures = False
    config.evaluation.latent_samplers = ("normal", "gaussian_mixture")
    config.evaluation.mixture_components = 3
    folder = tmp_path_factory.mktemp("latents") / "run"
    train.train(config, folder)
    return config, folder


def test_numbers_of_fitted_samplers_stand_beside_those_of_the_prior(trained):
    _, folder = trained
    results = json.loads((folder / "evaluation.json").read_text())
    keys = [key for key in results if not key.startswith("_")]
    assert sorted(keys) == ["parzen", "parzen_gaussian_mixture", "parzen_normal", "psnr"]
    assert len({results[key]["value"] for key in keys}) == 4
    record = results["parzen_gaussian_mixture"]
    assert (record["view"], record["latent_sampler"]) == ("sample_gaussian_mixture", "gaussian_mixture")
    assert (record["components"], record["n_fitted"], record["step"]) == (3, 256, 20)
    assert record["fitted_to"] == "digits:train"
    assert "latent_sampler" not in results["parzen"]
    assert results["parzen_normal"]["components"] == 1
    assert run_views.results_of(results)["parzen"] == results["parzen"]["value"]
    assert {path.name for path in (folder / "samples").glob("[ng]*.png")} == {"normal.png", "gaussian_mixture.png"}


def test_the_same_command_again_neither_fits_nor_evaluates_and_another_step_fits_anew(trained, tiny_config, caplog):
    config, folder = trained
    files = sorted((folder / "latent_samplers").iterdir())
    assert [path.name for path in files] == ["gaussian_mixture.npz", "normal.npz"]
    before = [path.stat().st_mtime_ns for path in files]
    evaluate_command.evaluate(config, folder, "latest")
    assert [path.stat().st_mtime_ns for path in files] == before
    with restoring.open_finished(config, folder, "10") as (opened, state, step):
        samplers = latent_samplers.fitted(opened, state.players, step, folder, ("prior", "normal"))
    assert list(samplers) == ["normal"]
    assert samplers["normal"].facts["step"] == 10
    assert files[1].stat().st_mtime_ns > before[1]


def test_its_mean_and_covariance_are_those_of_the_aggregate_posterior(trained):
    config, folder = trained
    with restoring.open_finished(config, folder, "latest") as (opened, state, step):
        sampler = latent_samplers.fitted(opened, state.players, step, folder, ("normal",))["normal"]
        mean, log_variance = (
            np.asarray(x, np.float64) for x in opened.views.encode(state.players, opened.train.images)
        )
    expected = np.cov(mean.T, ddof=0) + np.diag(np.exp(log_variance).mean(0))  # law of total variance
    error = 4 / np.sqrt(len(mean))  # standard errors of a mean of unit variance, and of a variance
    np.testing.assert_allclose(sampler.means[0], mean.mean(0), atol=error)
    np.testing.assert_allclose(sampler.factors[0] @ sampler.factors[0].T, expected, atol=1.5 * error)


def test_sample_mode_and_a_run_as_a_source_use_them_on_demand(trained, capsys, tmp_path):
    config, folder = trained
    config = config.copy_and_resolve_references()
    config.sample.latent_sampler = "gaussian_mixture"
    config.sample.num_images = 3
    sample.sample(config, folder, "latest")
    assert len(list((folder / "samples" / "images_gaussian_mixture").iterdir())) == 3
    assert not (folder / "samples" / "images").exists()
    options = Options(samples=6, batch_size=4)
    prior, fitted = (
        open_source(f"run:{folder}", options._replace(latent_sampler=name), "--fake") for name in ("prior", "normal")
    )
    assert "sample" in prior.views
    assert not {"sample_normal", "sample_gaussian_mixture"} & set(prior.views)
    assert "sample_normal" in fitted.views
    assert "sample" not in fitted.views
    assert fitted.split.endswith("step 20, normal latents")
    assert np.any(fitted.images[np.arange(6)] != prior.images[np.arange(6)])
    np.save(tmp_path / "real.npy", prior.images[np.arange(6)])
    arguments = ["--real", str(tmp_path / "real.npy"), "--fake", f"run:{folder}", "--metrics", "pairwise_ms_ssim"]
    arguments += ["--num_samples", "6", "--batch_size", "3", "--allow_few_samples", "--cache_dir", str(tmp_path)]
    assert evaluate.main([*arguments, "--latent_sampler", "norml"]) == 2
    assert "--latent_sampler='norml' is unknown: did you mean 'normal'?" in capsys.readouterr().err
