"""The error names the step and the first bad term, and failure.json keeps both until the training goes on."""

import json

import pytest

from jaxgen.errors import UserError
from jaxgen.training.alarms import NotFinite, check_finite, forget_failure, record_failure


def test_finite_values_pass():
    check_finite(1, {"loss": [1.0, -2.0]}, "", seed=0)
    check_finite(1, {}, "", seed=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_first_bad_term_is_named(bad):
    metrics = {"loss_d": [1.0, 1.0, bad], "loss_g": [1.0, bad, bad]}
    with pytest.raises(UserError, match=rf"^seed 5: loss_g became {bad} at step 12: .*step 10 is kept"):
        check_finite(11, metrics, "step 10 is kept", seed=5, prefix="seed 5: ")


def test_the_failure_is_recorded_for_readers_of_the_run(tmp_path):
    with pytest.raises(NotFinite) as failure:
        check_finite(11, {"loss_d": [1.0, float("nan")]}, "kept", seed=5, prefix="seed 5: ")
    record_failure(tmp_path, failure.value)
    record = json.loads((tmp_path / "failure.json").read_text())
    assert record.pop("message").startswith("loss_d became nan at step 12: training stopped. kept.")
    assert record == {"kind": "not_finite", "seed": 5, "step": 12, "term": "loss_d", "value": "nan"}
    forget_failure(tmp_path)
    assert not list(tmp_path.iterdir())
    forget_failure(tmp_path)  # nothing to remove
    record_failure(tmp_path / "gone", failure.value)  # what cannot be written does not hide the failure
