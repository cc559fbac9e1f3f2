"""`import jaxgen`: what a program gets is what the command line writes."""

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxgen
from jaxgen import evaluate
from jaxgen.commands import sample
from jaxgen.data.base import open_dataset
from jaxgen.files import workdir
from jaxgen.runs import restoring, run_data, run_views, session
from tests.helpers import stylegan2_runs

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def config_of(tiny_config):
    """`config_of("vae", steps=10)`: a config of a run that takes a moment."""

    def make(recipe, **changes):
        config = tiny_config(recipe)
        config.compilation_cache = ""
        config.evaluation.pictures = False
        config.sample.update({"num_images": 5, "rows": 2, "columns": 2})
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        return config

    return make


@pytest.fixture(scope="module")
def gan(config_of, tmp_path_factory):
    return jaxgen.train(config_of("gan"), tmp_path_factory.mktemp("gan") / "run")


@pytest.fixture(scope="module")
def vae(config_of, tmp_path_factory):
    return jaxgen.train(config_of("vae"), tmp_path_factory.mktemp("vae") / "run")


@pytest.fixture(scope="module")
def styles(tmp_path_factory):
    """A StyleGAN2 of ten classes."""
    config = stylegan2_runs.tiny(steps=2, steps_per_dispatch=1, log_every=2, sample_every=0, checkpoint_every=2)
    config.update({"histogram_every": 0, "compilation_cache": ""})
    config.evaluation.update({"num_samples": 16, "batch_size": 16, "pictures": False, "allow_few_samples": True})
    config.sample.update({"num_images": 3, "rows": 2, "columns": 2})
    return jaxgen.train(config, tmp_path_factory.mktemp("styles") / "run")


def close(monkeypatch):
    """From now on no data set can be opened."""
    monkeypatch.setattr(run_data, "open_dataset", lambda *_, **__: pytest.fail("the data set was opened"))


def test_images(run):
    """uint8 [n, H, W, C] of digits that no run has trained on."""
    return open_dataset(run.config.data, progress=False).splits["test"].images


def by_command(run, *names, **changes):
    """The pictures samples/<name> that --mode=sample writes, uint8 [n, H, W]."""
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict({f"{key.replace('__', '.')}": value for key, value in changes.items()})
    sample.sample(config, run.folder, "latest")
    return np.stack([np.asarray(Image.open(run.folder / "samples" / name)) for name in names])


test_images.__test__ = False


@pytest.mark.parametrize("kind", ["gan", "vae", pytest.param("styles", marks=pytest.mark.full)])
def test_samples_are_those_of_the_command(request, monkeypatch, kind):
    run = request.getfixturevalue(kind)
    close(monkeypatch)
    images = jaxgen.load(run.folder).sample(3)
    assert (images.shape, images.dtype) == ((3, 8, 8, 1), np.uint8)
    if kind == "vae":
        monkeypatch.undo()  # its traversal starts at a test image
    pictures = by_command(run, *(f"images/{i:06d}.png" for i in range(3)))
    np.testing.assert_array_equal(images[..., 0], pictures)
    np.testing.assert_array_equal(images, run.sample(3))


def test_a_sample_is_its_number_s_and_its_seed_s(gan):
    images = gan.sample(5)
    assert len({image.tobytes() for image in images}) == 5
    np.testing.assert_array_equal(gan.sample(), gan.sample(16))
    np.testing.assert_array_equal(gan.sample(2), images[:2])
    assert (gan.sample(5, seed=1) != images).any(axis=(1, 2, 3)).all()
    several = gan.sample(5, batch_size=2).astype(int)  # another program, which may round another way
    assert np.abs(several - images).max() <= 1
    other = by_command(gan, "images/000004.png", evaluation__seed=7)
    np.testing.assert_array_equal(gan.sample(5, seed=7)[4:, ..., 0], other)


def test_latents_in_place_of_a_seed(gan, vae):
    for run in (gan, vae):
        key = run_views.evaluation_key(run.config)
        latents = np.asarray(session.open_session(run.config).views.latents(key, np.arange(70)))
        images = run.sample(latents=latents)
        assert np.abs(images.astype(int) - run.sample(70)).max() <= 1
        np.testing.assert_array_equal(run.decode(latents[:3].tolist()), images[:3])


