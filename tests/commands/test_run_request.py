"""The modes of `jaxgen.main`: a mistake that is cheap to see is told before data are opened."""

import importlib
import json
import os
import random
from functools import partial

import pytest

from jaxgen.commands import run_request
from jaxgen.errors import UserError
from jaxgen.files import command_line
from jaxgen.metrics.extractors.weights import NoWeights
from jaxgen.planning import subject
from jaxgen.runs import restoring, run_data
from jaxgen.settings import configuration, default
from jaxgen.study import conductor
from tests.helpers.in_process import error_line, run_main
from tests.helpers.odd_values import VALUES

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
PLANNED = "--mode=plan"
FOLDER = ("--config.data.name=folder", "--config.data.dir=/images", "--config.evaluation.extractor=efficientnet_lite0")


class Opened(Exception):
    """The command got as far as to data or to a checkpoint."""


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """Data and checkpoints that say when they are opened."""

    def opened(*arguments, **options):
        raise Opened

    monkeypatch.setattr(run_data, "open_dataset", opened)
    monkeypatch.setattr(subject, "open_dataset", opened)
    monkeypatch.setattr(restoring, "restore", opened)


@pytest.fixture
def command(monkeypatch, capsys):
    return partial(run_main, monkeypatch, capsys)


@pytest.fixture
def tiny(tmp_path, write_tiny):
    return write_tiny(tmp_path / "tiny.py", "config.num_devices = 1", "config.evaluation.metrics = ('coverage',)")


@pytest.fixture
def run(tmp_path, tiny, tiny_config):
    """What a finished run shows to those who look at names alone."""
    config = tiny_config()
    config.evaluation.metrics = ("coverage",)
    folder = tmp_path / "run"
    (folder / "checkpoints" / "20").mkdir(parents=True)
    facts = {"example_shape": [8, 8, 1], "num_classes": 10, "data": {"name": "digits"}}
    (folder / "config.json").write_text(json.dumps({"config": configuration.to_dict(config), **facts}))
    return folder


