"""The command line as a user meets it: one line and exit code 2 for bad input, and every mode on a tiny run."""

import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgen import evaluate
from jaxgen.files import workdir
from jaxgen.training import checkpoint
from tests.helpers.in_process import Ended, error_line, run_main

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
ROOT = Path(__file__).parents[2]
VAE = ("--config.recipe.name=vae", "--config.model.name=conv_vae", "--config.model.batch_norm=False")


@pytest.fixture
def command(monkeypatch, capsys):
    """`command("--mode=sample", ...) -> Ended`, in this process."""
    return partial(run_main, monkeypatch, capsys)


@pytest.fixture
def tiny(tmp_path, write_tiny):
    """The file of a tiny config."""
    return write_tiny(tmp_path / "tiny.py", "config.num_devices = 1")


@pytest.fixture
def refused(command, tiny, tmp_path):
    """`refused("--config.steps=3") -> line`: checks exit code 2, one line, and that no work directory was made."""

    def run(*arguments, config=tiny, folder=tmp_path / "work"):
        ended = command("--config", config, "--workdir", folder, *arguments)
        assert not folder.exists()
        return error_line(ended)

    return run


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--config.stepz=3", ["--config.stepz", "did you mean 'steps'"]),
        ("--config.data.nam=x", ["--config.data.nam", "did you mean 'name'"]),
        ("--config.data.qqqq=x", ["--config.data.qqqq", "jaxgen/settings/default.py"]),
        ("--config.steps=1e3", ["--config.steps=1e3", "int"]),
        ("--config.batch_size=abc", ["--config.batch_size=abc", "int"]),
        ("--config.optimizers.vae.learning_rate=fast", ["--config.optimizers.vae.learning_rate=fast", "float"]),
        ("--config.data.flip=perhaps", ["--config.data.flip=perhaps", "oolean"]),
        ("--config.data=3", ["--config.data=3", "not a dict"]),
        ("--workdri=x", ["workdri", "Did you mean: workdir"]),
        ("--num_processes=two", ["--num_processes=two"]),
        ("--mode=trian", ["--mode='trian'", "did you mean 'train'", "evaluate, sample, project, benchmark"]),
        ("extra", ["'extra'", "--help"]),
        ("--config.model.name=dcgam", ["config.model.name", "did you mean 'dcgan'", "conv_vae, dcgan"]),
        ("--config.model.name=my.model", ["config.model.name", "no module 'my'", "PYTHONPATH"]),
        ("--config.model.name=os.path", ["config.model.name", "no build()"]),
        ("--config.recipe.name=gann", ["config.recipe.name", "did you mean 'gan'", "gan, stylegan2, vae"]),
        ("--config.recipe.loss=hing", ["config.recipe.loss", "did you mean 'hinge'", "least_squares"]),
        ("--config.data.name=mnits", ["data.name", "did you mean 'mnist'", "cifar10, covid_radiography"]),
        ("--config.data.name=folder", ["data.dir"]),
        ("--config.data.test_split=", ["data.test_split", "reference"]),
        ("--config.data.test_split=dev", ["data.test_split='dev'", "train, test"]),
        ("--config.evaluation.metrics=psnrr", ["evaluation.metrics", "did you mean 'psnr'", "ssim"]),
        ("--config.evaluation.metrics=psnr,ssim", ["evaluation.metrics", "('psnr','ssim')"]),
        ("--config.evaluation.metrics=os.path", ["evaluation.metrics", "posixpath has no NEEDS"]),
        ("--config.evaluation.metrics=fd_efficientnet_lite0", ["at least 2048 images", "allow_few_samples=True"]),
        ("--config.evaluation.num_samples=0", ["evaluation.num_samples=0", "at least 1"]),
        ("--config.optimizers.generator.name=adm", ["'adm'", "did you mean 'adam'", "rmsprop, sgd"]),
        ("--config.optimizers.generator.schedule=cos", ["'cos'", "constant, cosine, linear"]),
        ("--config.optimizers.vae.learning_rate=-1", ["optimizers.vae.learning_rate=-1", "0 or more"]),
        ("--config.steps=23", ["config.steps=23", "steps_per_dispatch=5", "use 25"]),
        ("--config.steps=0", ["config.steps=0", "at least 1"]),
        ("--config.seed=-1", ["config.seed=-1", "between 0 and 2^32 - 1"]),
        ("--config.evaluation.seed=-1", ["config.evaluation.seed=-1", "between 0 and 2^32 - 1"]),
        ("--config.data.workers=-3", ["config.data.workers=-3", "0 or more"]),
        ("--config.log_every=0", ["config.log_every=0"]),
        ("--config.num_devices=99", ["config.num_devices=99", "only 4"]),
        ("--config.grad_accum_steps=3", ["config.batch_size=16", "config.grad_accum_steps=3"]),
        ("--config.recipe.n_critic=2", ["share_fakes"]),
        ("--config.recipe.generator_batch=2", ["share_fakes"]),
        ("--config.recipe.ema_decay=1.5", ["ema_decay=1.5", "[0, 1)"]),
        ("--config.data.image_size=9", ["data.image_size", "9x9", "8, 10, 12"]),
        ("--config.model.width=0", ["config.model.width=0"]),
        ("--config.model.dropout=1.5", ["config.model.dropout=1.5"]),
        ("--config.model.name=conv_vae", ["'conv_vae'", "no GAN"]),
        ("--config.recipe.name=vae", ["'dcgan'", "no VAE"]),
        ("--config.compute_dtype=float16", ["float16", "bfloat16"]),
        ("--config.best_metric=psnr", ["best_metric", "eval_every"]),
        ("--config.alarms.stop=colapse", ["config.alarms.stop='colapse'", "did you mean 'collapse'"]),
        ("--config.alarms.collapse.patience=-1", ["config.alarms.collapse.patience=-1", "0 or more"]),
    ],
)
def test_bad_settings_are_one_line(refused, argument, words):
    line = refused(argument)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--config.num_devices=4", "--config.batch_size=18"), ["batch_size=18", "4 devices", "use 16"]),
        (("--config.num_devices=4", "--config.batch_size=24", "--config.grad_accum_steps=4"), ["parts", "4 devices"]),
        (("--config.best_metric=ssim", "--config.eval_every=10"), ["config.best_metric='ssim'", "psnr"]),
        (("--config.eval_every=5",), ["eval_every=5", "checkpoint_every=10"]),
        (("--config.optimizers.generator.weight_decay=0.1",), ["weight_decay", "adamw"]),
        (("--topology=v5e:2x4",), ["--topology=v5e:2x4", "--mode=train", "add --mode=plan"]),
        (("--seconds=10",), ["--seconds=10", "--mode=train", "budget.seconds"]),
        (("--seconds=0", "--mode=benchmark"), ["--seconds=0", "positive"]),
        (("--topology=h100:8", "--mode=benchmark"), ["--topology=h100:8", "--mode=benchmark"]),
        (("--checkpoint=best",), ["--checkpoint=best", "--mode=train", "evaluate, sample, project"]),
        (("--checkpoint=latest", "--mode=plan", "--topology=h100:8"), ["--checkpoint=latest", "--mode=plan"]),
    ],
)
def test_impossible_combinations_are_one_line(refused, arguments, words):
    line = refused(*arguments)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    c.stepz = 3\n    return c\n", [":6: unknown config key 'stepz'", "did you mean 'steps'"]),
        ("    c.data.nam = 'x'\n    return c\n", [":6: unknown config key 'nam'", "did you mean 'name'"]),
        ("    c.steps = 'many'\n    return c\n", [":6: TypeError", "int"]),
        ("    return 1 / 0\n", [":6: ZeroDivisionError: division by zero"]),
        ("    return open('/no/such')\n", [":6: FileNotFoundError", "/no/such"]),
        ("    return c +\n", [":6: SyntaxError"]),
        ("    return 3\n", ["returned int", "jaxgen.settings.default"]),
        ("    return None\n", ["returned NoneType", "jaxgen.settings.default"]),
        ("    return ConfigDict({'steps': 20})\n", ["is missing", "jaxgen.settings.default"]),
    ],
)
def test_mistakes_in_a_config_file_name_the_line(refused, tmp_path, body, words):
    path = tmp_path / "mine.py"
    head = "from jaxgen.settings import default\nfrom ml_collections import ConfigDict\n\ndef get_config():\n"
    path.write_text(f"{head}    c = default.get_config()\n{body}")
    line = refused(config=path)
    assert all(word in line for word in words), line


