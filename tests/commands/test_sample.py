"""--mode=sample beyond numbered samples: seeds, truncation, style mixing, video."""

import contextlib
import functools
import json
import shutil
import subprocess
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxgen.commands import painter as painter_module
from jaxgen.commands import project, sample, sample_request, styles_file, train
from jaxgen.commands.painter import Painter, closed_path, kept_long, seeded_latents
from jaxgen.devices import parallel, processes
from jaxgen.errors import UserError
from jaxgen.models.stylegan2.layers import broadcast
from jaxgen.ops.pixels import to_uint8
from jaxgen.pictures import video
from jaxgen.recipes import stylegan2_views
from jaxgen.recipes.base import Average
from jaxgen.runs import restoring, run_views, session
from tests.helpers import stylegan2_golden as golden_arrays
from tests.helpers import stylegan2_runs
from tests.helpers.stylegan2_runs import tiny


@pytest.fixture(scope="module")
def run():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painter_module, "_BATCH", 2)  # one shape for most of what is computed here
        yield stylegan2_runs.run(tiny())


@pytest.fixture
def painted(run):
    """`painted(seeds=(1, 2))`: a painter by these keys of `config.sample`."""

    def make(**changes):
        config = tiny(**{f"sample__{key}": value for key, value in changes.items()})
        return Painter(run.opened, run.players, sample_request.request_of(config.sample))

    return make


@pytest.fixture(scope="module")
def by_hand(run):
    """(seeds, classes, changed styles, noise) -> images as the network makes them, by its modules alone."""
    views = run.opened.recipe.views

    def show(ws, noise):
        return to_uint8(views["synthesis"](run.players, ws, noise))

    compiled = jax.jit(show, static_argnums=1)

    def make(seeds, classes, change=lambda ws: ws, noise="const"):
        z = np.stack([np.random.RandomState(seed).randn(1, 8)[0] for seed in seeds]).astype(np.float32)
        w = views["mapping"](run.players, jnp.asarray(z), jnp.asarray(classes))
        return np.asarray(compiled(change(np.array(broadcast(w, 4))), noise)).astype(int)

    return make


@pytest.mark.full
def test_a_seed_is_a_random_state(painted, by_hand):
    latents = seeded_latents((85, 3), 8)
    np.testing.assert_array_equal(latents[0], np.random.RandomState(85).randn(1, 8)[0].astype(np.float32))
    images = painted(seeds=(85, 3)).of_seeds((85, 3))
    assert np.abs(images - by_hand((85, 3), (5, 3))).max() <= 1  # the class: the seed modulo ten
    other = painted(seeds=(3, 4)).of_seeds((3, 4))
    assert np.abs(other[0].astype(int) - images[1]).max() <= 1  # whatever its place
    of_class = painted(seeds=(85, 3), label=7).of_seeds((85, 3))
    assert np.abs(of_class - by_hand((85, 3), (7, 7))).max() <= 1
    assert np.abs(of_class.astype(int) - images).max() > 5


def test_truncation_pulls_the_first_layers_to_the_average(run, painted, by_hand):
    average = np.asarray(run.players["ema"].stats["w_avg"])

    def truncated(ws):
        ws[:, :3] = average + 0.5 * (ws[:, :3] - average)
        return ws

    images = painted(truncation=0.5, truncation_cutoff=3).of_seeds((1, 2))
    assert np.abs(images - by_hand((1, 2), (1, 2), truncated)).max() <= 1
    everywhere = painted(truncation=0.0).of_seeds((11, 21))
    np.testing.assert_array_equal(everywhere[0], everywhere[1])  # one class, one average


def test_noise_modes(painted, by_hand):
    none = painted(noise_mode="none").of_seeds((1, 2))
    assert np.abs(none - by_hand((1, 2), (1, 2), noise="none")).max() <= 1
    const, fresh = (painted(noise_mode=mode).of_seeds((1, 1, 2)).astype(int) for mode in ("const", "random"))
    assert np.abs(const[:2] - none[:1]).max() > 3
    np.testing.assert_array_equal(fresh[0], fresh[1])  # of the seed, not of its place
    assert np.abs(fresh[0] - const[0]).max() > 3