@pytest.mark.full
def test_truncation_and_classes_are_those_of_the_command(styles, monkeypatch):
    close(monkeypatch)
    truncated = styles.sample(3, truncation=0.3)
    pictures = by_command(styles, *(f"images_truncation0.3/{i:06d}.png" for i in range(3)), sample__truncation=0.3)
    np.testing.assert_array_equal(truncated[..., 0], pictures)
    of_class = styles.sample(3, labels=7)
    pictures = by_command(styles, *(f"images_class7/{i:06d}.png" for i in range(3)), sample__label=7)
    np.testing.assert_array_equal(of_class[..., 0], pictures)
    in_turn = styles.sample(3, labels=[0, 1, 2])
    assert np.abs(in_turn.astype(int) - styles.sample(3)).max() <= 1
    assert np.abs(in_turn.astype(int) - of_class).max() > 1
    latents = np.random.default_rng(0).normal(size=(2, 8))
    const = styles.decode(latents, labels=np.array([4, 4]))
    np.testing.assert_array_equal(const, styles.sample(latents=latents, labels=4))
    np.testing.assert_array_equal(const[:1], styles.decode(latents[:1], labels=4))


def test_what_a_vae_says_of_images_is_what_evaluation_is_given(vae):
    images = test_images(vae)[:70]
    opened = session.open_session(vae.config)
    state, _ = restoring.restore(opened, vae.folder, "latest")
    views = run_views.bound_views(opened, state.players)
    copies = vae.reconstruct(images)
    assert (copies.shape, copies.dtype) == (images.shape, np.uint8)
    assert np.abs(copies.astype(int) - np.asarray(views["reconstruct"](images))).max() <= 1
    mean, log_variance = vae.encode(images)
    assert mean.shape == log_variance.shape == (70, 8)
    for given, expected in zip((mean, log_variance), views["encode"](images), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-4)
    bound = vae.log_likelihood(images)
    np.testing.assert_allclose(bound, views["log_likelihood"](images, np.arange(70)), rtol=1e-4)
    assert (bound != vae.log_likelihood(images, seed=1)).any()
    tighter = vae.log_likelihood(images, samples=64)
    assert tighter.mean() > vae.log_likelihood(images, samples=1).mean()  # the bound of importance weights


@pytest.mark.full
def test_inputs_that_cannot_be_are_named(vae, gan, styles):
    images = test_images(vae)[:2]
    refused = [
        (lambda: gan.encode(images), "dcgan trained by the recipe 'gan' has no encode. It offers decode"),
        (lambda: gan.reconstruct(images), "no reconstruct"),
        (lambda: gan.log_likelihood(images), "no log_likelihood"),
        (lambda: gan.sample(0), "n=0"),
        (lambda: gan.sample(2, batch_size=0), "batch_size=0"),
        (lambda: gan.sample(2, latents=np.zeros((3, 8))), "Leave n out"),
        (lambda: gan.sample(latents=np.zeros((3, 9))), r"\[3, 9\]. This run takes float32 \[n, 8\]"),
        (lambda: gan.sample(2, labels=1), "Leave labels out"),
        (lambda: gan.sample(2, truncation=0.5), "truncation=0.5 is for models with styles"),
        (lambda: styles.sample(2, labels=10), "the classes 0 to 9|classes are 0 to 9"),
        (lambda: styles.sample(2, labels=[1, 2, 3]), r"\[3\]; they must be an integer, or 2|one integer, or 2"),
        (lambda: styles.sample(2, labels=1.5), "integer"),
        (lambda: styles.sample(2, truncation=float("nan")), "finite"),
        (lambda: vae.reconstruct(images / 255), r"float64 \[2, 8, 8, 1\]. This run takes uint8 \[n, 8, 8, 1\]"),
        (lambda: vae.encode(images[:, :4]), r"uint8 \[2, 4, 8, 1\]"),
        (lambda: vae.encode(images[:0]), r"uint8 \[0, 8, 8, 1\]"),
    ]
    for call, words in refused:
        with pytest.raises(jaxgen.UserError, match=words):
            call()


@pytest.mark.full
def test_a_run_is_loaded_at_the_checkpoint_that_is_named(vae, config_of, tmp_path):
    assert (vae.step, jaxgen.load(vae.folder, 10).step, jaxgen.load(str(vae.folder), "10").step) == (20, 10, 10)
    assert (jaxgen.load(vae.folder, 10).sample(2) != vae.sample(2)).any()
    assert vae.config.model.name == "conv_vae"
    assert "step 20" in repr(vae)
    for checkpoint, words in (("best", "no checkpoint was ranked"), (7, "no checkpoint of step 7"), ("x", "choices")):
        with pytest.raises(jaxgen.UserError, match=words):
            jaxgen.load(vae.folder, checkpoint)
    with pytest.raises(jaxgen.UserError, match=r"none.*no run there"):
        jaxgen.load(tmp_path / "none")
    with pytest.raises(jaxgen.UserError, match=r"holds no seed 1\. It was trained with seed 0"):
        jaxgen.load(vae.folder, seed=1)
    ranked = config_of("vae", eval_every=10, best_metric="psnr", evaluation__num_samples_in_training=16)
    ranked.alarms.stop = ()
    run = jaxgen.train(ranked, tmp_path / "ranked")
    assert jaxgen.load(run.folder, "best").step in (10, 20)


