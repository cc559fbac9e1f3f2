"""The right image in the right place, and a t-SNE plane that shows what lies apart."""

import subprocess
import sys

import numpy as np
import pytest

from jaxgen.pictures import evaluation_pictures as module

SIDE, STEP, HEAD, GAP = 48, 50, 26, 16  # of a tile, from tile to tile, of a heading, between grids


def _flat(*levels, side=SIDE, channels=1):
    """One image of each grey level."""
    return np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, side, side, channels), np.uint8)


def _tile(picture, row, column, left=0, head=HEAD, side=SIDE):
    """The grey level of a tile, which must be the same all over it."""
    array = np.asarray(picture)
    top, left = head + 2 + row * (side + 2), left + 2 + column * (side + 2)
    tile = array[top : top + side, left : left + side]
    assert tile.shape[:2] == (side, side)
    assert tile.min() == tile.max(), (tile.min(), tile.max())
    return int(tile.min())


def _has_text(picture, box):
    left, top, right, bottom = box
    return np.asarray(picture)[top:bottom, left:right].min() < 100


def test_real_beside_fake():
    picture = module.real_beside_fake(_flat(10, 20, 30, 40), _flat(110, 120, 130), columns=2)
    fake_left = 2 * STEP + 2 + GAP
    assert [[_tile(picture, i, j) for j in range(2)] for i in range(2)] == [[10, 20], [30, 40]]
    assert [_tile(picture, 0, j, fake_left) for j in range(2)] == [110, 120]
    assert [_tile(picture, 1, j, fake_left) for j in range(2)] == [130, 255]
    assert _has_text(picture, (0, 0, 50, HEAD))
    assert _has_text(picture, (fake_left, 0, fake_left + 70, HEAD))


def test_neighbours_are_beside_their_sample():
    train = _flat(*range(100, 120))
    picture = module.neighbours(_flat(1, 2), train, np.array([[3, 5, 7], [19, 0, 4]]))
    heading = round(module._font().getlength("sample")) + 2 * module._MARGIN
    right = max(STEP + 2, heading) + GAP
    assert [_tile(picture, i, 0) for i in range(2)] == [1, 2]
    assert [[_tile(picture, i, j, right) for j in range(3)] for i in range(2)] == [
        [103, 105, 107],
        [119, 100, 104],
    ]


def test_figure_2_frames_the_nearest_training_image_of_the_last_sample_of_each_row():
    picture = module.figure2(_flat(10, 20, 30, 40, 50, 60), _flat(130, 160), columns=3)
    assert [[_tile(picture, i, j, head=0) for j in range(3)] for i in range(2)] == [[10, 20, 30], [40, 50, 60]]
    left = 3 * STEP + 2 + 2
    assert [_tile(picture, i, 0, left, head=0) for i in range(2)] == [130, 160]
    frame = np.all(np.asarray(picture) == (240, 200, 0), axis=-1)
    assert frame[:, left : left + 2].all()
    assert frame[:, -2:].all()
    for top in (0, STEP, 2 * STEP):
        assert frame[top : top + 2, left:].all()
    assert not frame[:, :left].any()


def test_per_class_has_a_row_for_each_class_also_an_empty_one():
    images, labels = _flat(10, 20, 30, 40, 50), np.array([2, 0, 2, 2, 0])
    picture = module.per_class(images, labels, ("cat", "an empty class", "dog"), per_class=2)
    left = picture.width - 2 * STEP - 2
    expected = [[20, 50], [255, 255], [10, 30]]
    assert [[_tile(picture, i, j, left, head=0) for j in range(2)] for i in range(3)] == expected
    for row in range(3):
        assert _has_text(picture, (0, row * STEP, left, (row + 1) * STEP))
    assert module.per_class(images, labels, ("a", "b", "c"), per_class=2, most=2).height == 2 * STEP + 2


def test_duplicates_are_side_by_side_with_their_distances():
    picture = module.duplicates(_flat(*range(10)), np.array([[1, 2], [3, 9], [4, 5]]), np.array([0.5, 1, 2]), columns=2)
    pair, below = 2 * STEP + 2 + GAP, 20
    found = [(_tile(picture, 0, 0, left), _tile(picture, 0, 1, left)) for left in (0, pair)]
    assert found == [(1, 2), (3, 9)]
    second = HEAD + STEP + 2 + below
    assert (_tile(picture, 0, 0, 0, second), _tile(picture, 0, 1, 0, second)) == (4, 5)
    for left in (0, pair):
        assert _has_text(picture, (left, HEAD + STEP + 2, left + 2 * STEP, second))


@pytest.mark.parametrize(("side", "tile"), [(128, 128), (129, 65), (256, 128), (300, 100)])
@pytest.mark.parametrize("channels", [1, 3])
def test_large_images_are_shrunk(side, tile, channels):
    images = _flat(40, 80, side=side, channels=channels)
    images[0, ::2] += 20  # the mean of two rows shows
    picture = module.per_class(images, np.array([0, 0]), ("a",), per_class=2)
    assert picture.height == tile + 4
    left = picture.width - 2 * (tile + 2) - 2
    assert _tile(picture, 0, 1, left, head=0, side=tile) == 80
    if side == 256:
        assert _tile(picture, 0, 0, left, head=0, side=tile) == 50


def _groups(n, seed):
    """Features [n, 12] in three groups far apart."""
    r = np.random.default_rng(seed)
    return 20 * np.eye(12)[np.arange(n) % 3] + r.normal(size=(n, 12))


def test_tsne_keeps_groups_together_and_mixes_what_is_alike():
    real, fake = module.tsne_points(_groups(90, 0), _groups(60, 1), seed=3)
    assert (real.shape, fake.shape) == ((90, 2), (60, 2))
    # A fake point's nearest real point is of its own group, and about as near as real ones are to each other.
    distance = np.linalg.norm(fake[:, None] - real[None], axis=-1)
    assert np.all(distance.argmin(1) % 3 == np.arange(60) % 3)
    among = np.linalg.norm(real[:, None] - real[None], axis=-1) + 1e9 * np.eye(90)
    assert np.median(distance.min(1)) < 3 * np.median(among.min(1))
    np.testing.assert_array_equal(module.tsne_points(_groups(90, 0), _groups(60, 1), seed=3)[0], real)


def test_tsne_takes_a_seeded_subset(monkeypatch):
    monkeypatch.setattr(module, "_TSNE_POINTS", 20)
    real, fake = module.tsne_points(_groups(90, 0), _groups(15, 1))
    assert (real.shape, fake.shape) == ((20, 2), (15, 2))


def test_tsne_picture_has_both_colours_and_is_small(tmp_path):
    picture = module.tsne(_groups(40, 0), _groups(40, 1), title="efficientnet_lite0")
    array = np.asarray(picture.convert("RGB")).astype(int)
    blue = (array[..., 2] > array[..., 0] + 60).sum()
    orange = (array[..., 0] > array[..., 2] + 60).sum()
    assert min(blue, orange) > 300
    picture.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 60_000


def test_importing_it_loads_no_plotting_and_no_learning_library():
    code = "import sys, jaxgen.pictures.evaluation_pictures; print({'matplotlib', 'sklearn'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
