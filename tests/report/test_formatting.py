"""Numbers to the digits that they have."""

import math

import pytest

from jaxgen.report import formatting


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (19.34678, 0.17, "19.35"),
        (19.34678, 0.52, "19.3"),
        (19.34678, 3.2, "19"),
        (0.286, 0.0045, "0.286"),
        (-5.02, 0.61, "−5.0"),
        (123456.7, 210.0, "123,460"),
        (0.0, 0.1, "0.00"),
        (-0.001, 0.1, "0.00"),
        (22.89055, None, "22.89"),
        (25.0, None, "25"),
        (0.000012345, None, "1.234e−05"),
        (None, None, "–"),
        (math.nan, 1.0, "–"),
        (math.inf, None, "∞"),
    ],
)
def test_rounded(value, error, shown):
    assert formatting.rounded(value, error) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.26, "0.3 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (828.4, "13 min 48 s"), (7234, "2 h 01 min"), (None, "–")],
)
def test_duration(seconds, shown):
    assert formatting.duration(seconds) == shown


def test_counts_shares_and_probabilities():
    assert formatting.large(347_072) == "347 k"
    assert formatting.large(1_923_665_664.0) == "1.92 G"
    assert formatting.large(12) == "12"
    assert formatting.percent(0.0163) == "1.6%"
    assert formatting.percent(0.34) == "34%"
    assert formatting.probability(0.034) == "p = 0.034"
    assert formatting.probability(3e-7) == "p < 0.0001"
    assert formatting.probability(1.0) == "p = 1"
    assert formatting.interval(1.234, 2.346, 0.2) == "[1.23, 2.35]"