def test_a_config_without_get_config_or_file(refused, tmp_path, command):
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "get_config" in refused(config=empty)
    assert "no such file" in refused(config=tmp_path / "missing.py")
    assert "no such file" in refused(config=tmp_path)
    assert "--config is missing" in error_line(command("--workdir", tmp_path / "work"))
    assert "Missing value" in error_line(command("--config"))


def test_missing_labels_and_an_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    folder = ("--config.data.name=folder", "--config.data.cache_dir=" + str(tmp_path / "cache"))
    assert "no image" in refused(*folder, f"--config.data.dir={tmp_path / 'empty'}")
    for split in ("train", "test"):
        (tmp_path / "flat" / split).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / "flat" / split / f"{i}.png")
    line = refused(*folder, f"--config.data.dir={tmp_path / 'flat'}", "--config.data.labels=True")
    assert "no labels" in line
    assert "data.labels=False" in line


def test_a_workdir_that_cannot_be(command, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert "--workdir" in error_line(command("--config", tiny, "--workdir", folder))
    if os.geteuid():  # root writes everywhere
        (tmp_path / "closed").mkdir(mode=0o500)
        assert "cannot be written" in error_line(command("--config", tiny, "--workdir", tmp_path / "closed"))


@pytest.mark.parametrize("mode", ["evaluate", "sample"])
def test_modes_that_need_a_run_make_nothing_without_one(refused, command, tiny, tmp_path, mode):
    assert "Train first" in refused(f"--mode={mode}")
    folder = tmp_path / "begun"
    folder.mkdir()
    ended = command("--config", tiny, "--workdir", folder, f"--mode={mode}")
    assert "no config.json" in error_line(ended)
    assert not list(folder.iterdir())


def _a_file(path):
    path.write_text("")


def _runs_below(path):
    for name in "ab":
        (path / name).mkdir(parents=True)
        (path / name / "config.json").write_text("{}")


def _empty_config(path):
    path.mkdir()
    (path / "config.json").write_text("")


def _folder_as_config(path):
    (path / "config.json").mkdir(parents=True)


def _type_of_another_version(path):
    path.mkdir()
    (path / "config.json").write_text('{"config": {"steps": "many"}}')


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no run there (there is no such folder)"),
        (_a_file, "no run there (it is a file)"),
        (Path.mkdir, "no run there (no config.json)"),
        (_runs_below, "no run there (no config.json, but the runs a, b)"),
        (_empty_config, "config.json is unreadable: it is empty. Bring it back from a copy"),
        (_folder_as_config, "config.json is unreadable: a folder is in its place"),
        (_type_of_another_version, 'config.json is unreadable: config.steps is "many", where a value like'),
    ],
)
def test_a_workdir_alone_says_why_it_names_no_run(command, tiny, tmp_path, make, words):
    folder = tmp_path / "named"
    make(folder)
    line = error_line(command("--workdir", folder, "--mode=sample"))
    assert words in line
    assert str(folder) in line
    assert "--config is missing" not in line
    assert "run_config.py" not in line
    assert words in error_line(command("--config", tiny, "--workdir", folder, "--mode=sample"))