def test_loading_changes_nothing_and_asks_for_no_lock(gan):
    before = {path: path.stat().st_mtime_ns for path in gan.folder.rglob("*")}
    (gan.folder / "checkpoints" / "30.orbax-checkpoint-tmp").mkdir()  # a run that saves meanwhile
    try:
        with workdir.lock(gan.folder):
            jaxgen.load(gan.folder).sample(1)
        assert (gan.folder / "checkpoints" / "30.orbax-checkpoint-tmp").is_dir()
    finally:
        (gan.folder / "checkpoints" / "30.orbax-checkpoint-tmp").rmdir()
    changed = {path for path in gan.folder.rglob("*") if before.get(path) != path.stat().st_mtime_ns}
    assert changed <= {gan.folder / ".lock", gan.folder / "checkpoints", gan.folder}


@pytest.mark.full
def test_training_resumes_and_leaves_the_program_as_it_was(config_of, tmp_path, capsys):
    logger, heard = logging.getLogger("jaxgen"), logging.NullHandler()
    logger.addHandler(heard)
    short = config_of("gan", steps=10)
    first = jaxgen.train(short, tmp_path / "first")
    assert first.step == 10
    assert logger.handlers == [heard]
    assert logger.propagate
    assert workdir.holder(tmp_path / "first") is None
    said = (tmp_path / "first" / "log.txt").read_text()
    assert said.count("trained 10 steps") == 1
    short.model.width = 4  # the run goes on with what it was given
    second = jaxgen.train(short, tmp_path / "second")
    assert second.config.model.width == 4
    assert (tmp_path / "first" / "log.txt").read_text() == said
    longer = jaxgen.train(config_of("gan", steps=20), tmp_path / "first")
    assert longer.step == 20
    assert "resuming at step 10 of 20" in (tmp_path / "first" / "log.txt").read_text()
    assert (longer.sample(2) != first.sample(2)).any()
    assert capsys.readouterr().out == ""
    logger.removeHandler(heard)


@pytest.mark.full
def test_training_runs_in_a_thread(config_of, tmp_path):
    runs, errors = [], []

    def work():
        try:
            runs.append(jaxgen.train(config_of("gan", steps=10), tmp_path / "run"))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors
    assert runs[0].step == 10


def test_what_cannot_be_trained_is_named(config_of, tmp_path):
    with pytest.raises(jaxgen.UserError, match=r"python -m jaxgen.main --config STUDY"):
        jaxgen.train(jaxgen.experiment("study_digits"), tmp_path / "study")
    with pytest.raises(jaxgen.UserError, match=r"config\.steps=0"):
        jaxgen.train(config_of("gan", steps=0), tmp_path / "none")
    with pytest.raises(jaxgen.UserError, match="Similar: dcgan_digits"):
        jaxgen.experiment("dcgan_digitz")
    with workdir.lock(tmp_path / "used"), pytest.raises(jaxgen.UserError, match="in use by another run"):
        jaxgen.train(config_of("gan"), tmp_path / "used")
    assert not (tmp_path / "none").exists()


@pytest.mark.full
def test_several_seeds_are_a_run_each(config_of, tmp_path):
    config = config_of("gan", num_seeds=2, steps=10, data__name="gaussian_ring", data__limit=0)
    config.model.update({"name": "point_gan", "batch_norm": False})
    runs = jaxgen.train(config, tmp_path / "run")
    assert [run.config.seed for run in runs] == [0, 1]
    with pytest.raises(jaxgen.UserError, match=r"holds 2 seeds. Name one of them, such as .*seed_0"):
        jaxgen.load(tmp_path / "run")
    sample.sample(config, tmp_path / "run", "latest")
    for seed, run in enumerate(runs):
        points = jaxgen.load(tmp_path / "run", seed=seed).sample(5)
        assert (points.shape, points.dtype) == ((5, 2), np.float32)
        np.testing.assert_array_equal(points, run.sample(5))
        written = np.loadtxt(run.folder / "samples" / "points.csv", delimiter=",", skiprows=1)
        np.testing.assert_allclose(points, written, rtol=1e-5)
    assert (runs[0].sample(5) != runs[1].sample(5)).any()
    with pytest.raises(jaxgen.UserError, match="no reconstruct"):
        runs[0].reconstruct(np.zeros((1, 2), np.float32))


def numbers(results):
    """An evaluation without what differs between two of the same."""
    timed = ("seconds", "seconds_view", "seconds_features")
    return {
        name: {key: value for key, value in record.items() if key not in timed}
        for name, record in results.items()
        if name != "_run"
    }


