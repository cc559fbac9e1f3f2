"""--mode=project in w and W+: what it writes, and what it refuses."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgen.commands import project, run_request
from jaxgen.commands.project import targets_of
from jaxgen.errors import UserError
from jaxgen.metrics import feature_distance
from jaxgen.metrics.psnr import psnr
from jaxgen.runs import restoring, session
from tests.helpers import stylegan2_runs
from tests.helpers.stylegan2_runs import tiny

CHANGES = {"num_images": 5, "w_steps": 20, "w_samples": 50, "perceptual": ""}


def _config(**changes):
    return tiny(**{f"project__{key}": value for key, value in {**CHANGES, **changes}.items()})


@pytest.fixture(scope="module")
def run():
    return stylegan2_runs.run(tiny())


@pytest.mark.full
def test_latents_images_numbers_and_pictures_are_written(run, monkeypatch, tmp_path):
    space = "w_plus"
    monkeypatch.setattr(restoring, "open_finished", run.checkpoint)
    # Features of a real network take long to compile; that they are measured of the pairs is tested elsewhere.
    monkeypatch.setattr(feature_distance, "EXTRACTOR", None)
    monkeypatch.setattr(feature_distance, "start", lambda context: _Nothing())
    config = _config(space=space)
    project.project(config, tmp_path, "latest")
    found = np.load(tmp_path / f"projections_{space}.npz")
    assert found[space].shape == (5, 4, 8)
    maps = {name: found[name].shape for name in found if name.startswith("noise/")}
    assert maps == {"noise/b4.conv1": (5, 4, 4), "noise/b8.conv0": (5, 8, 8), "noise/b8.conv1": (5, 8, 8)}
    np.testing.assert_array_equal(found["targets"], run.opened.test.images[:5])
    results = json.loads((tmp_path / f"projection_{space}.json").read_text())
    record = results[f"psnr_inversion_{space}"]
    assert record["value"] == pytest.approx(float(psnr(found["images"], found["targets"], 255).mean()), rel=1e-5)
    told = record["inversion"]
    assert (told["space"], told["steps"], told["noise_weight"], told["perceptual"]) == (space, 20, 1e5, "none")
    assert record["n_fake"] == 5
    assert results["_run"]["config"]["project"]["space"] == space
    assert "psnr_inversion" not in results
    # The images are those of the latents and maps that are kept.
    noise = {block: {} for block in ("b4", "b8")}
    for name in maps:
        block, layer = name.removeprefix("noise/").split(".")
        noise[block][layer] = {"noise_const": found[name]}
    synthesis = jax.jit(run.opened.recipe.views["synthesis"])
    shown = synthesis(run.players, found[space], noise)
    assert np.abs(np.clip(np.asarray(shown) * 127.5 + 128, 0, 255).astype(int) - found["images"]).max() <= 1
    distance = ((np.asarray(shown) - (found["targets"] / 127.5 - 1)) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(found["distance"], distance, rtol=1e-3)
    with Image.open(tmp_path / "samples" / f"projection_progress_{space}_0000007.png") as strip:
        assert strip.height > 5 * 50  # a row for each target, and a line of text
        assert strip.width >= 8 * 50 + 2  # the target, six on the way, the last one
    with Image.open(tmp_path / "samples" / f"projections_{space}_0000007.png") as pairs:
        assert pairs.size == (8 * 50 + 2, 2 * 50 + 2)


def test_images_of_one_s_own_come_in_the_model_s_size(run, tmp_path):
    rng = np.random.default_rng(0)
    for name, shape in (("a.png", (20, 16, 3)), ("b.jpg", (20, 16, 3))):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / name)
    gray = np.asarray(Image.open(tmp_path / "a.png").convert("L"))[2:18]  # the middle square
    expected = np.asarray(Image.fromarray(gray).resize((8, 8), Image.Resampling.LANCZOS))

    def targets(path, **changes):
        return targets_of(run.opened._replace(config=_config(images=str(path), **changes)))

    assert targets(tmp_path).images.shape == (2, 8, 8, 1)
    for one in (targets(tmp_path / "a.png"), targets(tmp_path, num_images=1)):
        np.testing.assert_array_equal(one.images, expected[None, ..., None])
    for path, words in ((tmp_path / "c.png", "no such file"), (tmp_path / "d.npz", "no such file")):
        with pytest.raises(UserError, match=f"config.project.images.*{words}"):
            targets(path)
    np.save(tmp_path / "points.npy", np.zeros((5, 2), np.float32))
    with pytest.raises(UserError, match="holds no images"):
        targets(tmp_path / "points.npy")


class _Nothing:
    def update(self, batch):
        assert batch.real.shape == batch.fake.shape

    def result(self):
        return {"value": 0.0, "spread": None, "spread_kind": "none"}


def test_the_start_is_the_mean_w_of_the_target_s_own_class(run):
    from jaxgen.commands.style_projection import StyleSearch

    opened = run.opened._replace(config=_config(space="w"))
    search = StyleSearch(opened, run.players, targets_of(opened))
    labels = run.opened.test.labels
    assert list(search._labels(np.array([0, 3, 1]))) == [labels[0], labels[3], labels[1]]
    z = np.random.RandomState(123).randn(50, 8)
    for label in (2, 7):
        w = np.asarray(run.opened.views.mapping(run.players, z, np.full(50, label)))
        mean, deviation = search._start(label)
        np.testing.assert_allclose(mean, w.mean(0), atol=1e-4)
        assert deviation == pytest.approx(np.sqrt(((w - w.mean(0)) ** 2).sum(1).mean()), rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": "w+"}, "config.project.space='w\\+' is unknown"),
        ({"space": "w", "pixel_weight": 0.0}, "leave nothing to minimise"),
        ({"space": "w", "noise_weight": -1.0}, "config.project.noise_weight=-1.0"),
        ({"space": "w", "perceptual": "vgg"}, "config.project.perceptual='vgg' is unknown: choices: eff"),
        ({"space": "w", "perceptual": "lpips_vgg"}, "its VGG16 needs images of 16 pixels"),
    ],
)
def test_refuses(run, monkeypatch, tmp_path, changes, words):
    monkeypatch.setattr(restoring, "open_finished", run.checkpoint)
    config = _config(**changes)

    def projected():
        run_request.check_projection(config.project)  # before anything is opened
        project.project(config, tmp_path, "latest")

    with pytest.raises(UserError, match=words):
        projected()
    assert not list(tmp_path.iterdir())


def test_other_models_have_no_w(run, monkeypatch, tmp_path, tiny_config):
    config = tiny_config()
    config.project.space = "w_plus"
    opened = session.open_session(config)
    monkeypatch.setattr(restoring, "open_finished", run._replace(opened=opened).checkpoint)
    with pytest.raises(UserError, match=r"config.project.space='w_plus' is for models with styles .*\. dcgan has none"):
        project.project(config, tmp_path, "latest")