@pytest.fixture(scope="session")
def own_process(start_process):
    """`own_process("--mode=sample", ...) -> Ended` of a process of its own."""

    def run(*arguments):
        process = start_process("-m", "jaxgen.main", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=300)
        return Ended(process.returncode, out, err)

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory, write_tiny, own_process):
    """Config file and work directory of a finished VAE run, made by a real process."""
    base = tmp_path_factory.mktemp("trained")
    config = write_tiny(base / "tiny.py", "config.num_devices = 1")
    ended = own_process("--config", config, "--workdir", base / "run", *VAE, "--config.report=True")
    assert ended.code == 0, ended
    return config, base / "run", ended


def test_a_run_leaves_the_work_directory_of_the_contract(trained):
    _, folder, ended = trained
    config = json.loads((folder / "config.json").read_text())
    assert config["config"]["model"]["name"] == "conv_vae"
    assert {"packages", "commit", "device", "seeds", "python"} <= set(config)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["seed"]) for line in lines] == [(10, 0), (20, 0)]
    assert all(isinstance(value, int | float) for line in lines for value in line.values())
    assert {"loss", "negative_elbo", "kl", "grad_norm"} <= set(lines[0])
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["10", "20"]
    assert {"step_0000020.png", "reconstructions_0000020.png", "interpolation.png", "traversal.png"} <= {
        path.name for path in (folder / "samples").iterdir()
    }
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert {"value", "spread", "n_real", "n_fake", "split", "seconds"} <= set(evaluation["psnr"])
    assert evaluation["_run"]["step"] == 20
    assert {"config", "packages", "commit", "device", "timing"} <= set(evaluation["_run"])
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    assert "trained 20 steps" in (folder / "log.txt").read_text()
    assert json.loads((folder / "timing.json").read_text())["images_per_s"] > 0
    assert "psnr" in ended.out
    assert "step 20/20 (100%)" in ended.err
    assert "\r" not in ended.err  # no progress bar where stderr is a pipe
    assert "checkpoint_manager" not in ended.err  # nor orbax's own log


