import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics import coverage, density, manifold, precision, recall

from .stand_ins import given, measure


def _squared(a, b):
    return np.stack([np.square(row - b.astype(np.float64)).sum(1) for row in a.astype(np.float64)])


def _definition(real, fake, k=3, k_density=5):
    """Kynkaanniemi et al. 2019, eq. 1 and 2; Naeem et al. 2020, eq. 3 and 4 (before the means), word for word."""
    real_real, fake_fake, between = _squared(real, real), _squared(fake, fake), _squared(real, fake)
    radius = np.sort(real_real, 1)[:, k][:, None]
    radius_fake = np.sort(fake_fake, 1)[:, k][None]
    radius_density = np.sort(real_real, 1)[:, k_density][:, None]
    inside = between < radius_density
    return (between <= radius).any(0), (between <= radius_fake).any(1), inside.sum(0), inside.any(1)


def _clusters(seed, n, size, clusters=8, offset=100.0):
    centres = np.random.default_rng(99).normal(size=(8, size)) * 3 + offset
    r = np.random.default_rng(seed)
    return (centres[r.integers(clusters, size=n)] + r.normal(size=(n, size))).astype(np.float32)


def _hard(n_real, n_fake, size):
    """Far from the origin, with repeated images on either side, copies of real images, and a tight bunch of them."""
    real, fake = _clusters(0, n_real, size), _clusters(1, n_fake, size, clusters=6)
    real[:20], fake[:20] = real[20], fake[20]
    fake[50:80] = real[30:60]
    fake[80:110] = real[25] + np.random.default_rng(2).normal(size=(30, size)) * 1e-4
    return real, fake


