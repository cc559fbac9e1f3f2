"""Runs on vectors from the config to the evaluation: trained, resumed, sampled, measured, and refused."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgen.commands import compare, project, sample, train
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.evaluation.engine import evaluate
from jaxgen.metrics.image_set import ImageSource
from jaxgen.runs import restoring, run_views, session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import default
from jaxgen.training import compiled_steps


def tiny(data="gaussian_1d", **changes):
    config = default.get_config()
    config.data.update({"name": data, "num_points": 500})
    config.model.update({"name": "point_gan", "width": 8, "latent_dim": 2, "hidden_layers": 1})
    config.update({"batch_size": 16, "steps_per_dispatch": 5, "steps": 20, "num_devices": 1})
    config.log_every = config.checkpoint_every = config.sample_every = 5
    config.histogram_every = 20
    config.evaluation.update({"num_samples": 3_000, "batch_size": 1_000, "allow_few_samples": True})
    config.evaluation.metrics = ("modes", "wasserstein_1d", "psnr", "fd_efficientnet_lite0")
    config.sample.num_images = 30
    config.compilation_cache = ""
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The work directory of a tiny run on the line, never stopped."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train.train(tiny(), folder)
    return folder


def checksums(folder, step):
    return json.loads((folder / "checkpoints" / str(step) / "meta" / "metadata").read_text())["checksums"]


@pytest.mark.full
def test_a_run_in_two_parts_ends_with_the_same_bytes(whole, tmp_path):
    folder = tmp_path / "parts"
    train.train(tiny(steps=10), folder)
    # What a killed run drew after its last checkpoint: not of the animation until it is drawn again.
    (folder / "samples" / "step_0000015.png").write_bytes(b"half a picture")
    train.train(tiny(), folder)
    assert checksums(folder, 20) == checksums(whole, 20)
    for name in ("metrics.jsonl", *(f"samples/step_{step:07d}.png" for step in (5, 10, 15, 20))):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    for name in ("samples/figure1.png", "samples/figure1.gif"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def test_figure_1_has_a_frame_a_cadence_and_no_image_is_drawn(whole):
    with Image.open(whole / "samples" / "figure1.gif") as moving:
        assert moving.n_frames == 4
        size = moving.size
    with Image.open(whole / "samples" / "figure1.png") as strip:
        assert strip.size == (4 * size[0], size[1])  # numbers 1 to 4 of 4, each once
    assert not (whole / "samples" / "interpolation.png").exists()
    left = {path.name for path in (whole / "evaluation").iterdir()}
    assert left == {"real_and_generated.png", "features.npz"}


def test_its_evaluation_measures_points_and_says_why_not_images(whole):
    results = json.loads((whole / "evaluation.json").read_text())
    assert 0 <= results["modes"]["value"] <= results["modes"]["modes"] == 1
    assert results["modes"]["n_fake"] == 3_000
    assert results["wasserstein_1d"]["value"] > 0
    assert results["wasserstein_1d"]["mean_real"] == pytest.approx(1.0, abs=0.3)
    for name in ("psnr", "fd_efficientnet_lite0"):
        assert "The run offers points" in results["_skipped"][name]


def test_points_of_a_checkpoint_as_a_table(whole):
    sample.sample(tiny(), whole, "latest")
    lines = (whole / "samples" / "points.csv").read_text().splitlines()
    assert lines[0] == "x0"
    assert len(lines) == 31
    opened = session.open_session(tiny())
    state, _ = restoring.restore(opened, whole, "latest")
    expected = opened.views.points(state.players, run_views.evaluation_key(opened.config), np.arange(30))
    np.testing.assert_allclose(np.array(lines[1:], np.float32), np.asarray(expected)[:, 0], rtol=1e-5, atol=1e-6)
    logits = opened.views.discriminate(state.players, np.zeros((3, 1)))
    assert logits.shape == (3,)
    assert np.ptp(logits) == 0


def test_images_are_what_projection_needs(whole):
    with pytest.raises(UserError, match="project is for images"):
        project.project(tiny(), whole, "latest")


def test_a_run_and_arrays_are_measured_from_outside(whole, tmp_path):
    options = Options(samples=3_000, batch_size=1_000, num_devices=1)
    run, real = open_source(f"run:{whole}", options, "--fake"), open_source("gaussian_1d:test", options, "--real")
    assert run.images.shape == (3_000, 1)
    assert run.images.dtype == np.float32
    settings = tiny().evaluation
    found = evaluate(settings, real, run.views, facts=real.facts, progress=False)
    inside = json.loads((whole / "evaluation.json").read_text())
    assert found["modes"]["samples_of_each_mode"] == inside["modes"]["samples_of_each_mode"]
    np.save(tmp_path / "points.npy", np.asarray(run.images[np.arange(50)]))
    array = open_source(str(tmp_path / "points.npy"), options, "--fake")
    assert array.images.shape == (50, 1)


def _evaluate(**changes):
    from jaxgen.evaluate import _parser

    arguments = _parser().parse_args([word for key, value in changes.items() for word in (f"--{key}", str(value))])
    compare.run(arguments)


def test_the_command_measures_arrays_against_a_known_mixture(tmp_path, capsys):
    angle = 2 * np.pi * np.arange(8) / 8
    centres = 2 * np.stack([np.cos(angle), np.sin(angle)], 1)
    points = (np.repeat(centres[:5], 600, axis=0) + 0.1).astype(np.float32)  # 0.14 away: 7 standard deviations
    points[:300] -= 0.1
    np.save(tmp_path / "a.npy", points)
    out = tmp_path / "a.json"
    _evaluate(real="gaussian_ring:test", fake=tmp_path / "a.npy", metrics="modes", out=out, pictures=tmp_path)
    found = json.loads(out.read_text())["modes"]
    assert (found["value"], found["high_quality"]) == (1, pytest.approx(0.1))
    assert (tmp_path / "real_and_generated.png").exists()
    with pytest.raises(UserError, match="modes needs the true centres of the points"):
        _evaluate(real=tmp_path / "a.npy", fake=tmp_path / "a.npy", metrics="modes", out=out)
    np.save(tmp_path / "line.npy", points[:, :1])
    with pytest.raises(UserError, match=r"vectors of 2, but .* vectors of 1"):
        _evaluate(real="gaussian_ring:test", fake=tmp_path / "line.npy", metrics="modes")
    with pytest.raises(UserError, match=r"vectors of 2, but .* images"):
        _evaluate(real="gaussian_ring:test", fake="digits:test", metrics="modes")
    with pytest.raises(UserError, match="--save_statistics is for images"):
        _evaluate(real="gaussian_ring:test", save_statistics=tmp_path / "s.npz", metrics="fid")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model__name": "dcgan"}, "'dcgan' makes images"),
        ({"recipe__name": "vae", "model__name": "conv_vae"}, "'vae' trains on images"),
        ({"recipe__diff_augment": "color"}, "diff_augment='color' is for images"),
        ({"recipe__dequantize": True}, "dequantize=True is for images"),
        ({"data__flip": True}, "data.flip=True"),
        ({"data__name": "digits"}, "makes vectors"),
    ],
)
def test_what_is_for_images_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(tiny(**changes))


@pytest.mark.full
def test_the_trajectory_does_not_depend_on_the_number_of_devices():
    ends = []
    for devices in (1, 2):
        config = tiny("gaussian_ring", num_devices=devices)
        for player in config.optimizers.values():
            player.update({"name": "sgd", "b1": 0.0, "learning_rate": 0.02})
        opened = session.open_session(config)
        state = parallel.init_state(opened.recipe, opened.mesh, 0)
        data = session.training_data(opened)
        assert data.labels is None
        run = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, state, data, steps=5).run
        ends.append(jax.device_get(run(state, data)[0].players))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *ends)


def test_training_sees_the_vectors_as_they_are():
    opened = session.open_session(tiny("gaussian_grid"))
    from jaxgen.training.batches import make_batch

    batch = make_batch(opened.batching, jax.random.key(0), 0, np.arange(16), session.training_data(opened))
    assert batch.images.shape == (1, 1, 16, 2)
    rows = {tuple(row) for row in opened.train.images}
    assert all(tuple(row) in rows for row in np.asarray(batch.images).reshape(-1, 2))


def test_wasserstein_is_the_shift_of_a_shifted_set():
    real = np.random.default_rng(0).normal(size=(2_000, 1)).astype(np.float32)
    views = {"points": lambda ids: (real + 0.3)[ids % 2_000]}
    settings = tiny().evaluation
    settings.num_samples = 2_000
    found = evaluate(settings, ImageSource(real, split="own"), views, progress=False)
    assert found["wasserstein_1d"]["value"] == pytest.approx(0.3, abs=1e-6)
    assert "does not have them" in found["_skipped"]["modes"]
    plane = np.zeros((2_000, 2), np.float32)
    found = evaluate(settings, ImageSource(plane, split="own"), {"points": lambda ids: plane[ids]}, progress=False)
    assert "one dimension" in found["_skipped"]["wasserstein_1d"]