def test_the_last_lines_say_what_a_run_made_and_what_comes_next(trained):
    _, folder, ended = trained
    _, found, last = ended.out.partition("Done: conv_vae on digits, 20 steps.")
    assert found
    psnr = json.loads((folder / "evaluation.json").read_text())["psnr"]["value"]
    assert f"psnr {psnr:.4g}" in last
    named = [word.rstrip(",") for word in last.partition("Next:")[0].split() if word.startswith(str(folder))]
    assert {Path(name).relative_to(folder).as_posix() for name in named[1:]} == {
        "samples/step_0000020.png",
        "samples/reconstructions_0000020.png",
        "evaluation.json",
        "evaluation/real_beside_fake.png",
        "report/index.html",
    }
    assert all(Path(name).exists() for name in named[1:])
    assert f"python -m jaxgen.main --workdir {folder} --mode=sample" in last
    page = (folder / "report" / "index.html").read_text()
    assert "conv_vae" in page
    assert "<img src=" in page


def in_tensorboard(folder, word):
    """Whether a name occurs in the event files, which keep names as they are."""
    return any(word.encode() in path.read_bytes() for path in (folder / "tensorboard").rglob("events.*"))


def test_evaluate_again_overwrites_the_evaluation_with_other_metrics(trained, command):
    config, folder, _ = trained
    before = json.loads((folder / "evaluation.json").read_text())
    lines = (folder / "metrics.jsonl").read_bytes()
    assert before["_run"]["config"]["evaluation"]["metrics"] == ["psnr"]
    assert in_tensorboard(folder, "_hparams_/session_start_info")
    assert in_tensorboard(folder, "final/psnr")
    (folder / "evaluation.json").unlink()
    more = ("--config.evaluation.metrics=('psnr','active_units')", "--config.evaluation.allow_few_samples=True")
    ended = command("--config", config, "--workdir", folder, *VAE, "--mode=evaluate", *more)
    assert ended.code == 0, ended
    after = json.loads((folder / "evaluation.json").read_text())
    assert after["psnr"]["value"] == before["psnr"]["value"]
    assert 0 <= after["active_units"]["value"] <= 8
    assert after["_run"]["step"] == 20
    assert after["_run"]["config"]["evaluation"]["metrics"] == ["psnr", "active_units"]
    assert in_tensorboard(folder, "final/active_units")
    assert (folder / "metrics.jsonl").read_bytes() == lines


def test_training_again_only_reports(trained, command):
    config, folder, _ = trained
    before = (folder / "metrics.jsonl").read_text()
    ended = command("--config", config, "--workdir", folder, *VAE)
    assert ended.code == 0, ended
    assert "resuming at step 20 of 20" in ended.err
    assert (folder / "metrics.jsonl").read_text() == before


def test_sample_writes_single_images_and_a_grid(trained, command):
    config, folder, _ = trained
    ended = command("--config", config, "--workdir", folder, *VAE, "--mode=sample", "--checkpoint=10")
    assert ended.code == 0, ended
    images = sorted((folder / "samples" / "images").glob("*.png"))
    assert [path.name for path in images] == [f"{i:06d}.png" for i in range(5)]
    with Image.open(images[0]) as image:
        assert (image.size, image.mode) == ((8, 8), "L")
    with Image.open(folder / "samples" / "step_0000010.png") as grid:
        assert min(grid.size) >= 3 * 8


