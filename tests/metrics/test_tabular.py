"""Metrics of tables by closed forms, by independent references, and by the order of the baselines."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, multivariate_normal
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from jaxgen.evaluation import baseline_evaluation as baselines
from jaxgen.metrics import (
    class_ratio,
    closest_record,
    correlation_similarity,
    duplicate_rows,
    frechet_columns,
    ks_complement,
    tabular,
    tstr,
)
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.settings import lookup

CATEGORIES = (0,) * 30 + (2,)


@pytest.fixture(scope="module")
def cancer():
    found = load_breast_cancer()
    rows = np.column_stack([found.data, found.target]).astype(np.float32)
    return train_test_split(rows, test_size=0.3, stratify=found.target, random_state=0)


@pytest.fixture(scope="module")
def measured(cancer):
    """Every baseline's scores on the one split: {name: {metric: record}}."""
    metrics = {"ks": ks_complement, "corr": correlation_similarity, "frechet": frechet_columns, "near": closest_record}
    metrics |= {"copies": duplicate_rows, "tstr": tstr}
    out = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabular, "TREES", 40)
        for name in baselines.BASELINES:
            tables = of(*cancer, baselines.draw(name, cancer[0], CATEGORIES, 30, 0))
            out[name] = {key: module.start.__wrapped__(tables) for key, module in metrics.items()}
            out[name]["forest"] = tabular.two_sample_auc(tables, tabular.forest(0))
    return out


def of(train, real, fake, categories=CATEGORIES, label=30):
    return tabular.Tables(train, real, fake, categories, label, seed=0)


def normal(count, columns=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, columns)).astype(np.float32)


def test_the_calibration_table_comes_out(measured):
    """The figures of 70/30 stratified splits (means over three): this is one, with smaller forests."""
    table = {
        # KSc, CorrSim, C2ST forest, TSTR accuracy, Frechet
        "real": (0.930, 0.969, 0.47, 0.961, 1.2),
        "bootstrap": (0.922, 0.965, 0.61, 0.957, 1.5),
        "class_copula": (0.920, 0.962, 0.58, 0.955, 1.9),
        "class_gaussian": (0.896, 0.967, 0.77, 0.947, 1.5),
        "class_shuffled": (0.930, 0.891, 0.94, 0.930, 12.6),
        "shuffled": (0.930, 0.799, 0.997, 0.573, 23.6),
    }
    for name, expected in table.items():
        found = [measured[name][key]["value"] for key in ("ks", "corr", "forest", "tstr", "frechet")]
        allowed = (0.015, 0.012, 0.08, 0.12, 0.2 * expected[4] + 0.5)
        for value, wanted, within in zip(found, expected, allowed, strict=True):
            assert value == pytest.approx(wanted, abs=within), (name, found)


def test_the_baselines_are_in_order(measured):
    order = ("real", "class_copula", "class_gaussian", "class_shuffled", "shuffled")
    forest = [measured[name]["forest"]["value"] for name in order]
    assert forest == sorted(forest)
    assert measured["bootstrap"]["forest"]["value"] > forest[0] + 0.03  # a copy in another fold gives it away
    assert measured["class_shuffled"]["tstr"]["value"] > 0.9 > measured["shuffled"]["tstr"]["value"]
    assert measured["real"]["tstr"]["value"] == measured["real"]["tstr"]["trtr_accuracy"]


def test_copies_are_found_and_models_are_not_accused(measured):
    for name in baselines.BASELINES:
        copied = name in ("real", "bootstrap")
        assert measured[name]["near"]["found"] == copied, name
        assert measured[name]["copies"]["value"] == (1.0 if copied else 0.0)
    assert measured["bootstrap"]["copies"]["share_among_samples"] > 0.5
    assert measured["bootstrap"]["copies"]["share_of_real"] == 0.0


