"""A user's own files, exactly as the pages of docs/extend/ show them: each config trains and is evaluated."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxgen

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "extend").glob("*.md"))
# The distance by the page's own feature network costs next to nothing.
SMALL = {
    "evaluation.extractor": "mine.tiles",
    "steps": 20,
    "log_every": 10,
    "sample_every": 20,
    "checkpoint_every": 20,
    "compilation_cache": "",
    "data.image_size": 8,
    "evaluation.num_samples": 32,
    "evaluation.batch_size": 32,
    "evaluation.pictures": False,
    "evaluation.allow_few_samples": True,
}


def files_of(page: Path) -> dict[str, str]:
    """The Python files that a page shows, by their names."""
    text = page.read_text(encoding="utf-8")
    return dict(re.findall(r"^```python title=\"([^\"]+)\"\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


FILES = {name: text for page in PAGES for name, text in files_of(page).items()}
CONFIGS = sorted(name for name in FILES if name.startswith("my_"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The user's folder, outside the project, on the path as `python -m jaxgen.main` has it."""
    folder = tmp_path_factory.mktemp("home")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
        for name in [*sys.modules]:
            if name.partition(".")[0] == "mine":
                patch.delitem(sys.modules, name)


def trained(home, name, folder="", **changes):
    """The run of a page's config, in small: its lines of metrics.jsonl, its evaluation, and itself."""
    config = jaxgen.experiment(str(home / name))
    config.update_from_flattened_dict(SMALL | {key.replace("__", "."): value for key, value in changes.items()})
    run = jaxgen.train(config, home / "runs" / (folder or Path(name).stem))
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(config.log_every, config.steps + 1, config.log_every))
    return lines, json.loads((run.folder / "evaluation.json").read_text()), run


def test_every_page_has_a_complete_example():
    parts = {page.stem: sorted(files_of(page)) for page in PAGES if page.stem != "index"}
    assert set(parts) == {"model", "loss", "data", "metric", "recipe"}
    for page, names in parts.items():
        assert any(name.startswith("my_") for name in names), page
        assert any(name.startswith("mine/") for name in names), page
    commands = re.findall(r"^```bash\n(.*?)^```$", "".join(map(Path.read_text, PAGES)), re.MULTILINE | re.DOTALL)
    used = set(re.findall(r"\bmine\.(\w+)", " ".join([*(FILES[name] for name in CONFIGS), *commands])))
    assert used == {Path(name).stem for name in FILES if name.startswith("mine/")}


def test_every_config_has_a_test():
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in CONFIGS if f'"{name}"' not in tests] == []


def test_no_file_is_shown_in_two_forms():
    shown = [(name, text) for page in PAGES for name, text in files_of(page).items()]
    assert all(FILES[name] == text for name, text in shown)