def test_project_inverts_test_images_and_says_how_close(trained, command):
    config, folder, _ = trained
    options = ("--config.project.num_images=6", "--config.project.steps=40", "--config.project.restarts=2")
    ended = command("--config", config, "--workdir", folder, *VAE, "--mode=project", *options)
    assert ended.code == 0, ended
    results = json.loads((folder / "projection.json").read_text())
    assert {"psnr_inversion", "feature_distance_efficientnet_lite0_inversion", "_skipped", "_run"} == set(results)
    assert "11x11" in results["_skipped"]["ssim"]
    assert results["psnr_inversion"]["n_real"] == 6
    assert results["psnr_inversion"]["inversion"]["steps"] == 40
    with np.load(folder / "projections.npz") as arrays:
        error = (arrays["targets"].astype(float) - arrays["images"]) ** 2
        others = arrays["targets"].astype(float) - np.roll(arrays["images"], 1, axis=0)
        assert arrays["latents"].shape == (6, 8)
    expected = (10 * np.log10(255**2 / error.mean((1, 2, 3)))).mean()
    assert results["psnr_inversion"]["value"] == pytest.approx(expected, rel=1e-4)
    shuffled = (10 * np.log10(255**2 / (others**2).mean((1, 2, 3)))).mean()
    assert expected > shuffled + 0.3  # each inversion is of its own target
    assert (folder / "samples" / "projections_0000020.png").exists()


def test_a_run_is_a_source_for_the_evaluation_of_images(trained, tmp_path, capsys):
    _, folder, _ = trained
    out = tmp_path / "out.json"
    arguments = ["--real", "digits:test", "--fake", f"run:{folder}", "--metrics", "psnr,active_units,bits_per_dim"]
    size = ["--num_samples", "40", "--batch_size", "16", "--allow_few_samples"]
    assert evaluate.main([*arguments, *size, "--out", str(out)]) == 0, capsys.readouterr()
    results = json.loads(out.read_text())
    assert {"psnr", "active_units", "bits_per_dim"} <= set(results)
    assert results["bits_per_dim"]["n_real"] == 40
    assert results["_run"]["fake"] == f"run:{folder}"
    assert np.isfinite([results[name]["value"] for name in ("psnr", "bits_per_dim")]).all()


def test_benchmark_prints_json_and_writes_nothing(command, tiny, tmp_path):
    ended = command("--config", tiny, "--workdir", tmp_path / "work", "--mode=benchmark", "--seconds=0.001")
    assert ended.code == 0, ended
    result = json.loads(ended.out.splitlines()[-1])
    assert {"compile_s", "first_step_s", "step_ms", "images_per_s", "peak_memory_mb", "flops_per_step"} <= set(result)
    assert (result["steps_per_dispatch"], result["steps_timed"]) == (1, 1)  # nothing more fits
    assert "steps timed one by one: 1. Dispatches of 5 steps" in ended.err
    assert all(result[key] > 0 for key in ("step_ms", "images_per_s", "peak_memory_mb", "flops_per_step"))
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mode=sample", "--checkpoint=7"), ["no checkpoint of step 7", "[10, 20]"]),
        (("--mode=sample", "--checkpoint=newest"), ["--checkpoint='newest'", "latest, best"]),
        (("--mode=evaluate", "--checkpoint=best"), ["--checkpoint=best", "best_metric"]),
        (("--config.model.width=16",), ["another config", "config.model.width: 8 there and 16 now"]),
        (("--mode=sample", "--config.seed=3"), ["another config", "config.seed: 0 there and 3 now"]),
        (("--config.steps=10",), ["another config", "config.steps: 20 there and 10 now"]),
    ],
)
def test_what_does_not_fit_the_run_is_refused(trained, command, arguments, words):
    config, folder, _ = trained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    line = error_line(command("--config", config, "--workdir", folder, *VAE, *arguments))
    assert all(word in line for word in words), line
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_a_workdir_in_use_is_refused(trained, command):
    config, folder, _ = trained
    with workdir.lock(folder):
        for mode in ("train", "evaluate", "sample"):
            line = error_line(command("--config", config, "--workdir", folder, *VAE, f"--mode={mode}"))
            assert "in use by another run" in line
            assert str(os.getpid()) in line


