import logging
import time

import numpy as np
import pytest

from jaxgen.evaluation import cost
from jaxgen.metrics import fid, kid, psnr
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.selection import Selected


class _Set:
    def __init__(self, statistics, features):
        self._missing = {"statistics": statistics, "features": features}

    def missing(self, extractor, kind):
        return self._missing[kind]


def _slow(seconds, name="slow"):
    def apply(images):
        time.sleep(seconds * len(images))
        return np.zeros((len(images), 2)), np.zeros((len(images), 2))

    return Extractor(name, "none", 0, "none", "none", 2, apply, label=name)


def _lines(caplog, extractor, *modules, sets, samples=1000):
    selected = [Selected("x", "x", module, "sample", None if module is psnr else "slow") for module in modules]
    with caplog.at_level(logging.INFO, "jaxgen"):
        cost.tell(selected, lambda name: extractor, sets, lambda view: samples, (4, 4, 1))
    return [record.getMessage() for record in caplog.records]


def test_a_slow_network_is_announced_once_with_what_it_must_see(caplog):
    extractor, sets = _slow(0.01), {"real": _Set(50_000, 9), "train": None}
    (line,) = _lines(caplog, extractor, fid, psnr, sets=sets, samples=20_000)
    rate = float(line.split("sees ")[1].split(" images/s")[0])
    assert rate == pytest.approx(100, rel=0.4)
    assert "20000 generated images take about" in line
    assert "50,000 real images" in line
    assert "once for all runs" in line
    assert _lines(caplog, extractor, fid, psnr, sets=sets, samples=20_000) == [line]


def test_features_count_where_a_metric_needs_them_and_nothing_where_they_are_there(caplog):
    (line,) = _lines(caplog, _slow(0.01, "a"), fid, kid, sets={"real": _Set(0, 30_000), "train": None})
    assert "30,000 real images" in line
    caplog.clear()
    (line,) = _lines(caplog, _slow(0.01, "b"), fid, sets={"real": _Set(0, 7), "train": None}, samples=9000)
    assert "real images" not in line


def test_a_minute_is_worth_no_line(caplog):
    assert _lines(caplog, _slow(0.001), fid, sets={"real": _Set(0, 0), "train": None}, samples=10_000) == []
    assert _lines(caplog, _slow(0.3), fid, sets={"real": _Set(0, 0), "train": None}, samples=499) == []
    assert _lines(caplog, _slow(0.01), psnr, sets={"real": _Set(9**9, 9**9), "train": None}, samples=10**9) == []


@pytest.mark.parametrize(("facts", "lines"), [({"gradients": 256, "samples": 16}, 1), ({"samples": 16}, 0)])
def test_a_likelihood_of_many_gradients_is_announced(caplog, facts, lines):
    with caplog.at_level(logging.INFO, "jaxgen"):
        cost.tell_likelihood(facts, 10_000)
    assert [("4,096 gradients" in line, "10,000 images" in line) for line in caplog.messages] == [(True, True)] * lines
