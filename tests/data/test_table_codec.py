"""Rows to vectors and back: nothing is lost, nothing is learnt of the test split, and each kind is what it says."""

import jax
import numpy as np
import pytest
from scipy.special import ndtr

from jaxgen.data import table_codec
from jaxgen.data.table import Column
from jaxgen.errors import UserError
from jaxgen.settings import default

COLUMNS = (
    Column("skewed"),
    Column("kind", ("a", "b"), label=True),
    Column("constant"),
    Column("count"),
    Column("letter", ("x", "y", "z")),
    Column("two humps"),
)


def rows(count=200, seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2
    columns = [np.exp(rng.normal(label)), label, np.full(count, 7.5), rng.poisson(1.0, count)]
    columns += [rng.integers(3, size=count), rng.normal(20 * (rng.random(count) < 0.3), 1.0)]
    return np.round(np.stack(columns, axis=1), 3).astype(np.float32)


def fit(kind, table=None):
    config = default.get_config().data
    config.normalization = kind
    return table_codec.fit(COLUMNS, rows() if table is None else table, config)


@pytest.mark.parametrize("kind", table_codec.NORMALIZATIONS)
def test_training_rows_come_back(kind):
    codec = fit(kind)
    assert codec.encoded.shape == (200, codec.width)
    back = np.asarray(jax.jit(codec.decode)(codec.encoded, rows()[:, 1].astype(np.int32)))
    np.testing.assert_allclose(back, rows(), rtol=1e-5, atol=1e-6)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(fit(kind).encoded, codec.encoded)


def test_quantiles_are_standard_normal_over_the_training_rows():
    codec = fit("quantile")
    assert codec.layout == (("linear", 1), ("linear", 1), ("softmax", 3), ("linear", 1))
    normal = codec.encoded[:, [0, 1, 5]]
    for column in normal.T:
        # Ties lie anywhere between their ranks: of counts as of measurements the distribution is the same.
        assert np.abs(np.sort(ndtr(column)) - (np.arange(200) + 0.5) / 200).max() < 0.06
    order = np.argsort(rows()[:, 0], kind="stable")
    assert (np.diff(codec.encoded[order, 0]) >= 0).mean() > 0.98  # but for the few values that are there twice


def test_class_quantiles_are_of_each_class():
    encoded, label = fit("class_quantile").encoded, rows()[:, 1]
    for code in (0, 1):
        assert abs(encoded[label == code, 0].mean()) < 0.02
        assert encoded[label == code, 0].std() == pytest.approx(1, abs=0.05)
    assert fit("quantile").encoded[label == 0, 0].mean() < -0.3


def test_modes_are_those_of_a_mixture():
    codec = fit("mode_specific")
    kinds, counts = zip(*codec.layout, strict=True)
    assert kinds == ("tanh", "softmax", "tanh", "softmax", "softmax", "tanh", "softmax")
    first = sum(counts[:5])
    place, modes = codec.encoded[:, first], codec.encoded[:, first + 1 :]
    assert np.abs(place).max() <= 0.99 + 1e-6
    np.testing.assert_array_equal(modes.sum(1), 1)
    values = rows()[:, 5]
    for mode in modes.T.astype(bool):
        # No mode has values of both humps, which lie 20 apart.
        assert np.ptp(values[mode]) < 10


def test_generated_rows_stay_in_range_and_on_the_grid_of_the_data():
    codec, table = fit("quantile"), rows()
    wild = 5 * np.random.default_rng(1).normal(size=(500, codec.width)).astype(np.float32)
    labels = (np.arange(500) % 2).astype(np.int32)
    back = np.asarray(jax.jit(codec.decode)(wild, labels))
    assert (back.min(0) >= table.min(0)).all()
    assert (back.max(0) <= table.max(0)).all()
    np.testing.assert_array_equal(back[:, 1], labels)
    np.testing.assert_array_equal(back[:, 2], np.float32(7.5))
    np.testing.assert_array_equal(back[:, 3:5], np.round(back[:, 3:5]))
    np.testing.assert_array_equal(back[:, 4], wild[:, 2:5].argmax(1))
    np.testing.assert_allclose(back[:, 0], np.round(back[:, 0].astype(float), 3), rtol=1e-6)


def test_a_normalisation_there_is_not_and_columns_that_never_change_are_refused():
    with pytest.raises(UserError, match=r"data\.normalization='quantiles' is unknown: did you mean 'quantile'"):
        fit("quantiles")
    with pytest.raises(UserError, match="nothing to learn"):
        fit("quantile", np.tile(rows()[:1], (30, 1)))