@pytest.mark.full
def test_evaluating_gives_what_the_command_writes(vae, tmp_path, capsys):
    options = ["--num_samples", "40", "--batch_size", "16", "--allow_few_samples", "--extractor", "efficientnet_lite0"]
    arguments = ["--real", "digits:test", "--fake", f"run:{vae.folder}", "--metrics", "psnr,kid", *options]
    out = tmp_path / "out.json"
    assert evaluate.main([*arguments, "--out", str(out)]) == 0
    assert "psnr" in capsys.readouterr().out
    written = json.loads(out.read_text())
    given = {"num_samples": 40, "batch_size": 16, "allow_few_samples": True, "extractor": "efficientnet_lite0"}
    results = jaxgen.evaluate(real="digits:test", fake=vae, metrics=("psnr", "kid"), **given)
    assert capsys.readouterr().out == ""
    assert numbers(json.loads(json.dumps(results))) == numbers(written)
    assert results["_run"]["fake"] == f"run:{vae.folder}"
    assert set(results["_run"]) == set(written["_run"])
    early = jaxgen.evaluate(real="digits:test", fake=jaxgen.load(vae.folder, 10), metrics="psnr", **given)
    assert early["psnr"]["value"] != results["psnr"]["value"]


@pytest.mark.full
def test_evaluating_takes_arrays(vae, tmp_path):
    images = test_images(vae)
    halves = {"real": images[:60], "fake": images[60:120]}
    for name, array in halves.items():
        np.save(tmp_path / f"{name}.npy", array)
    given = {"metrics": ("fid", "kid"), "extractor": "efficientnet_lite0", "allow_few_samples": True}
    files = jaxgen.evaluate(real=tmp_path / "real.npy", fake=str(tmp_path / "fake.npy"), **given)
    arrays = jaxgen.evaluate(**halves, **given)
    for name in ("fd_efficientnet_lite0", "kid_efficientnet_lite0"):
        assert arrays[name]["value"] == pytest.approx(files[name]["value"], rel=1e-5)
    assert arrays["_run"]["real"] == "array of uint8 [60, 8, 8, 1]"
    vectors = np.random.default_rng(0).normal(size=(2, 50, 1)).astype(np.float32)
    distance = jaxgen.evaluate(real=vectors[0], fake=vectors[1], metrics=("wasserstein_1d",), allow_few_samples=True)
    expected = np.abs(np.sort(vectors[0, :, 0]) - np.sort(vectors[1, :, 0])).mean()
    assert distance["wasserstein_1d"]["value"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.full
def test_an_evaluation_that_cannot_be_is_named(vae):
    images = test_images(vae)[:20]
    refused = [
        ({"fake": images / 255}, r"--fake=array of float64 \[20, 8, 8, 1\] holds float64"),
        ({"fake": images, "extracter": "inception"}, "did you mean 'extractor'"),
        ({"fake": images, "metrics": ("fidd",)}, "fidd"),
        ({"fake": images[:, :4]}, "8x8"),
        ({"fake": "/nowhere"}, "no such file"),
    ]
    for options, words in refused:
        with pytest.raises(jaxgen.UserError, match=words):
            jaxgen.evaluate(real=images, allow_few_samples=True, **options)


def python(code):
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.full
def test_the_package_imports_nothing_heavy_by_itself():
    heavy = "import sys; print(*sorted({'jax', 'numpy', 'absl', 'ml_collections', 'orbax'} & set(sys.modules)))"
    assert python(f"import jaxgen; jaxgen.UserError; {heavy}") == []
    assert "jax" in python(f"import jaxgen; jaxgen.load; {heavy}")


@pytest.mark.parametrize(
    "code",
    [
        "import jaxgen; jaxgen.evaluate; import jaxgen.evaluate",
        pytest.param("import jaxgen.evaluate; import jaxgen", marks=pytest.mark.full),
        pytest.param("from jaxgen import evaluate; import jaxgen", marks=pytest.mark.full),
        "from jaxgen.evaluate import main; import jaxgen",
    ],
)
def test_evaluate_is_a_function_and_a_module_however_it_was_imported(code):
    called = "\ntry: jaxgen.evaluate(real='', fake='x')\nexcept jaxgen.UserError as error: print(error)"
    said = python(f"{code}{called}\nprint(jaxgen.evaluate.main.__name__)")
    assert said[:2] == ["--real", "is"]
    assert said[-1] == "main"


def test_all_that_is_declared_is_there():
    assert {"Run", "UserError", "evaluate", "experiment", "load", "train"} == set(jaxgen.__all__) <= set(dir(jaxgen))
    for name in jaxgen.__all__:
        assert getattr(jaxgen, name).__doc__
    with pytest.raises(AttributeError, match="'jaxgen' has no attribute 'lod'"):
        jaxgen.lod  # noqa: B018
    config = jaxgen.experiment("dcgan_digits")
    config.steps = 40
    assert jaxgen.experiment("dcgan_digits").steps != 40
