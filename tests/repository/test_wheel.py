"""A wheel, installed without the source tree, is used in a folder that has `configs/` modules of its own."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
METRIC = '''
"""Mean of the samples' pixels."""

import numpy as np

NEEDS, DIRECTION, MIN_SAMPLES, EXTRACTOR = "sample", "lower", 1, None


class Mean:
    def __init__(self):
        self.means = []

    def update(self, batch):
        self.means.append(batch.host(batch.fake.mean((1, 2, 3))))

    def result(self):
        return {"value": float(np.concatenate(self.means).mean()), "spread": 0.0}


def start(context):
    return Mean()
'''
OWN_CONFIG = """
from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.latent_dim, config.steps_per_dispatch = 32, 20  # as in dcgan_digits, whose programs are compiled
    config.evaluation.metrics = ("mine.mean",)
    return config
"""
SHORT = {"steps": 20, "log_every": 20, "sample_every": 20, "checkpoint_every": 20, "histogram_every": 0}
SHORT |= {
    "batch_size": 16,
    "num_devices": 1,
    "data.limit": 64,
    "data.image_size": 8,
    "model.width": 8,
    "evaluation.pictures": False,
}
SHORT |= {"evaluation.metrics": "('mine.mean',)", "evaluation.num_samples": 16, "evaluation.batch_size": 16}
SHORT |= {"evaluation.allow_few_samples": True, "evaluation.pictures": False, "sample.num_images": 2}
FLAGS = [f"--config.{key}={value}" for key, value in SHORT.items()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True, timeout=120)
    (path,) = folder.glob("jaxgen-*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment with the wheel and this one's packages, but for what is installed by a .pth file.

    So an editable install of this checkout stays out: its .pth file is read in its own environment alone.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, timeout=120)
    (site,) = (folder / "lib").glob("python*/site-packages")
    packages = dict.fromkeys(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib"))
    (site / "packages.pth").write_text("\n".join(packages))
    return folder


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A user's folder: its own `configs` breaks when it is imported, `mine` holds a metric."""
    folder = tmp_path_factory.mktemp("work place")
    (folder / "configs").mkdir()
    for name in ("__init__", "default", "dcgan_digits"):
        (folder / "configs" / f"{name}.py").write_text("raise RuntimeError('configs was imported')\n")
    (folder / "mine").mkdir()
    (folder / "mine" / "mean.py").write_text(METRIC)
    (folder / "my files").mkdir()
    (folder / "my files" / "own config.py").write_text(OWN_CONFIG)
    return folder


@pytest.fixture(scope="module")
def call(environment, workplace):
    """Runs a program of the environment in the workplace; returns what it printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {"JAX_PLATFORMS": "cpu", "JAXGEN_CACHE": str(environment / "cache"), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}

    def run(program, *arguments, rc=0):
        command = [environment / "bin" / program, *map(str, arguments)]
        done = subprocess.run(command, cwd=workplace, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == rc, done.stderr[-3000:]
        assert "Traceback" not in done.stderr
        return done.stdout if rc == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def trained(call, workplace):
    """A run of an experiment by its bare name."""
    call("python", "-m", "jaxgen.main", "--config", "dcgan_digits", "--workdir", "runs/bare", *FLAGS)
    return workplace / "runs" / "bare"


def test_the_wheel_holds_the_experiments_and_no_package_configs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    experiments = {path.name for path in (ROOT / "configs").glob("*.py")}
    assert {name.split("/")[-1] for name in names if name.startswith("jaxgen/experiments/")} == experiments
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"jaxgen"}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "jaxgen").rglob("*.py")}
    assert sources <= names


PROBE = """
import sys, jaxgen
from jaxgen.settings import experiments, run_config
from jaxgen.study import definition

path = run_config.as_config_file("study_digits")
print(jaxgen.__file__)
print(path)
print(len(definition.read(run_config.load("study_digits", []), path).entries))
print(experiments.experiment("vae_svhn_cropped").data.name)
print(sorted(name for name in sys.modules if name.split(".")[0] == "configs"))
"""


@pytest.mark.parametrize("flags", [(), ("-I",)])
def test_what_is_imported_is_the_wheel(call, environment, flags):
    module, path, entries, name, configs = call("python", *flags, "-W", "ignore", "-c", PROBE).split("\n")[:5]
    assert Path(module).is_relative_to(environment)
    assert Path(path).is_relative_to(environment)
    assert (entries, name, configs) == ("7", "svhn_cropped", "[]")


def test_an_unknown_name_lists_near_ones(call):
    line = call("jaxgen", "--config", "dcgan_mnits", rc=2)
    assert line.startswith("jaxgen: error: --config=dcgan_mnits: no file and no experiment of that name. Similar: ")
    assert "dcgan_mnist" in line


@pytest.mark.full
def test_a_bare_name_trains_evaluates_and_samples(call, trained):
    assert (trained / "checkpoints" / "20").is_dir()
    (trained / "evaluation.json").unlink()
    call("jaxgen", "--config", "dcgan_digits", "--workdir", "runs/bare", "--mode=evaluate", *FLAGS)
    assert "mine.mean" in (trained / "evaluation.json").read_text()
    call("python", "-m", "jaxgen.main", "--workdir", "runs/bare", "--mode=sample")
    assert len(list((trained / "samples" / "images").glob("*.png"))) == 2


@pytest.mark.full
def test_jaxgen_evaluate_measures_the_run(call, trained):
    sources = ("--real", "digits:test", "--fake", "run:runs/bare", "--num_samples", "16")
    printed = call("python", "-m", "jaxgen.evaluate", *sources, "--metrics", "mine.mean", "--batch_size", "16")
    assert "mine.mean" in printed


@pytest.mark.full
def test_a_file_of_one_s_own_and_a_module_beside_it_work_with_the_script(call, workplace):
    """The README's "Extending": the folder that one runs from is on the path, also for the script `jaxgen`."""
    flags = [flag for flag in FLAGS if ".metrics" not in flag]
    call("jaxgen", "--config", "my files/own config.py", "--workdir", "runs/own", *flags)
    assert "mine.mean" in (workplace / "runs" / "own" / "evaluation.json").read_text()
