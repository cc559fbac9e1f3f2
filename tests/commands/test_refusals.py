"""Commands beside `jaxgen.main`: a mistake that is cheap to see is one line before an image is read."""

import importlib
import json
import os
import random
import sys
import time

import numpy as np
import pytest
from PIL import Image

from jaxgen import evaluate
from jaxgen.commands import compare
from jaxgen.evaluation import engine
from jaxgen.files import streams
from jaxgen.metrics import records
from jaxgen.report import page
from jaxgen.runs import restoring, sources
from jaxgen.settings import configuration
from tests.helpers.odd_values import VALUES


class Opened(Exception):
    """The command got as far as to images, a checkpoint or a page."""


@pytest.fixture
def closed(monkeypatch):
    """Sources, checkpoints and pages that say when they are opened."""

    def opened(*arguments, **options):
        raise Opened

    for owner, name in (
        *((sources, name) for name in ("open_container", "open_dataset", "open_run", "_array")),
        *((restoring, name) for name in ("load", "load_arrays")),
        (page, "find_runs"),
    ):
        monkeypatch.setattr(owner, name, opened)


@pytest.fixture
def here(tmp_path, monkeypatch, tiny_config):
    """A folder with images, what a run shows to those who look at names alone, and no variable NOPE."""
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.fromarray(np.full((16, 16), 40 * i, np.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "run" / "checkpoints" / "20").mkdir(parents=True)
    config = {"config": configuration.to_dict(tiny_config()), "example_shape": [8, 8, 1], "num_classes": 10}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    (tmp_path / "file").write_text("no images")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOPE", raising=False)
    monkeypatch.setattr(evaluate, "keep_compiled", lambda *arguments, **options: None)
    return tmp_path


@pytest.fixture
def command(capsys):
    """`command("export", "--workdir", ...) -> (exit code, stdout, stderr)`, in this process."""

    def run(name, *arguments):
        module = importlib.import_module("jaxgen.report.__main__" if name == "report" else f"jaxgen.{name}")
        capsys.readouterr()
        code = module.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


EVALUATE = ("--real", "real", "--fake", "fake", "--extractor", "efficientnet_lite0", "--allow_few_samples")
EXPORT = ("--workdir", "run", "--out", "x.jax")
CASES = {
    "evaluate": [
        ("--metrics fidd", "did you mean 'fid'"),
        ("--metrics fid,,kid", "a comma too many. Write 'fid,kid'"),
        ("--metrics ,", "--metrics is empty"),
        ("--metrics=", "--metrics is empty"),
        ("--metrics os.path", "no NEEDS"),
        ("--metrics my.metric", "no module 'my'"),
        ("--extractor x", "--extractor='x' is unknown"),
        ("--extractor x --metrics psnr", "--extractor='x' is unknown"),
        ("--extractor_weights /no", "/no: cannot be read"),
        ("--extractor_weights file", "not the weights of"),
        ("--resize x", "resize='x'"),
        ("--out real", "--out=real is a folder"),
        ("--out /proc/x.json", "/proc cannot be written"),
        ("--out /no/x.json", "there is no folder /no"),
        ("--out file/x.json", "there is no folder file"),
        ("--out $NOPE/x", "no variable 'NOPE'"),
        ("--out=", "the path is empty"),
        ("--out file --train file", "--out=file would replace what --train names"),
        ("--pictures file", "is a file and no folder"),
        ("--pictures /proc/y/z", "/proc cannot be written"),
        ("--save_statistics real", "--save_statistics=real is a folder"),
        ("--save_statistics /dev/null", "is a device"),
        ("--out x --save_statistics x", "--save_statistics=x would replace what --out names"),
        ("--fake nosuch", "--fake=nosuch: there is no such file"),
        ("--fake run:/no", "--fake=run:/no: no run there"),
        ("--fake run:run --checkpoint 77", "no checkpoint of step 77. There are [20]"),
        ("--fake run:run --checkpoint best", "no checkpoint was ranked"),
        ("--fake run:run --checkpoint x", "choices: latest, best"),
        ("--fake run:run --latent_sampler x", "--latent_sampler='x' is unknown"),
        ("--latent_sampler normal", "--latent_sampler=normal would change nothing"),
        ("--checkpoint 20", "--checkpoint=20 would change nothing"),
        ("--fake mnits:test", "no data set 'mnits'"),
        ("--fake file", "neither a folder, a zip nor"),
        ("--fake=", "--fake is missing"),
        ("--real=", "--real is empty"),
        ("--train=", "--train is empty"),
        ("--train nosuch", "--train=nosuch: there is no such file"),
        ("--real ~nosuchuser/x", "'~nosuchuser' is unknown"),
        (f"--fake {'a' * 300}", "File name too long"),
        ("--data_dir $NOPE", "no variable 'NOPE'"),
        ("--cache_dir $NOPE", "no variable 'NOPE'"),
        ("--seed -1", "--seed=-1"),
        ("--seed 4294967296", "between 0 and 2^32 - 1"),
        ("--num_samples -1", "--num_samples=-1"),
        ("--num_train -1", "--num_train=-1"),
        ("--batch_size 0", "--batch_size=0"),
        ("--channels 2", "invalid choice: 2"),
        ("--outt x", "unrecognized arguments: --outt x"),
    ],
    "export": [
        ("--out real", "is a folder"),
        ("--out /no/x", "there is no folder /no"),
        ("--out /proc/x", "/proc cannot be written"),
        ("--out /dev/null", "is a device"),
        ("--out=", "the path is empty"),
        ("--platforms cpu,,tpu", "a comma too many"),
        ("--platforms cpux", "did you mean 'cpu'"),
        ("--platforms=", "--platforms is empty"),
        ("--checkpoint 77", "no checkpoint of step 77"),
        ("--checkpoint x", "choices: latest, best"),
        ("--truncation nan", "--truncation=nan"),
        ("--truncation=-inf", "--truncation=-inf"),
        ("--batch_size -1", "--batch_size=-1"),
        ("--workdir /no", "--workdir=/no: no run there"),
        ("--workdir real", "--workdir=real: no run there"),
        ("--data_dir $NOPE", "no variable 'NOPE'"),
    ],
    "convert": [
        ("x.pkl --workdir new", "x.pkl: there is no such file"),
        ("real --workdir new", "real: there is no such file"),
        ("file --workdir run", "--workdir=run holds a run already"),
        ("file --workdir file", "is a file and no folder"),
        ("file --workdir /proc/x", "/proc cannot be written"),
        ("file --workdir new --data nosuch", "--data='nosuch' is unknown"),
        ("file --workdir new --data_dir x", "--data_dir belongs to --data"),
        ("file --workdir new --config nosuch", "no file and no experiment of that name"),
        ("file --workdir new --checkpoint best", "is for --export_weights alone"),
        ("file --workdir new --config.steps=3", "no config is named"),
        ("file --workdir new --bogus", "unknown argument '--bogus'"),
        ("--workdir new", "give either a FILE"),
        ("--export_weights x.txt --workdir run", "must end in .npz or .safetensors"),
        ("--export_weights x.npz --workdir /no", "--workdir=/no: no run there"),
        ("--export_weights /no/x.npz --workdir run", "there is no folder /no"),
        ("--export_weights x.npz --workdir run --checkpoint 77", "no checkpoint of step 77"),
        ("--export_weights x.npz --workdir run --config c.py", "--config would change nothing"),
        ("--export_weights x.npz --workdir run --data mnist", "--data would change nothing"),
    ],
    "report": [
        ("run --out file", "is a file and no folder"),
        ("run --out file/x", "is a file and no folder"),
        ("run --out /proc/x", "/proc cannot be written"),
        ("run --out=", "the path is empty"),
        ("run", "required: --out"),
        ("$NOPE --out r", "no variable 'NOPE'"),
    ],
    "weights": [
        ("--fetch nosuch", "--fetch='nosuch' is unknown"),
        ("--fetch inception nosuch", "--fetch='nosuch' is unknown"),
        ("--fetch all nosuch", "--fetch='nosuch' is unknown"),
        ("--fetch", "expected at least one argument"),
        ("x", "unrecognized arguments: x"),
    ],
}
BASES = {"evaluate": EVALUATE, "export": EXPORT}


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [pytest.param(name, *case, id=f"{name} {case[0][:60]}") for name, cases in CASES.items() for case in cases],
)
def test_a_mistake_is_one_line_before_the_work(closed, here, command, monkeypatch, name, arguments, words):
    fetched = []
    monkeypatch.setattr("jaxgen.metrics.extractors.weights.obtain", lambda weights: fetched.append(weights) or 1 / 0)
    before = sorted(here.rglob("*"))
    code, out, err = command(name, *BASES.get(name, ()), *arguments.split(" "))
    assert (code, out) == (2, ""), err
    lines = [line for line in err.splitlines() if line.startswith("jaxgen: error: ")]
    assert len(lines) == 1
    assert words in lines[0], lines[0]
    assert "Traceback" not in err
    assert sorted(here.rglob("*")) == before
    assert not fetched


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("evaluate", (*EVALUATE, "--metrics", "coverage")),
        ("evaluate", ("--real", "real", "--fake", "fake", "--pairs", "--metrics", "psnr,fid")),
        ("evaluate", ("--real", "real", "--fake", "run:run", "--checkpoint", "20", "--metrics", "psnr")),
        ("export", EXPORT),
        ("report", ("run", "--out", "new")),
    ],
)
def test_what_can_be_goes_on(closed, here, command, monkeypatch, name, arguments):
    """Weights that no metric of the command will use are not asked for: pairs need none."""
    if "--pairs" in arguments or "run:run" in arguments:
        monkeypatch.setattr("jaxgen.metrics.extractors.weights.obtain", lambda weights: 1 / 0)
    with pytest.raises(Opened):
        command(name, *arguments)