def test_style_mixing_takes_layers_from_the_columns(painted, by_hand):
    rows, columns = (1, 2), (13, 4, 5)
    options = {"style_mixing_rows": rows, "style_mixing_columns": columns}
    matrix = painted(**options, style_mixing_layers="1-2").style_mixing().astype(int)
    assert matrix.shape == (3, 4, 8, 8, 1)
    assert (matrix[0, 0] == 255).all()
    sources = by_hand((1, 2, 13, 4, 5), (1, 2, 3, 4, 5))
    assert np.abs(matrix[1:, 0] - sources[:2]).max() <= 1
    assert np.abs(matrix[0, 1:] - sources[2:]).max() <= 1

    def mixed(ws):
        ws[0, 1:3] = ws[1, 1:3]
        return ws

    assert np.abs(matrix[2, 1] - by_hand((2, 13), (2, 3), mixed)[0]).max() <= 1
    everything = painted(**options, style_mixing_layers="0-3").style_mixing()[1:, 1:].astype(int)
    assert np.abs(everything - sources[None, 2:]).max() <= 1  # all layers are the column's
    assert np.abs(matrix[1:, 1:] - sources[None, 2:]).max() > 5


@pytest.mark.full
@golden_arrays.needs_golden
def test_images_and_truncated_styles_are_the_reference_s(painted):
    golden = golden_arrays.load("cifar_like")
    average = golden.g["w_avg"]["mapping"]["w_avg"]
    views = stylegan2_views.views(
        lambda params, latents, labels: golden_arrays.map_latents(golden, params, latents, labels),
        lambda params, stats, ws, noise: golden.model.synthesis.apply(
            {"params": params["synthesis"], "noise": stats["noise"]}, ws, noise
        ),
        64,
        golden.model.num_ws,
    )
    state = {"ema": Average(golden.g["params"], {"w_avg": average, "noise": golden.g["noise"]["synthesis"]})}

    def both(latents):
        w = views["mapping"](state, latents)
        own = jax.tree.map(lambda maps: jnp.stack([maps] * len(w)), views["noise_maps"](state))
        return w, views["synthesis"](state, w, own), views["synthesis"](state, w, "none")

    w, images, noiseless = jax.jit(both)(golden.arrays["inputs/z"][0, 0])
    for shown, name in ((images, "const"), (noiseless, "none")):
        expected = golden.images(f"expect/image_noise_{name}")
        np.testing.assert_allclose(shown, expected, atol=1e-5 * np.abs(expected).max())
    for name, options in (("psi0.7", {"truncation": 0.7}), ("psi0.5_cutoff4", {"truncation": 0.5, "cutoff": 4})):
        painter = painted()
        painter.num_ws, painter._request = golden.model.num_ws, painter._request._replace(**options)
        painter._views = type("Views", (), {"w_average": staticmethod(lambda players: average)})
        expected = golden.arrays[f"expect/ws_{name}"]
        np.testing.assert_allclose(painter.styles(np.asarray(w)), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["spline", "slerp"])
def test_a_closed_path_passes_through_its_points(kind):
    points = np.random.default_rng(0).normal(size=(4, 5))
    path = closed_path(points, 10, kind)
    assert path.shape == (40, 5)
    np.testing.assert_allclose(path[::10], points, atol=1e-12)
    steps = np.linalg.norm(np.diff(np.concatenate([path, path[:1]]), axis=0), axis=1)
    assert steps.max() < 4 * np.median(steps)  # from the last frame to the first as between others


def test_a_spline_turns_smoothly_and_a_great_circle_keeps_its_length():
    angles = np.arange(8) * 2 * np.pi / 8
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    path = closed_path(circle, 200, "spline")
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=5e-3)
    speed = np.diff(np.concatenate([path, path[:2]]), axis=0)
    assert np.abs(np.diff(speed, axis=0)).max() < 0.01 * np.abs(speed).max()  # also where it closes
    np.testing.assert_allclose(np.linalg.norm(closed_path(circle, 200, "slerp"), axis=1), 1, atol=1e-12)


def test_latents_between_keep_their_length():
    points = np.random.default_rng(0).normal(size=(3, 50)) * [[1], [2], [3]]
    path = kept_long(closed_path(points, 4, "spline"), points, 4)
    np.testing.assert_allclose(path[::4], points, atol=1e-9)
    lengths = np.linalg.norm(points, axis=1)
    assert np.linalg.norm(path[2]) == pytest.approx((lengths[0] + lengths[1]) / 2)
    assert np.linalg.norm(path[11]) == pytest.approx(0.25 * lengths[2] + 0.75 * lengths[0])


