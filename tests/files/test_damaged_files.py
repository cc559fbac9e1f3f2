"""Any file of a finished run may be damaged: its reader gives the right data, or one line, and never a traceback.

JAXGEN_EXAMPLES=2000 tries as many damages instead of 25, at random, and writes whole reports too.
"""

import collections
import gc
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jaxgen import main, report
from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.files import evaluation_file, workdir
from jaxgen.files import sessions as run_sessions
from jaxgen.files.logs import MetricsFile, rows_until
from jaxgen.metrics.extractors import statistics_file
from jaxgen.report import cards, chapters, run_search, tsne
from jaxgen.report.sections import sections
from jaxgen.runs import restoring
from jaxgen.settings import run_config
from jaxgen.settings.configuration import to_dict
from jaxgen.study.study_file import StudyFile
from jaxgen.training import alarms, lanes, run
from jaxgen.training.checkpoint import Checkpoints, checksums
from tests.helpers import finished_run
from tests.helpers.finished_run import EVERY, METADATA, RUN, SAMPLER, STEPS, state_at

EXAMPLES = int(os.environ.get("JAXGEN_EXAMPLES", "25"))
REFUSED = object()
COUNTS = collections.Counter()
# Of a failure hypothesis prints the fixtures too.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.fixture(scope="module", autouse=True)
def _quiet_threads():
    """orbax leaves coroutines of further arrays behind when one array is damaged. `jaxgen.main` keeps them quiet."""
    before = sys.unraisablehook
    main._quiet_about_threads()
    yield
    gc.collect()
    sys.unraisablehook = before


@pytest.fixture(scope="module")
def config(tiny_config):
    config = tiny_config()
    config.log_every, config.best_metric, config.eval_every = EVERY, "psnr", 10
    return config


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    top = tmp_path_factory.mktemp("finished")
    finished_run.write(top, config)
    return top


def readers(config):
    """Part of a path -> readers of the files with it: name -> (folder of all -> what it holds)."""
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state_at(0))

    def resumed_metrics(top):
        MetricsFile(top / RUN / "metrics.jsonl", STEPS, 0, EVERY).close()
        return (top / RUN / "metrics.jsonl").read_text()

    def restored(top, read_only):
        checkpoints = Checkpoints(top / RUN / "checkpoints", 2, "psnr", "higher", read_only)
        try:
            state, meta = checkpoints.restore(abstract)
            return checksums(state), meta, checkpoints.best_step()
        finally:
            checkpoints.close()

    def arrays(top):
        players, step, _ = restoring.load_arrays(top / RUN, "latest")
        return step, {name: array.tolist() for name, array in players["g"]["params"].items()}

    def sampler(top):
        found = latent_samplers.load(top / RUN / "latent_samplers" / "normal.npz", SAMPLER)
        return found and [np.asarray(part).tolist() for part in found[:3]]

    def cards_of(top):
        runs, studies = run_search.find_runs([top])
        readable = [run for run in runs if chapters._is_readable(run)]  # as a report does
        made = [
            cards.card(run, model) for run in readable for section in sections([run])[0] for model in section.models
        ]
        problems = [problem for run in runs for problem in run.problems] + [study.problem for study in studies]
        for problem in filter(None, problems):
            logging.getLogger("jaxgen").warning(problem)
        return [(card.numbers, card.facts[1:], card.changes, card.command) for card in made]

    def page(top):
        return report.build([top], top / "report").exists()

    def statistics(top):
        mean, covariance, metadata = statistics_file.load(top.parent / "cache" / "statistics.npz")
        return mean.tolist(), covariance.tolist(), metadata

    def decoded(top):
        data = finished_run.decoded(top.parent / "cache", finished_run.built)
        return data.splits["train"].images.tolist(), data.splits["train"].labels.tolist(), data.class_names

    def features(top):
        found = tsne.read(top / RUN / "evaluation" / "features.npz")
        return found and (found.real.tolist(), found.fake.tolist(), found.extractor)

    of_run = {"cards": cards_of}
    return {
        "config.json": {
            "read": lambda top: to_dict(run_config.read(top / RUN)),
            "check": lambda top: workdir.check(top / RUN, config),
            "bind": lambda top: workdir.bind(top / RUN, config, {}),
            "container": lambda top: lanes.container_of(top / RUN),
            "sessions": lambda top: run_sessions.begin(
                top / RUN, STEPS, run_config.contents(top / RUN), to_dict(config)
            ),
            **of_run,
        },
        "metrics.jsonl": {
            "rows": lambda top: dict(rows_until(top / RUN / "metrics.jsonl", STEPS)),
            "resume": resumed_metrics,
            **of_run,
        },
        "alarms.json": {"recorded": lambda top: alarms.recorded(top / RUN, STEPS), **of_run},
        "timing.json": {"recorded": lambda top: run.recorded_timing(config, top / RUN, STEPS), **of_run},
        f"{RUN}/evaluation.json": {
            "read": lambda top: evaluation_file.read(top / RUN),
            "finished": lambda top: evaluation_file.is_finished(top / RUN, config),
            "set aside": lambda top: evaluation_file.set_aside(top / RUN),
            **of_run,
        },
        "baselines.json": {**of_run, **({"page": page} if "JAXGEN_EXAMPLES" in os.environ else {})},
        "failure.json": of_run,
        "log.txt": of_run,
        "samples/": of_run,
        "evaluation/features.npz": {"features": features, **of_run},
        "latent_samplers/": {"load": sampler},
        "checkpoints/": {
            "arrays": arrays,
            "read only": lambda top: restored(top, True),
            "restore": lambda top: restored(top, False),
        },
        "study.json": {"read": lambda top: StudyFile(top, finished_run.plan(config)).entries, "cards": cards_of},
        "cache/statistics": {"load": statistics},
        "cache/features": {
            "load": lambda top: statistics_file.load_features(top.parent / "cache" / "features.npz", METADATA).tolist()
        },
        "cache/decoded": {"cached": decoded},
    }