EXAMPLES = int(os.environ.get("JAXGEN_EXAMPLES", "25"))


@pytest.mark.parametrize("name", list(CASES))
def test_random_arguments_get_one_line(closed, here, command, monkeypatch, name):
    """Flags of the command with values that were meant for others: one line, or the work begins. Never a traceback."""
    monkeypatch.setattr("jaxgen.metrics.extractors.weights.fetch_file", lambda file, network: 1 / 0)
    module = importlib.import_module("jaxgen.report.__main__" if name == "report" else f"jaxgen.{name}")
    flags = [action.option_strings[0] for action in module._parser()._actions if action.option_strings]
    flags = [flag for flag in flags if flag not in ("-h", "--verify")]
    bases = {"report": ("run", "--out", "r"), "convert": ("file", "--workdir", "new"), "weights": (), **BASES}
    draw, slowest = random.Random(int(os.environ.get("JAXGEN_SEED", "0"))), 0.0
    before = sorted(here.rglob("*"))
    for _ in range(EXAMPLES):
        extra = [f"{draw.choice(flags)}={draw.choice(VALUES)}" for _ in range(draw.randint(1, 2))]
        begun = time.process_time()
        try:
            code, out, err = command(name, *bases[name], *extra)
        except Opened:
            continue
        finally:
            slowest = max(slowest, time.process_time() - begun)
        assert code == 2, (extra, code, out, err)
        assert "Traceback" not in err, extra
        assert err.count("jaxgen: error: ") == 1, (extra, err)
        assert sorted(here.rglob("*")) == before, extra
    assert slowest < 3