def _frames():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 9, 3), dtype=np.uint8) // 64 * 64


def test_a_gif_has_all_frames_and_repeats(tmp_path):
    frames = _frames()[..., :1]
    video.save(iter(frames), tmp_path / "a.gif", 20)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (5, 50, 0)
        assert gif.size == (9 * 28, 7 * 28)
        for i in (0, 4):
            gif.seek(i)
            np.testing.assert_array_equal(np.asarray(gif.convert("L"))[::28, ::28], frames[i, ..., 0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_an_mp4_has_all_frames(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")
    import imageio_ffmpeg

    frames = _frames()[..., :1]
    video.save(iter(frames), tmp_path / "a.mp4", 20)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "a.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert b" 20 fps" in done.stderr
    shown = np.frombuffer(done.stdout, np.uint8).reshape(5, 7 * 28, 9 * 28, 3)
    assert np.abs(shown[:, 14::28, 14::28].astype(int) - frames).mean() < 4  # the codec loses some
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_mp4_without_its_library_is_refused(monkeypatch):
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None)
    video.check("gif")
    with pytest.raises(UserError, match=r"pip install 'jaxgen\[video\]'. Or set video=gif"):
        video.check("mp4")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": ("85-x",)}, "config.sample.seeds: '85-x' is no whole number"),
        ({"seeds": (-1,)}, "seeds: -1 is no whole number"),
        ({"seeds": (1.5,)}, "seeds: 1.5 is no whole number"),
        ({"seeds": (2**32,)}, "4294967296 is more than 4294967295"),
        ({"style_mixing_rows": (1,)}, "style_mixing_columns is empty"),
        ({"style_mixing_layers": "0,2"}, "style_mixing_layers='0,2': a range"),
        ({"noise_mode": "constant"}, "did you mean 'const'"),
        ({"video": "avi", "seeds": (1, 2)}, "choices: mp4, gif"),
        ({"video": "gif", "seeds": (1,)}, "Name two or more in config.sample.seeds"),
        ({"truncation": float("nan")}, "config.sample.truncation=nan"),
        ({"truncation_cutoff": 2}, "changes nothing at config.sample.truncation=1.0"),
        ({"label": -2}, "config.sample.label=-2"),
    ],
)
def test_what_no_model_can_do_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        sample_request.request_of(tiny(**{f"sample__{key}": value for key, value in changes.items()}).sample)


STYLED = ("sample", "latents", "decode", "mapping", "synthesis")


@pytest.mark.parametrize(
    ("views", "changes", "words"),
    [
        (("sample", "latents", "decode"), {"truncation": 0.5}, "truncation=0.5 is for models with styles"),
        (("sample", "latents", "decode"), {"styles": "w.npz"}, "styles='w.npz' is for models with styles"),
        (("sample", "latents", "decode"), {"seeds": (1,), "noise_mode": "none"}, "noise_mode='none' is for models"),
        (("sample", "reconstruct"), {"seeds": (1,)}, "config.sample.seeds: the recipe 'stylegan2' has no latents"),
        (("points", "latents", "decode"), {"seeds": (1,)}, "digits has vectors"),
        (STYLED, {"label": 3, "_conditional": False}, "config.sample.label=3: the model knows no classes"),
        (STYLED, {"label": 10}, "classes are 0 to 9"),
        (STYLED, {"style_mixing_rows": (1,), "style_mixing_columns": (2,)}, "layers='0-6': .* layers are 0 to 3"),
        (STYLED, {"truncation": 0.5, "truncation_cutoff": 5}, "truncation_cutoff=5: this network has 4"),
        (
            STYLED,
            {"seeds": (1,), "latent_sampler": "normal"},
            "It does not work with config.sample.latent_sampler='normal'",
        ),
    ],
)
def test_what_this_model_cannot_do_is_refused(views, changes, words):
    config = tiny(model__conditional=changes.pop("_conditional", True))
    config.sample.update(changes)
    recipe = SimpleNamespace(facts={"synthesis": {"num_ws": 4}})
    opened = SimpleNamespace(config=config, views=SimpleNamespace(names=views), num_classes=10, recipe=recipe)
    with pytest.raises(UserError, match=words):
        sample_request.check(sample_request.request_of(config.sample), opened)