def files_of(top):
    return sorted(
        path.relative_to(top).as_posix()
        for path in top.rglob("*")
        if path.is_file() and path.name not in (".lock",) and "report" not in path.parts
    )


def json_value(data):
    try:
        return json.loads(data.decode("utf-8-sig"))
    except ValueError:
        return None


def mangled(kind, data, place):
    """The bytes of a file after one damage at a place in [0, 1)."""
    at = int(place * len(data))
    lines = data.splitlines(keepends=True) or [b""]
    line = int(place * len(lines))
    if kind == "empty":
        return b""
    if kind == "cut":
        return data[:at]
    if kind == "bit":
        return data[:at] + bytes([data[at] ^ (1 << (at % 8))]) + data[at + 1 :] if data else data
    if kind == "not utf-8":
        return data[:at] + b"\xff\xfe\x00" + data[at:]
    if kind == "blank line":
        return b"".join([*lines[:line], b"\n", *lines[line:]])
    if kind == "no line":
        return b"".join([*lines[:line], *lines[line + 1 :]])
    if kind == "garbage line":
        return b"".join([*lines[:line], b"{]\n", *lines[line:]])
    value = json_value(data)
    if not isinstance(value, dict) or not value:
        return data[at:]
    parent, key = value, sorted(value)[int(place * len(value))]
    while isinstance(parent[key], dict) and parent[key] and at % 3:
        parent, at = parent[key], at // 3
        key = sorted(parent)[at % len(parent)]
    parent[key] = {"another version": [None, True], "no key": None, "another type": [{"a": []}, -7]}[kind]
    if kind == "no key":
        del parent[key]
    if kind == "another version":
        parent["unknown"] = parent.pop(key)
    return json.dumps(value).encode()


KINDS = ("cut", "bit", "empty", "not utf-8", "blank line", "no line", "garbage line", "folder", "gone")
KINDS += ("another version", "no key", "another type")


@pytest.fixture(scope="module")
def right(whole, config):
    """What every reader gives of a whole copy: (part, name) -> value."""
    values = {}
    for part, of_part in readers(config).items():
        for name, reader in of_part.items():
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(whole, folder, dirs_exist_ok=True)
                values[part, name] = reader(Path(folder) / "study")
    assert values[f"{RUN}/evaluation.json", "finished"]
    return values


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # damage is small as it is
    derandomize="JAXGEN_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 10**6), kind=st.sampled_from(KINDS), place=st.floats(0, 1, exclude_max=True))
def test_a_reader_of_a_damaged_file_gives_the_right_data_or_one_line(whole, config, right, number, kind, place):
    every = readers(config)
    parts = sorted(every)
    part = parts[number % len(parts)]
    names = [name for name in files_of(whole) if part in name]
    name = names[number // len(parts) % len(names)]
    data = (whole / name).read_bytes()
    damaged = None if kind in ("folder", "gone") else mangled(kind, data, place)
    for reader, read in every[part].items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(whole, folder, dirs_exist_ok=True)
            path = Path(folder) / name
            path.unlink()
            if kind == "folder":
                path.mkdir()
            elif damaged is not None:
                path.write_bytes(damaged)
            value, lines = _outcome(read, Path(folder) / "study", part)
        where = f"{name}, {kind} at {place}, read by {reader!r}"
        assert not isinstance(value, Exception), f"{where}: {value!r}"
        assert all(len(line.splitlines()) == 1 for line in lines), (where, lines)
        if value is REFUSED:
            COUNTS["refused in one line"] += 1
        elif value == right[part, reader]:
            COUNTS["right data"] += 1
        elif lines:
            COUNTS["the rest of the data, with a line"] += 1
        else:
            # Without a line only what the damage left whole: JSON of another content, or fewer lines.
            assert _is_whole(name, data, damaged, kind), where
            COUNTS["another whole content"] += 1


def _outcome(read, top, part):
    """What a reader gave (REFUSED for its error line, another exception as it is), and the lines that it told."""
    told = _Told()
    logging.getLogger("jaxgen").addHandler(told)
    try:
        return read(top), told.lines
    except UserError as error:
        return REFUSED, [*told.lines, str(error)]
    except (statistics_file.Mismatch, OSError) as error:
        # Whoever reads statistics knows these two, says so, and computes them again.
        return (REFUSED, told.lines) if part.startswith("cache/") else (error, told.lines)
    except Exception as error:
        return error, told.lines
    finally:
        logging.getLogger("jaxgen").removeHandler(told)


def _is_whole(name, data, damaged, kind):
    if kind in ("gone", "folder") or name.endswith((".txt", ".png", "features.npz")):
        return kind == "gone" or not name.endswith(".json")
    if name.endswith(".jsonl"):
        return damaged.count(b"\n") <= data.count(b"\n")
    return isinstance(json_value(damaged), dict)


class _Told(logging.Handler):
    """Keeps messages of warnings and errors."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module", autouse=True)
def _counted():
    yield
    if "JAXGEN_EXAMPLES" in os.environ:
        print("\n", dict(COUNTS))
