"""Against scipy, statsmodels' published example of Holm, and arithmetic done by hand."""

import numpy as np
import pytest
from scipy import stats

from jaxgen.evaluation.aggregate import summarise
from jaxgen.report.comparison import Difference, correct, holm, welch

A, B = [10.1, 10.9, 10.4, 11.2], [12.0, 12.9, 12.2]


def test_the_interval_is_students():
    found = summarise(A)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(A), scale=stats.sem(A))
    assert found.mean == pytest.approx(10.65)
    assert found.deviation == pytest.approx(np.std(A, ddof=1))
    assert (found.low, found.high) == pytest.approx((low, high))
    # By hand: t(0.975, 3) = 3.182446, deviation sqrt(0.73 / 3) = 0.493288, error 0.246644.
    assert found.high - found.mean == pytest.approx(3.182446 * 0.246644, rel=1e-5)


def test_one_value_has_no_interval():
    assert summarise([3.0]) == (1, 3.0, None, None, None)
    assert summarise([3.0]).error is None


def test_welch_is_scipys_and_satterthwaites():
    found = welch(A, B)
    assert found.p == pytest.approx(stats.ttest_ind(A, B, equal_var=False).pvalue)
    # The formulas, written out.
    va, vb = np.var(A, ddof=1) / 4, np.var(B, ddof=1) / 3
    freedom = (va + vb) ** 2 / (va**2 / 3 + vb**2 / 2)
    t = (np.mean(A) - np.mean(B)) / np.sqrt(va + vb)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), freedom))
    half = stats.t.ppf(0.975, freedom) * np.sqrt(va + vb)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


@pytest.mark.parametrize(("a", "b"), [([1.0], A), (A, [1.0]), ([2.0, 2.0], [3.0, 3.0])])
def test_no_test_without_two_values_and_a_spread(a, b):
    found = welch(a, b)
    assert found.value == pytest.approx(np.mean(a) - np.mean(b))
    assert found.p is None
    assert not found.significant


def test_values_that_are_nearly_equal_warn_nobody():
    assert welch([1.0, 1.0 + 1e-11], [2.0, 2.0]).p < 1e-6


def test_a_spread_of_rounding_is_none():
    assert welch([1.0, 1.0 + 1e-15], [2.0, 2.0]).p is None
    assert summarise([1.0, 1.0 + 1e-15])[2] == 0
    assert summarise([0.0, 0.0])[2] == 0


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1, none smaller than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_only_what_was_tested_is_corrected_for():
    found = correct({1: Difference(1, 0, 2, 0.03), 2: Difference(1, None, None, None), 3: Difference(2, 1, 3, 0.01)})
    assert found[2].corrected is None
    assert (found[1].corrected, found[3].corrected) == pytest.approx((0.03, 0.02))
    assert found[1].significant
    assert found[3].significant