@pytest.mark.full
def test_own_model_by_the_command_of_its_page(home):
    command = [sys.executable, "-m", "jaxgen.main", "--config", "my_model.py", "--config.model.hidden=32"]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    flags = [f"--config.{key}={value}" for key, value in SMALL.items()] + ["--config.evaluation.metrics=('fid',)"]
    done = subprocess.run(
        [*command, *flags], cwd=home, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    evaluation = json.loads((home / "runs" / "my_model" / "evaluation.json").read_text())
    # D: (8 * 8) * 32 + 32 weights and biases, then 32 + 1; G: 100 * 32 + 32, then 32 * 64 + 64.
    assert evaluation["_run"]["parameters"] == {"d": 64 * 32 + 32 + 33, "g": 100 * 32 + 32 + 32 * 64 + 64}
    assert evaluation["fd_tiles"]["n_fake"] == 32


@pytest.mark.full
def test_own_loss_and_penalty(home):
    lines, _, _ = trained(home, "my_loss.py", evaluation__metrics=())
    # At the start every logit is near 0, where label smoothing leaves 2 log 2 as it is.
    assert 1.0 < lines[0]["loss_d"] < 2.0
    assert lines[0]["penalty_d"] >= 0


@pytest.mark.full
def test_own_likelihood_and_regularizer(home):
    lines, evaluation, _ = trained(home, "my_vae.py")
    assert all(line["size_of_codes"] > 0 for line in lines)
    assert lines[1]["loss"] < lines[0]["loss"]
    assert evaluation["psnr"]["value"] > 5


@pytest.mark.full
def test_own_data(home):
    _, evaluation, run = trained(home, "my_data.py", model__width=8, evaluation__metrics=("fid",))
    assert evaluation["fd_tiles"]["split"] == "mine.bars:test"
    assert evaluation["fd_tiles"]["n_real"] == 64
    assert run.sample(2).shape == (2, 8, 8, 1)


@pytest.mark.full
def test_own_metric_and_feature_network(home):
    _, evaluation, _ = trained(home, "my_metric.py", model__width=8)
    assert 0 < evaluation["mine.gray_share"]["value"] <= 1
    assert evaluation["mine.gray_share"]["n_fake"] == 32
    assert evaluation["fd_tiles"]["value"] > 0
    assert evaluation["fd_tiles"]["feature_size"] == 16
    assert "fid" not in evaluation
    assert "reconstruct" in evaluation["_skipped"]["psnr"]


@pytest.mark.full
def test_own_recipe_trains_reconstructs_samples_and_is_evaluated(home):
    longer = {"steps": 200, "log_every": 100, "sample_every": 200, "checkpoint_every": 200}
    (first, last), evaluation, run = trained(home, "my_denoising.py", evaluation__metrics=("psnr", "fid"), **longer)
    assert last["loss"] < 0.8 * first["loss"]
    assert evaluation["psnr"]["value"] > 15
    assert evaluation["fd_tiles"]["n_fake"] == 32
    assert (run.folder / "samples" / "step_0000200.png").exists()
    images = run.sample(4, seed=1)
    assert images.shape == (4, 8, 8, 1)
    assert len(np.unique(images.reshape(4, -1), axis=0)) == 4


@pytest.mark.full
def test_own_recipe_is_the_same_on_two_devices(home):
    losses = []
    for devices in (1, 2):
        lines, _, _ = trained(
            home, "my_denoising.py", folder=f"on_{devices}", num_devices=devices, evaluation__metrics=()
        )
        losses.append([line["loss"] for line in lines])
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.full
def test_own_view_is_measured_by_the_own_metric_that_needs_it(home):
    _, evaluation, _ = trained(home, "my_fading.py", data__limit=100, model__width=8)
    record = evaluation["mine.fade_change"]
    assert evaluation["_skipped"] == {}
    assert (record["view"], record["n_real"], record["n_fake"]) == ("fade", 32, 32)
    assert 0 < record["value"] < 128  # half of the largest change of a gray level


@pytest.mark.full
def test_own_recipe_holds_the_generator_still(home):
    small = {"recipe__name": "mine.head_start", "model__width": 8, "evaluation__metrics": (), "steps_per_dispatch": 5}
    cadences = {"log_every": 5, "sample_every": 0, "checkpoint_every": 5, "keep_checkpoints": 4}
    config = jaxgen.experiment("dcgan_digits")
    changes = SMALL | {key.replace("__", "."): value for key, value in (small | cadences).items()}
    config.update_from_flattened_dict(changes)
    config.steps = 15
    folder = jaxgen.train(config, home / "runs" / "head_start").folder
    states = [jaxgen.load(folder, step)._players for step in (5, 10, 15)]
    for name, changed in (("g", (False, True)), ("d", (True, True))):
        for before, after, moved in zip(states, states[1:], changed, strict=False):
            same = jax.tree.map(np.array_equal, before[name].params, after[name].params)
            assert all(jax.tree.leaves(same)) != moved