def _files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def write(run, monkeypatch, tmp_path):
    """`write(seeds=(1,))` runs the mode and gives the folder of samples."""

    def make(**changes):
        monkeypatch.setattr(restoring, "open_finished", run.checkpoint)
        config = tiny(**{f"sample__{key}": value for key, value in changes.items()})
        sample.sample(config, tmp_path, "latest")
        return tmp_path / "samples"

    return make


def test_seeds_matrix_and_video_are_written_under_their_names(write, painted):
    options = {"seeds": (85, "3-4"), "truncation": 0.7, "label": 2}
    mixing = {"style_mixing_rows": (1,), "style_mixing_columns": (2, 3), "style_mixing_layers": "0-1"}
    folder = write(**options, **mixing, video="gif", video_frames=2)
    stem = "seeds_truncation0.7_class2"
    assert _files(folder) == {
        *(f"{stem}/seed{seed}.png" for seed in ("0085", "0003", "0004")),
        *(f"{stem}.png", f"{stem}.gif", "style_mixing_0-1_truncation0.7_class2.png"),
    }
    with Image.open(folder / stem / "seed0085.png") as picture:
        expected = painted(**options).of_seeds((85,))[0, ..., 0]
        assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 1
    with Image.open(folder / "style_mixing_0-1_truncation0.7_class2.png") as picture:
        assert picture.size == (3 * 50 + 2, 2 * 50 + 2)  # tiles of 48 pixels
    with Image.open(folder / f"{stem}.gif") as gif:
        assert gif.n_frames == 6
        first = np.asarray(gif.convert("L"))[::32, ::32]
    assert np.abs(first.astype(int) - expected).max() <= 1  # the way starts at the first seed


@pytest.mark.parametrize("name", ["w", "w_plus"])
def test_styles_of_a_file_make_their_images_again(write, painted, tmp_path, name):
    """As a projection leaves them; truncation, which is for what a seed gives, does not touch them."""
    painter = painted(seeds=(1, 2))
    w = painter.w(seeded_latents((1, 2), 8), painter.classes((1, 2)))
    ws = np.repeat(w[:, None], 4, axis=1)
    np.savez(tmp_path / "projections.npz", **{name: w if name == "w" else ws}, targets=np.zeros(3))
    folder = write(styles=str(tmp_path / "projections.npz"), truncation=0.5)
    assert _files(folder) == {"projections/000000.png", "projections/000001.png", "projections.png"}
    for i, expected in enumerate(painter.of_seeds((1, 2))[..., 0]):
        with Image.open(folder / "projections" / f"{i:06d}.png") as picture:
            assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (None, "no such file"),
        (b"no zip", "cannot be read"),
        (np.zeros((1, 8)), "is a single array"),
        ({"z": np.zeros((1, 8))}, "holds z, but no array 'w' or 'w_plus'"),
        ({"w": np.zeros((1, 6, 8))}, r"w is \[1, 6, 8\], but this network's styles are \[n, 4, 8\] or \[n, 8\]"),
        ({"w": np.zeros((0, 8))}, r"w is \[0, 4, 8\]"),
        ({"w_plus": np.full((1, 4, 8), np.nan)}, "w_plus is not finite"),
    ],
)
def test_a_file_of_other_things_is_refused(tmp_path, arrays, words):
    path = tmp_path / "file.npz"
    if isinstance(arrays, dict):
        np.savez(path, **arrays)
    elif isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays is not None:
        path.write_bytes(b"")
        with path.open("wb") as file:
            np.save(file, arrays)
    with pytest.raises(UserError, match=f"config.sample.styles=.*{words}"):
        styles_file.read(str(path), 4, 8)


def test_numbered_samples_with_options_share_latents_and_noise_with_those_without(run, write):
    folder = write(noise_mode="random", num_images=3, rows=2, columns=2)
    assert _files(folder) == {
        *(f"images_noise_random/{i:06d}.png" for i in range(3)),
        *(f"{name}_noise_random.png" for name in ("grid", "interpolation", "traversal")),
    }
    key = run_views.evaluation_key(run.opened.config)
    expected = np.asarray(run.opened.views.sample(run.players, key, np.arange(3)))
    for i, image in enumerate(expected):
        with Image.open(folder / "images_noise_random" / f"{i:06d}.png") as picture:
            assert np.abs(np.asarray(picture).astype(int) - image[..., 0]).max() <= 1


