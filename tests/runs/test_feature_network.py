import json

import pytest

from jaxgen.commands import evaluate, train
from jaxgen.files import evaluation_file
from jaxgen.metrics.extractors.automatic import Choice
from jaxgen.runs import feature_network
from jaxgen.runs.feature_network import settle
from jaxgen.settings import configuration, default, presets


@pytest.fixture
def choices(monkeypatch):
    """The networks to choose, one after the other; what is left was not asked for."""
    names = []
    monkeypatch.setattr(feature_network, "choose", lambda *_: Choice(names.pop(0), "the reason"))
    return names


@pytest.fixture
def config():
    config = default.get_config()
    config.evaluation.metrics = ("psnr", "fid")
    return config


def test_a_new_run_takes_the_choice_and_tells_it(choices, config, tmp_path):
    choices.append("inception")
    settled = settle(config, tmp_path)
    assert (settled.config.evaluation.extractor, settled.told) == ("inception", "the reason")
    assert config.evaluation.extractor == "auto"


def test_a_network_of_the_config_wins(choices, config, tmp_path):
    config.evaluation.extractor = "mine.tiles"
    assert settle(config, tmp_path) == (config, "")


def test_nothing_is_chosen_where_no_metric_asks(choices, config, tmp_path):
    config.evaluation.metrics = ("psnr", "fd_efficientnet_lite0", "lpips_alex")
    config.evaluation.metrics_in_training = ("fid",)
    assert settle(config, tmp_path).config.evaluation.extractor == "auto"
    config.eval_every = 100
    choices.append("inception")
    assert settle(config, tmp_path).config.evaluation.extractor == "inception"


def _write(folder, name, extractor):
    config = default.get_config()
    config.evaluation.extractor = extractor
    contents = {"config": configuration.to_dict(config), "step": 3}
    (folder / name).write_text(json.dumps(contents if name == "config.json" else {"_run": contents}))


def test_a_run_goes_on_with_its_network(choices, config, tmp_path):
    _write(tmp_path, "config.json", "auto")
    _write(tmp_path, "evaluation.json", "efficientnet_lite0")
    settled = settle(config, tmp_path)
    assert settled.config.evaluation.extractor == "efficientnet_lite0"
    assert settled.told == "the feature network is efficientnet_lite0, as in this run before"
    _write(tmp_path, "config.json", "inception")
    assert settle(config, tmp_path).config.evaluation.extractor == "inception"


def test_processes_that_do_not_all_have_the_weights_take_the_other_network(choices, config, tmp_path, monkeypatch):
    choices.append("inception")
    monkeypatch.setattr(feature_network.processes, "anywhere", lambda flag: True)
    settled = settle(config, tmp_path)
    assert settled.config.evaluation.extractor == "efficientnet_lite0"
    assert "another process of this run has no weights" in settled.told


def test_auto_agrees_with_the_network_of_the_evaluation(config, tmp_path):
    """A study asks by the config of its entry, which does not know the choice of the run."""
    config.steps = 3
    for extractor in ("inception", "efficientnet_lite0"):
        _write(tmp_path, "evaluation.json", extractor)
        written = json.loads((tmp_path / "evaluation.json").read_text())
        written["_run"]["config"]["evaluation"]["metrics"] = ["psnr", "fid"]
        (tmp_path / "evaluation.json").write_text(json.dumps(written))
        assert evaluation_file.is_current(tmp_path, config)
    config.evaluation.extractor = "inception"
    assert not evaluation_file.is_current(tmp_path, config)
    config.evaluation.extractor, config.evaluation.seed = "auto", 1
    assert not evaluation_file.is_current(tmp_path, config)


def test_the_default_says_fid_and_the_digits_stay_offline():
    config = default.get_config()
    assert ("fid" in config.evaluation.metrics, config.evaluation.extractor) == (True, "auto")
    assert presets.digits(config).evaluation.extractor == "efficientnet_lite0"
    assert presets.cifar10(default.get_config()).evaluation.extractor == "auto"


@pytest.mark.full
def test_a_run_keeps_its_choice_through_a_later_evaluation(choices, tiny_config, tmp_path):
    config = tiny_config()
    config.evaluation.extractor = "auto"
    config.compilation_cache = ""
    config.evaluation.metrics, config.evaluation.pictures = ("kid", "psnr"), False
    choices.append("efficientnet_lite0")
    folder = tmp_path / "run"
    train.train(config, folder)
    first = json.loads((folder / "evaluation.json").read_text())
    assert "kid_efficientnet_lite0" in first
    assert first["_run"]["config"]["evaluation"]["extractor"] == "efficientnet_lite0"
    assert json.loads((folder / "config.json").read_text())["config"]["evaluation"]["extractor"] == "efficientnet_lite0"
    assert "evaluation: the reason" in (folder / "log.txt").read_text()
    evaluate.evaluate(config, folder, "latest")  # choices has nothing left to give
    again = json.loads((folder / "evaluation.json").read_text())
    assert again["kid_efficientnet_lite0"]["value"] == pytest.approx(first["kid_efficientnet_lite0"]["value"])