@pytest.mark.parametrize("mode", ["train", "benchmark"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("model.name=dcgam", "config.model.name='dcgam' is unknown: did you mean 'dcgan'"),
        ("model.name=my.model", "no module 'my' can be imported"),
        ("model.architecture=x", "model.architecture='x' is unknown"),
        ("recipe.name=gann", "config.recipe.name='gann' is unknown"),
        ("recipe.loss=hing", "did you mean 'hinge'"),
        ("recipe.penalty=wgann", "did you mean 'wgan_gp'"),
        ("recipe.diff_augment=colour", "did you mean 'color'"),
        ("recipe.diff_augment=color,,cutout", "a comma too many. Write 'color,cutout'"),
        ("optimizers.generator.name=adm", "did you mean 'adam'"),
        ("optimizers.generator.schedule=cos", "did you mean 'cosine'"),
        ("data.image_size=9", "9x9"),
        ("data.image_size=-8", "data.image_size=-8"),
        ("data.crop=x", "data.crop='x' is unknown"),
        ("data.resize=x", "data.resize='x' is unknown"),
        ("data.streaming=x", "data.streaming='x' is unknown"),
        ("data.class_sampling=x", "config.data.class_sampling='x' is unknown"),
        ("data.test_fraction=2", "data.test_fraction=2"),
        ("data.limit=-4", "data.limit=-4"),
        ("data.name=foldr", "data.name='foldr' is unknown: did you mean 'folder'"),
        ("data.dir=$NOPE/x", "config.data.dir='$NOPE/x': the environment has no variable 'NOPE'"),
        ("data.dir=~nosuchuser/x", "home folder of '~nosuchuser' is unknown"),
        ("data.cache_dir=$NOPE", "config.data.cache_dir='$NOPE'"),
        ("compilation_cache=$NOPE", "config.compilation_cache='$NOPE'"),
        ("model.width=0", "config.model.width=0"),
    ],
)
def test_a_step_that_cannot_be_is_refused_before_data(command, tiny, tmp_path, mode, arguments, words):
    ended = command(
        "--config", tiny, "--workdir", tmp_path / "work", f"--mode={mode}", *FOLDER, f"--config.{arguments}"
    )
    assert words in error_line(ended)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("evaluation.metrics=fidd", "did you mean 'fid'"),
        ("evaluation.metrics_in_training=fidd", "did you mean 'fid'"),
        ("evaluation.metrics=coverage", "coverage needs at least"),
        ("evaluation.extractor=x", "config.evaluation.extractor='x' is unknown"),
        ("evaluation.extractor_weights=/no", "config.evaluation.extractor_weights='/no': no such file"),
        ("evaluation.resize=x", "resize='x'"),
        ("evaluation.latent_samplers=x", "config.evaluation.latent_samplers='x' is unknown"),
        ("evaluation.baselines=x", "config.evaluation.baselines='x' is unknown"),
        ("evaluation.path_space=x", "config.evaluation.path_space='x' is unknown"),
        ("evaluation.path_sampling=x", "config.evaluation.path_sampling='x' is unknown"),
        ("trackers=tensorbord", "did you mean 'tensorboard'"),
        ("alarms.stop=x", "config.alarms.stop='x' is unknown"),
        ("init_from=/no/such", "config.init_from='/no/such': /no/such: no run there"),
        ("init_from={run}/samples", "no run there"),
        ("init_from={run}/checkpoints/77", "no checkpoint of step 77. There are [20]"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused_before_data(command, tiny, run, tmp_path, arguments, words):
    few = f"--config.evaluation.allow_few_samples={'coverage' not in arguments}"
    change = f"--config.{arguments.format(run=run)}"
    ended = command("--config", tiny, "--workdir", tmp_path / "work", *FOLDER, few, change)
    assert words in error_line(ended)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("", "--workdir is empty"),
        ("$NOPE/x", "no variable 'NOPE'"),
        ("/proc/x", "/proc cannot be written"),
        ("{0}/tiny.py", "is a file"),
        ("{0}/tiny.py/x", "is a file"),
        ("{0}/run", "belongs to another config (config.batch_size: 16 there and 32 now)"),
    ],
)
def test_a_work_directory_that_cannot_be_is_refused_before_data(command, tiny, run, tmp_path, folder, words):
    del run
    ended = command("--config", tiny, f"--workdir={folder.format(tmp_path)}", "--config.batch_size=32")
    assert words in error_line(ended)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--config.sample.seeds=5-3", "the range '5-3' ends before it begins. Write '3-5'"),
        ("--config.sample.seeds=1-", "'1-' is no whole number"),
        ("--config.sample.seeds=a", "'a' is no whole number"),
        ("--config.sample.seeds=1,,2", "--config.sample.seeds=1,,2"),
        ("--config.sample.seeds=-3", "-3 is no whole number"),
        ("--config.sample.seeds=٣", "'٣' is no whole number"),
        ("--config.sample.seeds=0-4294967295", "4,294,967,296 numbers, but 1,000,000 are the most"),
        ("--config.sample.seeds=4294967296", "more than 4294967295"),
        ("--config.sample.style_mixing_rows=1", "style_mixing_columns is empty"),
        ("--config.sample.style_mixing_layers=6-0", "Write '0-6'"),
        ("--config.sample.style_mixing_layers=", "style_mixing_layers: '' is no whole number"),
        ("--config.sample.styles=/no", "config.sample.styles='/no': no such file"),
        ("--config.sample.video=avi", "choices: mp4, gif"),
        ("--config.sample.latent_sampler=x", "config.sample.latent_sampler='x' is unknown"),
        ("--config.sample.truncation=nan", "config.sample.truncation=nan"),
        ("--config.sample.label=77", "config.sample.label=77: the model knows no classes"),
        ("--config.sample.truncation=0.5", "is for models with styles (stylegan2). dcgan has none"),
        ("--checkpoint=77", "no checkpoint of step 77. There are [20]"),
        ("--checkpoint=best", "no checkpoint was ranked"),
        ("--checkpoint=-1", "choices: latest, best"),
        ("--checkpoint=", "choices: latest, best"),
        ("--mode=project --config.project.space=q", "config.project.space='q' is unknown"),
        ("--mode=project --config.project.space=w", "dcgan has none. Use z"),
        ("--mode=project --config.project.images=/no", "config.project.images=/no: there is no such file"),
        ("--mode=project --config.project.images={run}/config.json", "is neither a folder, a zip nor"),
        ("--mode=project --config.project.space=w --config.project.perceptual=x", "config.project.perceptual='x'"),
        ("--mode=project --config.project.space=w --config.project.w_noise=-1", "config.project.w_noise=-1"),
        ("--mode=project --checkpoint=77", "no checkpoint of step 77"),
        ("--mode=evaluate --checkpoint=77", "no checkpoint of step 77"),
        ("--mode=evaluate --config.evaluation.metrics=fidd", "did you mean 'fid'"),
        ("--mode=evaluate --config.evaluation.resize=x", "resize='x'"),
        ("--mode=evaluate --config.evaluation.latent_samplers=x", "latent_samplers='x'"),
    ],
)
def test_modes_of_a_run_refuse_before_the_run_is_opened(command, run, arguments, words):
    mode = () if "--mode" in arguments else ("--mode=sample",)
    network = "--config.evaluation.extractor=efficientnet_lite0"
    ended = command("--workdir", run, *mode, network, *arguments.format(run=run).split(" "))
    assert words in error_line(ended)


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_weights_that_cannot_be_had_are_told_before_data(command, monkeypatch, tiny, run, tmp_path, mode):
    def obtain(weights):
        raise NoWeights(f"{weights.network}: no weights", "nothing")

    monkeypatch.setattr(run_request, "obtain", obtain)
    place = ("--workdir", run) if mode == "evaluate" else ("--config", tiny, "--workdir", tmp_path / "work", *FOLDER)
    settings = ("extractor=inception", "metrics=fid", "allow_few_samples=True")
    ended = command(*place, f"--mode={mode}", *(f"--config.evaluation.{setting}" for setting in settings))
    assert "no weights" in error_line(ended)


