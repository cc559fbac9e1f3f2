"""A metric that is asked for ranks the models, whether a person or a study asks for it."""

import json

import pytest

from jaxgen import report
from jaxgen.errors import UserError
from jaxgen.report import __main__ as command
from jaxgen.report.chapters import report_of
from jaxgen.report.run_search import find_runs


@pytest.fixture
def runs(run, tmp_path):
    """DCGAN is better by the Frechet distance, and WGAN by precision. The run on other data has no precision."""
    for seed in range(3):
        better, worse = (run.record(x, direction="higher", metric="precision") for x in (0.8 + seed / 100, 0.2))
        run.make(tmp_path / f"dcgan/seed_{seed}", 10.0 + seed, seed=seed, records={"precision": worse})
        changes = {"recipe.loss": "wasserstein"}
        run.make(tmp_path / f"wgan/seed_{seed}", 20.0 + seed, seed=seed, changes=changes, records={"precision": better})
    other = {"example_shape": [32, 32, 3], "data": {"sha256": {"test": "cd" * 32}}}
    run.make(tmp_path / "other", 5.0, changes={"data.name": "cifar10"}, facts=other)
    return tmp_path


def _study(folder, name, rank_by, workdirs):
    content = {"name": name, "rank_by": rank_by, "entries": [{"name": "a", "workdirs": workdirs}]}
    (folder / "study.json").write_text(json.dumps(content))


def _ranking(folder, rank_by=""):
    chapters = report_of(*find_runs([folder]), "title", rank_by).chapters
    return {
        c.section.title.split()[0]: (c.table.metric.key, [r.model.runs[0].place for r in c.table.ranked])
        for c in chapters
    }


def test_the_report_chooses_if_nobody_asks(runs):
    distance = ("fd_efficientnet_lite0", ["dcgan/seed_0", "wgan/seed_0"])
    assert _ranking(runs)["mnist"] == distance
    assert _ranking(runs, "fid")["mnist"] == distance  # the name of the metric, in place of its key


def test_a_person_asks(runs, capsys):
    assert _ranking(runs, "precision")["mnist"] == ("precision", ["wgan/seed_0", "dcgan/seed_0"])
    assert command.main([str(runs), "--out", str(runs / "out"), "--rank_by", "precision"]) == 0
    text = (runs / "out" / "report.md").read_text()
    assert "is best by precision" in text
    assert "Not ranked by precision: no run on this data set has it with a better direction." in text  # the other data


def test_a_study_asks_and_a_person_overrules_it(runs):
    _study(runs, "s", "precision", ["dcgan/seed_0", "wgan/seed_0"])
    assert _ranking(runs)["mnist"][0] == "precision"
    assert "Not ranked by" not in report.build([runs], runs / "out").read_text()  # the study has no run on other data
    assert _ranking(runs, "fd_efficientnet_lite0")["mnist"][0] == "fd_efficientnet_lite0"


def test_studies_that_ask_for_different_metrics_decide_nothing(runs):
    for name, metric in (("dcgan", "precision"), ("wgan", "fid")):
        _study(runs / name, name, metric, ["seed_0"])
    assert _ranking(runs)["mnist"][0] == "fd_efficientnet_lite0"


def test_a_metric_that_no_run_has_is_refused(runs):
    with pytest.raises(UserError, match=r"--rank_by='precison'.*did you mean 'precision'"):
        report.build([runs], runs / "out", "precison")
    assert not (runs / "out").exists()