def test_other_models_take_seeds_and_make_videos_in_z(tiny_config, monkeypatch, tmp_path):
    config = tiny_config()
    config.sample.update({"seeds": (1, 2), "video": "gif", "video_frames": 3})
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, 0)

    @contextlib.contextmanager
    def checkpoint(config, folder, which, needs_images=True, check=lambda opened: None):
        yield opened, state, 0

    monkeypatch.setattr(restoring, "open_finished", checkpoint)
    sample.sample(config, tmp_path, "latest")
    assert _files(tmp_path / "samples") == {"seeds/seed0001.png", "seeds/seed0002.png", "seeds.png", "seeds.gif"}
    z = np.stack([np.random.RandomState(seed).randn(1, 8)[0] for seed in (1, 2)])
    expected = np.asarray(opened.views.decode(state.players, z, np.zeros(2)))[..., 0]
    for i, seed in enumerate((1, 2)):
        with Image.open(tmp_path / "samples" / "seeds" / f"seed{seed:04d}.png") as picture:
            assert np.abs(np.asarray(picture).astype(int) - expected[i]).max() <= 1
    with Image.open(tmp_path / "samples" / "seeds.gif") as gif:
        gif.seek(3)
        assert np.abs(np.asarray(gif.convert("L"))[::32, ::32].astype(int) - expected[1]).max() <= 1


@pytest.mark.parametrize("mode", [sample.sample, project.project])
def test_files_of_samples_and_projections_are_made_by_one_process(monkeypatch, tiny_config, tmp_path, mode):
    monkeypatch.setattr(processes, "are_several", lambda: True)
    with pytest.raises(UserError, match=r"--distributed: one process writes samples and projections"):
        mode(tiny_config(), tmp_path, "latest")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def trained_on_folder(tiny_config, tmp_path_factory):
    """`trained_on_folder("gan")`: a config and the folder of its run on images that are gone."""

    @functools.cache
    def train_on(recipe):
        base = tmp_path_factory.mktemp(recipe)
        rng = np.random.default_rng(0)
        for i in range(32):
            path = base / "images" / f"class{i % 2}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(path)
        config = tiny_config(recipe)
        config.data.update({"name": "folder", "dir": str(base / "images"), "channels": 1, "limit": 0})
        config.data.update({"cache_dir": str(base / "cache"), "test_split": "train"})
        config.update({"steps": 5, "sample_every": 0, "histogram_every": 0, "log_every": 5, "checkpoint_every": 5})
        config.evaluation.pictures = False
        config.sample.update({"num_images": 3, "rows": 2, "columns": 2})
        train.train(config, base / "run")
        sample.sample(config, base / "run", "latest")
        shutil.copytree(base / "run" / "samples", base / "with_data")
        shutil.rmtree(base / "run" / "samples")
        for name in ("images", "cache"):
            shutil.rmtree(base / name)
        return config, base / "run"

    return train_on


@pytest.mark.parametrize("recipe", ["gan", pytest.param("vae", marks=pytest.mark.full)])
def test_samples_are_made_where_the_data_are_gone(trained_on_folder, caplog, recipe):
    config, folder = trained_on_folder(recipe)
    config = config.copy_and_resolve_references()
    sample.sample(config, folder, "latest")
    before, after = folder.parent / "with_data", folder / "samples"
    missing = {"traversal.png"} if recipe == "vae" else set()  # which starts at a test image
    assert _files(before) - missing == _files(after) >= {"images/000002.png", "step_0000005.png", "interpolation.png"}
    for name in _files(after):
        assert (after / name).read_bytes() == (before / name).read_bytes(), name
    config.sample.seeds = (3, 4)
    sample.sample(config, folder, "latest")
    assert {"seeds/seed0003.png", "seeds/seed0004.png", "seeds.png"} <= _files(after)
    if recipe == "vae":
        config.sample.update({"seeds": (), "latent_sampler": "normal"})
        with pytest.raises(UserError, match="images"):  # fitted to the training images
            sample.sample(config, folder, "latest")


def test_a_run_that_does_not_say_what_its_images_are_like_has_its_data_opened(trained_on_folder, tmp_path):
    config, trained = trained_on_folder("gan")
    folder = shutil.copytree(trained, tmp_path / "run")
    path = folder / "config.json"
    contents = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in contents.items() if key != "example_shape"}))
    with pytest.raises(UserError, match="images"):
        sample.sample(config, folder, "latest")