@pytest.mark.parametrize(
    ("topology", "words"),
    [
        (None, "--mode=plan needs --topology"),
        ("h100", "a number of GPUs must follow"),
        ("h100:0", "a number of GPUs must follow"),
        ("h100:٣", "a number of GPUs must follow"),
        ("h100:8,", "a number of GPUs must follow"),
        ("v5e:2x", "the sides of the slice must follow"),
        ("v5e:0x4", "the sides of the slice must follow"),
        ("h10:8", "did you mean 'h100'"),
        ("", "--mode=plan needs --topology"),
    ],
)
def test_hardware_that_is_none_is_refused_before_data(command, tiny, tmp_path, topology, words):
    hardware = () if topology is None else (f"--topology={topology}",)
    ended = command("--config", tiny, "--workdir", tmp_path / "work", PLANNED, *FOLDER, *hardware)
    assert words in error_line(ended)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--mode=sample", "--config.evaluation.metrics=gone.metric"),
        ("--mode=sample", "--config.evaluation.extractor=gone", "--config.evaluation.extractor_weights=/gone"),
        ("--mode=sample", "--config.project.space=q", "--config.project.images=/gone", "--config.trackers=gone"),
        ("--mode=evaluate", "--config.sample.seeds=5-3", "--config.project.images=/gone", "--config.init_from="),
        ("--mode=project", "--config.sample.styles=/gone", "--config.trackers=gone"),
    ],
)
def test_a_mode_does_not_check_what_it_never_does(command, run, arguments):
    with pytest.raises(Opened):
        command("--workdir", run, *arguments)


@pytest.mark.parametrize(
    "change", ["data.name=mnits", "model.name=dcgam", "recipe.name=gam", "evaluation.metrics=fidd"]
)
def test_a_misspelt_name_is_told_before_jax_is_set_up(command, monkeypatch, tiny, tmp_path, change):
    monkeypatch.setattr(command_line, "keep_compiled", lambda *arguments: 1 / 0)
    ended = command("--config", tiny, "--workdir", tmp_path / "work", f"--config.{change}")
    assert "did you mean" in error_line(ended)


def test_a_benchmark_and_a_training_that_can_be_go_on_to_their_data(command, tiny, tmp_path):
    for mode in ("train", "benchmark"):
        with pytest.raises(Opened):
            command(
                *("--config", tiny, "--workdir", tmp_path / "work", f"--mode={mode}", *FOLDER),
                "--config.evaluation.allow_few_samples=True",
            )