def test_results_are_written_before_anything_is_printed(here, command, monkeypatch):
    """A reader of stdout who has left, or any other trouble with the table, costs no result."""
    monkeypatch.setattr(records, "format_table", lambda results: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command("evaluate", "--real", "real", "--fake", "fake", "--pairs", "--metrics", "psnr", "--out", "x.json")
    assert json.loads((here / "x.json").read_text())["psnr"]["n_real"] == 4


def test_a_reader_who_has_left_costs_no_result(here, monkeypatch):
    ends = os.pipe()
    os.close(ends[0])
    with open(ends[1], "w") as closed_pipe:
        monkeypatch.setattr(sys, "stdout", closed_pipe)
        monkeypatch.setattr(sys, "__stdout__", closed_pipe)
        monkeypatch.setitem(streams._STANDARD, "stdout", ends[1])
        arguments = ["--real", "real", "--fake", "fake", "--pairs", "--metrics", "psnr", "--out", "x.json"]
        assert evaluate.main(arguments) == 0
        sys.stdout.close()
    assert json.loads((here / "x.json").read_text())["psnr"]["n_real"] == 4


def test_an_out_that_is_a_link_stays_one(here, command):
    (here / "results").mkdir()
    (here / "x.json").symlink_to("results/y.json")
    arguments = ("--real", "real", "--fake", "fake", "--pairs", "--metrics", "psnr", "--out", "x.json")
    assert command("evaluate", *arguments)[0] == 0
    assert (here / "x.json").is_symlink()
    assert json.loads((here / "results" / "y.json").read_text())["psnr"]["n_real"] == 4


def test_metrics_that_are_left_out_are_told_before_the_work(here, command, monkeypatch):
    told = []
    monkeypatch.setattr(compare.compare_request.log, "warning", lambda text, *rest: told.append(text % rest))
    monkeypatch.setattr(engine, "evaluate", lambda *arguments, **options: told.append("work") or {"_skipped": {}})
    pairs = ("--real", "real", "--fake", "fake", "--pairs")
    assert command("evaluate", *pairs, "--metrics", "psnr,bits_per_dim")[0] == 0
    assert told[1:] == ["work"]
    assert told[0].startswith("left out: bits_per_dim needs the view 'log_likelihood'")
    code, _, err = command("evaluate", *pairs, "--metrics", "bits_per_dim")
    assert code == 2
    assert "--metrics: nothing can be computed. bits_per_dim needs the view" in err
    assert told[2:] == []


def test_statistics_of_another_network_are_refused_before_features(here, command, monkeypatch):
    np.savez(here / "s.npz", mu=np.zeros(3), sigma=np.eye(3))
    monkeypatch.setattr("jaxgen.metrics.image_set.ImageSet._stream_outputs", lambda *arguments: 1 / 0)
    code, _, err = command("evaluate", *EVALUATE, "--fake", "s.npz", "--metrics", "fid")
    assert code == 2
    assert "3 features" in err


def test_suffixes_in_capitals_are_read(here, command):
    images = np.stack([np.full((16, 16, 1), 40 * i, np.uint8) for i in range(4)])
    for name, save in (("X.NPY", np.save), ("X.NPZ", np.savez)):
        with open(here / name, "wb") as file:
            save(file, images)
        out = here / f"{name}.json"
        arguments = ("--real", "real", "--fake", name, "--pairs", "--metrics", "psnr,ssim", "--out", out)
        code, _, err = command("evaluate", *arguments)
        assert code == 0, err
        assert json.loads(out.read_text())["ssim"]["value"] == pytest.approx(1)


def test_the_function_reads_paths_as_the_command_does(here, monkeypatch):
    monkeypatch.setenv("DATA", str(here))
    results = evaluate.evaluate(real="$DATA/real", fake=here / "fake", metrics="psnr", pairs=True, out="$DATA/é.json")
    assert json.loads((here / "é.json").read_text())["_run"]["real"] == str(here / "real") == results["_run"]["real"]