@pytest.mark.full
def test_a_full_disk_keeps_the_checkpoint_before(command, tiny, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    save = checkpoint.ocp.CheckpointManager.save

    def full(self, step, *arguments, **options):
        if step == 20:
            raise ValueError("writing failed") from OSError(errno.ENOSPC, "No space left on device")
        return save(self, step, *arguments, **options)

    monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", full)
    line = error_line(command("--config", tiny, "--workdir", folder))
    assert "disk is full" in line
    assert "[10]" in line
    monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", save)
    ended = command("--config", tiny, "--workdir", folder)
    assert ended.code == 0, ended
    assert "resuming at step 10 of 20" in ended.err


def test_a_full_disk_elsewhere_is_one_line_too(command, tiny, tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(workdir, "write_atomic", full)
    line = error_line(command("--config", tiny, "--workdir", tmp_path / "run"))
    assert "disk is full" in line
    assert "config.json" in line


def test_divergence_names_step_and_term_and_keeps_the_last_good_checkpoint(command, tiny, tmp_path):
    run = ("--config", tiny, "--workdir", tmp_path / "run", "--config.recipe.loss=wasserstein", "--config.steps=300")
    for name in ("generator", "discriminator"):
        run += (f"--config.optimizers.{name}.name=sgd", f"--config.optimizers.{name}.learning_rate=1000.0")
    run += tuple(f"--config.{key}=1" for key in ("steps_per_dispatch", "log_every", "checkpoint_every"))
    line = error_line(command(*run, "--config.sample_every=0"))
    found = line.split()
    step = int(found[found.index("step") + 1].rstrip(":"))
    assert step > 1
    terms = ("loss_g became", "loss_d became", "grad_norm_", "logits_d became", "lipschitz_d became")
    assert any(term in line for term in terms), line
    assert f"The last good checkpoint is step {step - 1}" in line
    assert f"at step {step}: training stopped" in (tmp_path / "run" / "log.txt").read_text()
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert (failure["kind"], failure["step"]) == ("not_finite", step)
    assert failure["message"] in line
    ended = command(*run, "--config.sample_every=0", "--mode=sample")
    assert ended.code == 0, ended
    assert f"checkpoint of step {step - 1}" in ended.err


def test_a_process_ends_bad_input_with_one_line_and_code_2(tmp_path, tiny, own_process):
    ended = own_process("--config", tiny, "--workdir", tmp_path / "work", "--config.data.nme=mnist")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err == "jaxgen: error: --config.data.nme: unknown config key 'nme': did you mean 'name'?\n"
    assert not (tmp_path / "work").exists()


def test_overrides_may_stand_before_their_config_and_need_one(tmp_path, tiny, own_process):
    change = ("--config.batch_size=-1", "--workdir", tmp_path / "work")
    assert own_process(*change, "--config", tiny).err == "jaxgen: error: config.batch_size=-1: it must be at least 1\n"
    ended = own_process(*change)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith("jaxgen: error: --config is missing")


@pytest.mark.full
def test_a_process_ends_bad_data_with_one_line_and_code_2(tmp_path, tiny, own_process):
    ended = own_process("--config", tiny, "--workdir", tmp_path / "work", "--config.data.image_size=9")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("jaxgen: error: data.image_size")
    assert not (tmp_path / "work").exists()


def test_no_arguments_say_how_to_start(own_process):
    shown = own_process()
    assert (shown.code, shown.err) == (0, "")
    assert sum("python -m jaxgen.main --" in line for line in shown.out.splitlines()) == 4
    assert "docs/start/first_run.md" in shown.out
    assert shown.out in own_process("--help").out


def test_help_answers_without_jax(own_process):
    for arguments in (["--help"], []):
        code = (
            "import sys, atexit\n"
            "heavy = {'jax', 'numpy', 'orbax', 'tensorflow_datasets'}\n"
            "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
            f"sys.argv = ['jaxgen', *{arguments}]\n"
            "from jaxgen import main\n"
            "main.run()\n"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "HEAVY []" in done.stdout
    shown = own_process("--help")
    assert shown.code == 0
    for word in ("--config", "--workdir", "--mode", "--checkpoint", "[no]distributed", "--process_id"):
        assert word in shown.out
    assert "python -m jaxgen.main --config" in shown.out


def test_the_default_workdir_is_named_for_the_config(tiny, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("")  # a file where the folder would go: the line names the path
    assert "--workdir=runs/tiny" in error_line(command("--config", "tiny.py"))