@pytest.mark.parametrize("mode", ["train", "evaluate", "sample", "project", "benchmark", "plan"])
def test_random_values_of_keys_get_one_line(command, tiny, run, tmp_path, mode):
    """Keys of the config with values that were meant for others: one line, or the work begins. Never a traceback."""
    keys = sorted(configuration.flatten(configuration.to_dict(default.get_config())))
    draw = random.Random(int(os.environ.get("JAXGEN_SEED", "0")))
    few = "--config.evaluation.allow_few_samples=True"
    base = ("--config", tiny, "--workdir", tmp_path / "work", *FOLDER, few, f"--mode={mode}")
    if mode in ("evaluate", "sample", "project"):
        base = ("--workdir", run, f"--mode={mode}", few, "--config.evaluation.extractor=efficientnet_lite0")
    hardware = ("--topology=h100:8",) if mode == "plan" else ()
    for _ in range(int(os.environ.get("JAXGEN_EXAMPLES", "25"))):
        change = f"--config.{draw.choice(keys)}={draw.choice(VALUES)}"
        try:
            ended = command(*base, *hardware, change)
        except Opened:
            continue
        except Exception as error:
            raise AssertionError(change) from error
        assert ended.code == 2, (change, ended)
        assert ended.err.count("jaxgen: error: ") == 1, (change, ended)
        assert not (tmp_path / "work").exists(), change


@pytest.mark.parametrize("mode", ["train", "evaluate", "sample", "project", "benchmark", "plan"])
def test_every_mode_has_its_checks(mode):
    assert mode in run_request._CHECKS


def test_a_run_gets_its_paths_whole_wherever_it_starts(command, monkeypatch, tiny, tmp_path):
    """A run started in one folder goes on from another: `data.dir` is kept whole."""
    given = []
    train = importlib.import_module("jaxgen.commands.train")
    monkeypatch.setattr(train, "train", lambda config, folder: given.append((config.data.dir, folder)))
    monkeypatch.setenv("DATA", str(tmp_path / "data é"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    network = ("--config.evaluation.extractor=efficientnet_lite0", "--config.evaluation.allow_few_samples=True")
    for start, data, workdir in (("a", "images", "~/run é"), ("b/c", "$DATA/x.ZIP", "$DATA/run/")):
        (tmp_path / start).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / start)
        ended = command(
            *("--config", tiny, f"--workdir={workdir}", *network),
            *("--config.data.name=folder", f"--config.data.dir={data}"),
        )
        assert ended.code == 0, ended
    expected = [(tmp_path / "a" / "images", tmp_path / "home" / "run é")]
    expected += [(tmp_path / "data é" / "x.ZIP", tmp_path / "data é" / "run")]
    assert [(data, str(folder)) for data, folder in given] == [(str(data), str(folder)) for data, folder in expected]


STUDY = """
from jaxgen.settings import default_study


def get_config():
    study = default_study.get_config()
    study.seeds = (0, 1)
    for name in ("a", "b"):
        default_study.add(study, name, "tiny").evaluation.allow_few_samples = True
    {change}
    return study
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("study.entries.b.recipe.loss = 'hing'", "config.entries.b: config.recipe.loss='hing' is unknown"),
        ("study.entries.b.data.dir = '$NOPE/x'", "config.entries.b: config.data.dir='$NOPE/x'"),
        ("study.evaluation.path_space = 'x'", "config.entries.a: config.evaluation.path_space='x' is unknown"),
        ("study.redo = ('a,,b',)", "config.redo='a,,b' has a comma too many"),
    ],
)
def test_a_study_finds_the_mistakes_of_its_last_entry_before_the_first_run(
    command, monkeypatch, tiny, tmp_path, change, words
):
    del tiny
    monkeypatch.delenv("NOPE", raising=False)
    (tmp_path / "study_x.py").write_text(STUDY.format(change=change))
    assert words in error_line(command("--config", tmp_path / "study_x.py", "--workdir", tmp_path / "study"))
    assert not (tmp_path / "study").exists()


def test_a_study_that_can_be_starts(command, monkeypatch, tiny, tmp_path):
    del tiny
    started = []
    monkeypatch.setattr(conductor, "conduct", lambda *arguments: started.append(arguments[1]))
    (tmp_path / "study_x.py").write_text(STUDY.format(change=""))
    assert command("--config", tmp_path / "study_x.py", "--workdir", tmp_path / "study").code == 0
    assert started == [tmp_path / "study"]


def test_the_interface_checks_what_the_command_checks(tmp_path, tiny_config):
    from jaxgen import interface

    config = tiny_config()
    config.recipe.loss = "hing"
    config.data.name, config.data.dir = "folder", "/images"
    with pytest.raises(UserError, match="did you mean 'hinge'"):
        interface.train(config, tmp_path / "work")
    assert not (tmp_path / "work").exists()