def test_column_shapes_are_scipy_s(cancer):
    train, real = cancer
    found = ks_complement.start.__wrapped__(of(train, real, train))
    # In double precision: newer versions of SciPy compute in that of their inputs.
    expected = [1 - ks_2samp(train[:, j].astype(float), real[:, j].astype(float)).statistic for j in range(30)]
    assert found["value"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert found["columns"][30] == pytest.approx(1 - abs(train[:, 30].mean() - real[:, 30].mean()), abs=1e-4)


def test_correlations_are_numpy_s_and_0_beside_a_constant():
    rows = normal(100)
    np.testing.assert_allclose(tabular.correlations(rows), np.corrcoef(rows.T), atol=1e-12)
    rows[:, 1] = 3
    assert tabular.correlations(rows)[1].tolist() == [0, 0, 0]
    opposite = rows.copy()
    opposite[:, 2] = rows[:, 0]
    rows[:, 2] = -rows[:, 0]
    found = correlation_similarity.start.__wrapped__(of(normal(100), rows, opposite, (0, 0, 0), None))
    # Of three pairs two are 0 on both sides, and one is -1 against 1.
    assert found["value"] == pytest.approx(2 / 3)
    assert found["mean_difference"] == pytest.approx(2 / 3)
    assert found["largest_difference"] == pytest.approx(2)


def test_frechet_is_the_closed_form_of_a_shift_in_training_deviations():
    train, rows = normal(100), normal(500, seed=1)
    train[:, 1] *= 10
    shifted = rows.copy()
    shifted[:, 1] += 5
    found = frechet_columns.start.__wrapped__(of(train, rows, shifted, (0, 0, 0), None))
    assert found["value"] == pytest.approx((5 / train[:, 1].std(dtype=float)) ** 2, rel=1e-3)


def test_the_two_sample_test_is_as_sharp_as_the_best_there_is():
    """Of Gaussians a distance d apart: the AUC of their likelihood ratio is Phi(d / sqrt 2), and none is above it."""
    from scipy.special import ndtr
    from sklearn.linear_model import LogisticRegression

    real, fake = normal(600, seed=1), normal(900, seed=2)
    fake[:, 0] += 1
    found = tabular.two_sample_auc(of(normal(100), real, fake, (0, 0, 0), None), LogisticRegression())
    assert found["value"] == pytest.approx(ndtr(1 / np.sqrt(2)), abs=0.03)
    assert found["rows_of_each"] == 600


def test_a_class_that_is_never_generated_is_missed(cancer, monkeypatch):
    monkeypatch.setattr(tabular, "TREES", 20)
    train, real = cancer
    benign = train[train[:, 30] == 1]
    found = tstr.start.__wrapped__(of(train, real, benign))
    assert found["value"] == pytest.approx(real[:, 30].mean())
    assert found["auc"] == pytest.approx(0.5)
    assert found["f1"] < 0.5 < 0.9 < found["trtr_f1"]
    ratio = class_ratio.start.__wrapped__(of(train, real, benign))
    assert ratio["value"] == pytest.approx(1 - real[:, 30].mean(), abs=1e-6)
    assert ratio["shares"] == [0.0, 1.0]
    lying = train.copy()
    lying[:, 30] = 1 - lying[:, 30]
    assert class_ratio.start.__wrapped__(of(train, real, lying))["agreement"] == 0.0


def test_distances_compare_sides_of_one_size():
    """Unseen rows of the one distribution: as near to training rows as to held-out ones, however many there are."""
    found = closest_record.nearer_to_train(normal(2000, 5, 1), normal(200, 5, 2), normal(1000, 5, 3), seed=0)
    assert found["value"] == pytest.approx(0.5, abs=0.06)
    assert not found["found"]
    train = normal(2000, 5, 1)
    near = closest_record.nearer_to_train(train, normal(200, 5, 2), train[:300] + 0.01, seed=0)
    assert near["found"]
    assert near["share_very_near"] == 1.0


def test_copulas_and_gaussians_have_the_class_s_columns_and_dependence():
    rng = np.random.default_rng(0)
    label = np.repeat([0.0, 1.0], 1500)
    covariances = [np.array([[1.0, r], [r, 1.0]]) for r in (0.9, -0.5)]
    pairs = np.concatenate([multivariate_normal(cov=c).rvs(1500, random_state=rng) for c in covariances])
    rows = np.column_stack([np.exp(pairs[:, 0]), pairs[:, 1] + 5 * label, label]).astype(np.float32)
    copula, gaussian = (baselines.draw(name, rows, (0, 0, 2), 2, 1) for name in ("class_copula", "class_gaussian"))
    for code, r in ((0, 0.9), (1, -0.5)):
        mine = label == code
        assert np.corrcoef(np.log(copula[mine, 0]), copula[mine, 1])[0, 1] == pytest.approx(r, abs=0.05)
        assert ks_2samp(copula[mine, 0], rows[mine, 0]).statistic < 0.06
        expected = np.cov(rows[mine, :2].T)
        np.testing.assert_allclose(np.cov(gaussian[mine, :2].T), expected, atol=0.15 * expected.max())
    assert (gaussian[:, 0] < 0).any()
    assert (copula[:, 0] > 0).all()
    np.testing.assert_array_equal(copula[:, 2], label)


def test_shuffling_keeps_every_column_and_only_within_the_class_what_depends_on_it(cancer):
    rows = cancer[0]
    for name in ("shuffled", "class_shuffled"):
        drawn = baselines.draw(name, rows, CATEGORIES, 30, 0)
        np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(rows, axis=0))
        means = [drawn[drawn[:, 30] == code, 0].mean() for code in (0, 1)]
        assert (means[0] - means[1] > 4) == (name == "class_shuffled")


def test_an_accumulator_gathers_batches_without_their_padding(cancer):
    train, real = cancer
    columns = [[f"c{i}", [], False] for i in range(30)] + [["kind", ["a", "b"], True]]

    class Set:
        def __init__(self, images):
            self.images = images

    context = Context(171, 398, 0, Set(real), Set(train), image_shape=(31,), info={"points": {"columns": columns}})
    metric = frechet_columns.start(context)
    for first in range(0, 398, 100):
        ids = np.minimum(np.arange(first, first + 100), 397)
        metric.update(OutputBatch(train[ids], min(100, 398 - first), None, None))
    assert metric.result() == frechet_columns.start.__wrapped__(of(train, real, train))
    broken = ks_complement.start(context)
    broken.update(OutputBatch(np.full((50, 31), np.nan, np.float32), 50, None, None))
    assert np.isnan(broken.result()["value"])


def test_metrics_of_tables_say_what_they_need():
    for name in ("c2st_forest", "c2st_logistic", "tstr", "ks_complement", "closest_record", "class_ratio"):
        module = lookup.module("metrics", name, "metrics")
        assert module.NEEDS == "points"
        assert "facts.columns" in module.USES
