"""Evaluations of several seeds as one: statistics by hand, and what becomes of numbers that are none."""

import math

import pytest

from jaxgen.evaluation.aggregate import over_seeds


def record(value, direction="lower", **more):
    return {
        "value": value,
        "spread": 0.1,
        "direction": direction,
        "n_real": 7,
        "seconds": 2.0,
        "seconds_view": 1.0,
    } | more


def test_mean_deviation_and_interval_by_hand():
    found = over_seeds({seed: {"fid": record(value)} for seed, value in ((3, 1.0), (4, 2.0), (5, 6.0))})["fid"]
    assert found["value"] == pytest.approx(3.0)
    assert found["spread"] == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    half = 4.302653 * math.sqrt(7) / math.sqrt(3)  # two degrees of freedom, 97.5%, of any table of Student's t
    assert found["interval"] == pytest.approx([3 - half, 3 + half], rel=1e-6)
    assert found["best"] == {"seed": 3, "value": 1.0}
    assert found["worst"] == {"seed": 5, "value": 6.0}
    assert found["seeds"] == {"3": 1.0, "4": 2.0, "5": 6.0}
    assert found["spread_kind"] == "standard deviation over seeds"
    assert (found["n_real"], found["seconds"], "seconds_view" in found) == (7, 6.0, False)


def test_higher_is_better_where_the_metric_says_so_and_nothing_is_where_it_says_none():
    assert over_seeds({0: {"is": record(1.0, "higher")}, 1: {"is": record(2.0, "higher")}})["is"]["best"]["seed"] == 1
    auc = over_seeds({seed: {"auc": record(value, "0.5")} for seed, value in enumerate((0.3, 0.48, 0.6))})["auc"]
    assert (auc["best"]["seed"], auc["worst"]["seed"]) == (1, 0)
    assert over_seeds({0: {"m": record(1.0, "none")}, 1: {"m": record(2.0, "none")}})["m"]["best"] is None


def test_one_seed_has_no_spread():
    found = over_seeds({0: {"fid": record(2.0)}})["fid"]
    assert [found[key] for key in ("value", "spread", "interval")] == [2.0, None, None]


def test_a_seed_without_a_number_leaves_no_mean_and_is_the_worst():
    first = {"fid": record(1.0), "kid": record(5.0, split="a"), "_skipped": {"psnr": "no pairs"}}
    second = {"fid": record(None, note="value is inf"), "_skipped": {"psnr": "no pairs"}}
    found = over_seeds({0: first, 1: second})
    assert [found["fid"][key] for key in ("value", "spread", "interval")] == [None] * 3
    assert found["fid"]["best"] == {"seed": 0, "value": 1.0}
    assert found["fid"]["worst"] == {"seed": 1, "value": None}
    assert "no finite number for seed 1" in found["fid"]["note"]
    assert "seed 1: value is inf" in found["fid"]["note"]
    assert found["kid"]["value"] is None  # one seed has no such metric at all
    assert found["kid"]["seeds"] == {"0": 5.0, "1": None}
    assert found["_skipped"] == {"psnr": "no pairs"}


def test_what_differs_between_seeds_is_left_to_their_own_records():
    found = over_seeds(
        {0: {"fid": record(1.0, ratio=0.5, split="test")}, 1: {"fid": record(1.0, ratio=1.5, split="test")}}
    )
    assert found["fid"]["split"] == "test"
    assert "ratio" not in found["fid"]
