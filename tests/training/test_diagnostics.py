"""The alarm names the step and the first bad term."""

import pytest

from jaxgen.errors import UserError
from jaxgen.training.diagnostics import check_finite


def test_finite_values_pass():
    check_finite(1, {"loss": [1.0, -2.0]}, "")
    check_finite(1, {}, "")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_first_bad_term_is_named(bad):
    metrics = {"loss_d": [1.0, 1.0, bad], "loss_g": [1.0, bad, bad]}
    with pytest.raises(UserError, match=rf"loss_g became {bad} at step 12: .*step 10 is kept"):
        check_finite(11, metrics, "step 10 is kept")
