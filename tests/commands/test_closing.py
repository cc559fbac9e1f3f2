"""The end of a training for a person: the report page that it leaves, and its last lines."""

import logging
from pathlib import Path

import pytest

from jaxgen import report
from jaxgen.commands import closing
from jaxgen.training.lanes import make_lanes

RESULTS = {f"metric_{i}": {"value": i + 0.12345} for i in range(8)} | {"_run": {}, "_skipped": {"psnr": "no pairs"}}


@pytest.fixture
def config(tiny_config):
    made = tiny_config()
    made.report = True
    return made


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _lines(config, folder, results=RESULTS, page=None):
    return closing.last_lines(config, folder, 20, make_lanes(config, folder, None), results, page)


def test_only_files_that_are_there_are_named(config, tmp_path):
    folder = tmp_path / "run"
    _touch(folder, "evaluation.json")
    text = _lines(config, folder)
    assert text.startswith(f"Done: dcgan on digits, 20 steps. What is in {folder}:\n")
    for absent in ("samples", "pairs", "pictures", "report "):
        assert f"\n  {absent}" not in text.partition("Next:")[0]
    _touch(folder, "samples/step_0000020.png", "samples/step_0000010.png", "evaluation/tsne.png", "report/index.html")
    text = _lines(config, folder, page=folder / "report/index.html")
    assert "step_0000010" not in text
    for there in ("samples/step_0000020.png", "evaluation/tsne.png", "report/index.html"):
        assert str(folder / there) in text
    config.evaluation.pictures = False
    text = _lines(config, folder)
    assert "tsne.png" not in text  # what an earlier evaluation and its page left
    assert "index.html" not in text


def test_the_first_numbers_stand_on_one_line(config, tmp_path):
    line = next(line for line in _lines(config, tmp_path).splitlines() if "metric_0" in line)
    assert line.split("evaluation")[1].strip() == (
        "metric_0 0.1235, metric_1 1.123, metric_2 2.123, metric_3 3.123, metric_4 4.123, metric_5 5.123, and 2 more"
    )
    assert "evaluation" not in _lines(config, tmp_path, {"_run": {}, "_skipped": {}, "fid": {"value": None}})


def test_several_seeds_show_the_pictures_of_the_first(config, tmp_path):
    config.num_seeds = 2
    _touch(tmp_path, "seed_0/samples/step_0000020.png", "seed_1/samples/step_0000020.png", "evaluation.json")
    text = _lines(config, tmp_path)
    assert "20 steps with 2 seeds" in text
    assert str(tmp_path / "seed_0/samples/step_0000020.png") in text


def test_paths_with_spaces_can_be_pasted(config, tmp_path):
    text = _lines(config, tmp_path / "my run")
    assert f"--workdir '{tmp_path}/my run' --mode=sample" in text


def test_the_next_seed_is_one_that_was_not_trained(config, tmp_path):
    config.seed, config.num_seeds = 3, 2
    assert f"--workdir {tmp_path / 'run'}_seed5 --config.seed=5" in _lines(config, tmp_path / "run")


def test_the_page_is_of_the_run_with_all_its_seeds(config, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(report, "build", lambda folders, out: asked.append((folders, out)) or out / "index.html")
    assert closing.write_report(config, tmp_path) == tmp_path / "report" / "index.html"
    lane = tmp_path / "seed_0"
    _touch(lane, "config.json")
    (lane / "config.json").write_text('{"lane_of": ".."}')
    assert closing.write_report(config, lane) == tmp_path / "report" / "index.html"
    assert asked == [([tmp_path], tmp_path / "report")] * 2
    config.report = False
    assert closing.write_report(config, tmp_path) is None
    assert len(asked) == 2


def test_a_page_that_cannot_be_written_is_one_warning(config, tmp_path, monkeypatch, caplog):
    def broken(folders, out):
        raise ValueError("two\nlines")

    monkeypatch.setattr(report, "build", broken)
    monkeypatch.setattr(logging.getLogger("jaxgen"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        assert closing.write_report(config, tmp_path) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("no report page (two lines). The run itself is complete.")
    assert "\n" not in record.getMessage()
    assert f"python -m jaxgen.report {tmp_path} --out {Path(tmp_path, 'report')}" in record.getMessage()


def test_what_was_read_stands_first(config, tmp_path):
    lanes = make_lanes(config, tmp_path, None)
    text = closing.last_lines(config, tmp_path, 20, lanes, RESULTS, None, "pets: train 3 images, 8x8 gray")
    assert text.splitlines()[1].split(maxsplit=1) == ["data", "pets: train 3 images, 8x8 gray"]
