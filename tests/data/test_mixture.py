"""Mixtures of Gaussians have the centres, widths and shares that they say; vectors pass where images would."""

import json

import numpy as np
import pytest

from jaxgen.data.base import Dataset, Split, is_vectors, open_dataset
from jaxgen.errors import UserError
from jaxgen.settings import default


def opened(name, **changes):
    config = default.get_config().data
    config.update({"name": name, "num_points": 20_000, **changes})
    return open_dataset(config, progress=False)


@pytest.mark.parametrize(("name", "modes", "std"), [("gaussian_ring", 8, 0.02), ("gaussian_grid", 25, 0.05)])
def test_every_mode_has_its_centre_its_width_and_its_share(name, modes, std):
    dataset = opened(name)
    points, truth = dataset.splits["train"].images, dataset.facts["points"]
    assert (points.shape, points.dtype) == ((20_000, 2), np.float32)
    centres = np.array(truth["centres"])
    assert (len(centres), truth["std"]) == (modes, std)
    nearest = np.linalg.norm(points[:, None] - centres, axis=-1).argmin(1)
    share = np.bincount(nearest, minlength=modes) / len(points)
    np.testing.assert_allclose(share, 1 / modes, atol=5 * np.sqrt(1 / modes / len(points)))
    for mode in range(modes):
        mine = points[nearest == mode] - centres[mode]
        np.testing.assert_allclose(mine.mean(0), 0, atol=5 * std / np.sqrt(len(mine)))
        np.testing.assert_allclose(mine.std(0), std, rtol=5 / np.sqrt(2 * len(mine)))


def test_the_centres_are_those_of_the_literature():
    ring, grid = (np.array(opened(f"gaussian_{name}").facts["points"]["centres"]) for name in ("ring", "grid"))
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 2)
    np.testing.assert_allclose(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1), 4 * np.sin(np.pi / 8))
    assert {tuple(centre) for centre in grid} == {(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)}


def test_on_the_line():
    dataset = opened("gaussian_1d")
    points = dataset.splits["train"].images
    assert points.shape == (20_000, 1)
    assert points.mean() == pytest.approx(1.0, abs=0.02)
    assert points.std() == pytest.approx(0.5, rel=0.03)


def test_splits_and_seeds_differ_and_the_same_seed_does_not():
    first, same, other = opened("gaussian_ring"), opened("gaussian_ring"), opened("gaussian_ring", seed=1)
    train, test = first.splits["train"].images, first.splits["test"].images
    assert len(test) == 2_000
    assert not {tuple(point) for point in test} & {tuple(point) for point in train}
    np.testing.assert_array_equal(train, same.splits["train"].images)
    assert not np.array_equal(train, other.splits["train"].images)
    assert first.info["sha256"] == same.info["sha256"] != other.info["sha256"]
    json.dumps(first.info)


def test_image_options_leave_vectors_alone_and_limit_counts():
    dataset = opened("gaussian_ring", image_size=16, channels=3, limit=7)
    assert dataset.splits["train"].images.shape == (7, 2)
    assert dataset.info["options"] == {"limit": 7}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flip": True}, "data.flip=True mirrors images"),
        ({"num_points": 5}, "at least 10"),
        ({"seed": -1}, "data.seed"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        opened("gaussian_ring", **changes)


OWN = """
import numpy as np
from jaxgen.data.base import Dataset, Split


def load(config):
    rows = np.zeros((30, 3), np.{dtype})
    rows[4, 1] = {value}
    return Dataset("own", {{"train": Split(rows, None), "test": Split(rows, None)}}, (), {{}})
"""


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [("float32", "np.nan", "not finite in 1 rows"), ("float64", "1", "float64.*vectors float32"), ("float32", "1", "")],
)
def test_a_source_of_ones_own_may_give_vectors(tmp_path, monkeypatch, dtype, value, words):
    name = f"own_{dtype}_{len(words)}"
    (tmp_path / f"{name}.py").write_text(OWN.format(dtype=dtype, value=value))
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / f"{name}.py").rename(tmp_path / "pkg" / f"{name}.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "pkg", raising=False)
    if words:
        with pytest.raises(UserError, match=words):
            opened(f"pkg.{name}")
    else:
        assert opened(f"pkg.{name}").splits["train"].images.shape == (30, 3)


def test_vectors_are_told_by_type_and_rank():
    assert is_vectors(np.zeros((3, 2), np.float32))
    assert not is_vectors(np.zeros((3, 2), np.uint8))
    assert not is_vectors(np.zeros((3, 2, 2, 1), np.float32))
    assert Dataset("x", {"train": Split(np.zeros((1, 1)), None)}, (), {}).facts == {}