@pytest.mark.parametrize(("n_real", "n_fake", "size"), [(300, 500, 20), (520, 333, 200), (120, 150, 3)])
def test_all_four_equal_the_definition(monkeypatch, n_real, n_fake, size):
    monkeypatch.setattr(manifold, "TILE", 128)  # several tiles, the last ones padded
    real, fake = _hard(n_real, n_fake, size)
    for a, b in ((real, fake), (fake, real), (real, real)):
        for got, expected in zip(manifold.manifolds(a, b), _definition(a, b), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_other_neighbourhoods_equal_the_definition():
    real, fake = _hard(150, 140, 10)
    for got, expected in zip(
        manifold.manifolds(real, fake, k=9, k_density=2), _definition(real, fake, 9, 2), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("size", [4, 300])
def test_nearest_equals_sorting_all_distances(monkeypatch, size):
    monkeypatch.setattr(manifold, "TILE", 64)
    a, b = _hard(150, 210, size)
    for given_b, squared in ((b, _squared(a, b)), (None, _squared(a, a) + np.diag(np.full(len(a), np.inf)))):
        indices, distances = manifold.nearest(a, given_b, k=6)
        np.testing.assert_allclose(distances, np.sqrt(np.sort(squared, 1)[:, :6]), rtol=1e-12)
        np.testing.assert_allclose(np.take_along_axis(squared, indices, 1), distances**2, rtol=1e-12)


def test_neighbours_closer_than_float32_can_tell_are_found():
    # A collapsed model: ten images, each in slight variations, at 1e-6 of the distance between them.
    r = np.random.default_rng(0)
    a = (r.normal(size=(10, 64))[r.integers(10, size=400)] + 1e-6 * r.normal(size=(400, 64))).astype(np.float32)
    squared = _squared(a, a) + np.diag(np.full(len(a), np.inf))
    _, distances = manifold.nearest(a, k=5)
    np.testing.assert_allclose(distances, np.sqrt(np.sort(squared, 1)[:, :5]), rtol=1e-9)


@pytest.mark.parametrize("size", [2, 64, 2048])
def test_the_bounds_hold_with_room(size):
    a, b = (_clusters(seed, 200, size, offset=5.0) for seed in (0, 1))
    b[:50] = a[:50] + 1e-5
    lower, upper = (np.asarray(x, np.float64) for x in manifold._bounds(a, b, b.mean(0)))
    exact = _squared(a, b)
    assert (lower <= exact).all()
    assert (exact <= upper).all()
    # Not by luck: the error stays well inside. Not by width: only close pairs are left to float64.
    slack = np.finfo(np.float32).eps * (8 + np.sqrt(size)) * _norms(a, b)
    assert (np.abs(upper - slack - exact) < 0.5 * slack).all()
    assert (upper - lower)[exact > 1].max() < 1e-4 * exact.max()


def _norms(a, b):
    a, b = (x.astype(np.float64) - b.mean(0) for x in (a, b))
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1)


def test_count_within_counts_others_with_the_boundary():
    x = np.array([[0.0], [1], [2], [2], [5]], np.float32)
    np.testing.assert_array_equal(manifold.count_within(x, 1.0), [1, 3, 2, 2, 0])
    np.testing.assert_array_equal(manifold.count_within(x, 0.0), [0, 0, 1, 1, 0])


def test_equal_content_is_computed_once():
    real, fake = _clusters(5, 90, 7), _clusters(6, 90, 7)
    first = manifold.manifolds(real, fake)
    assert manifold.manifolds(real.copy(), fake.copy()) is first
    fake[0] += 1
    assert manifold.manifolds(real, fake) is not first


def test_too_few_images_are_refused():
    x = np.zeros((5, 2), np.float32)
    with pytest.raises(UserError, match="5 nearest neighbours need more images than 5 real and 5 generated"):
        manifold.manifolds(x, x)
    with pytest.raises(UserError, match="4 images do not have 5 nearest neighbours"):
        manifold.nearest(x, k=5)


def _four(real, fake, **more):
    return {
        module.__name__.rsplit(".", 1)[1]: measure(module, fake, real=real, extractor=given(), **more)["value"]
        for module in (precision, recall, density, coverage)
    }


def test_identical_sets_are_perfect():
    x = _clusters(0, 300, 16)
    assert _four(x, x) == {"precision": 1.0, "recall": 1.0, "density": 1.0, "coverage": 1.0}


def test_dropped_modes_lower_recall_and_coverage_and_leave_precision():
    real, whole, half = _clusters(0, 600, 16), _clusters(1, 600, 16), _clusters(2, 600, 16, clusters=4)
    good, dropped = _four(real, whole), _four(real, half)
    assert dropped["precision"] > good["precision"] - 0.05
    assert dropped["recall"] < 0.65 * good["recall"]
    assert dropped["coverage"] < 0.65 * good["coverage"]


def test_noise_lowers_precision_and_density():
    real, fake = _clusters(0, 500, 16), _clusters(1, 500, 16)
    noisy = fake + np.random.default_rng(3).normal(size=fake.shape).astype(np.float32) * 2
    good, bad = _four(real, fake), _four(real, noisy)
    assert bad["precision"] < 0.5 * good["precision"]
    assert bad["density"] < 0.5 * good["density"]


def test_an_outlier_among_real_images_fools_precision_and_not_density():
    # Naeem et al. 2020, figure 1: the wide ball of a real outlier takes in samples that resemble nothing.
    real = np.concatenate([_clusters(0, 400, 8, offset=0), np.full((1, 8), 60, np.float32)])
    fake = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32) + 40
    found = _four(real, fake)
    assert found["precision"] > 0.9
    assert found["density"] < 0.3


def test_results_are_those_of_any_batch_size_and_tell_what_they_are_of():
    real, fake = _clusters(0, 130, 8), _clusters(1, 110, 8)
    results = [measure(precision, fake, real=real, extractor=given(), batch_size=size) for size in (1, 50, 110)]
    assert results[0] == results[1] == results[2]
    share = results[0]["value"]
    assert results[0] == {
        "value": share,
        "spread": pytest.approx(np.sqrt(share * (1 - share) / 109)),
        "spread_kind": "standard error over samples",
        "k": 3,
        "n_real": 130,
    }
    assert measure(coverage, fake, real=real, extractor=given())["spread_kind"] == "standard error over real images"


def test_more_real_images_than_the_limit_are_a_seeded_choice(monkeypatch):
    monkeypatch.setattr(manifold, "MAX_REAL", 100)
    real, fake = _clusters(0, 130, 8), _clusters(1, 110, 8)
    first, again, other = (measure(recall, fake, real=real, extractor=given(), seed=s) for s in (0, 0, 1))
    assert first == again
    assert first["n_real"] == 100
    assert first["value"] != other["value"]
