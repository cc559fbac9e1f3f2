"""Stacked MNIST: what each colour and label is, splits, seeds, and what is refused."""

import numpy as np
import pytest

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError

NAMES = {"train": "train", "test": "t10k"}


@pytest.fixture
def folder(tmp_path):
    """MNIST's four files with tiny sets, where a pixel tells its split, its digit and its example."""
    for split, count in (("train", 40), ("test", 20)):
        labels = (np.arange(count) * 3 % 10).astype(np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, 0], images[:, 0, 1], images[:, 0, 2] = labels, np.arange(count), split == "test"
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (tmp_path / f"{NAMES[split]}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return tmp_path


@pytest.fixture
def opened(folder, data_config):
    def open_(**changes):
        config = data_config(name="stacked_mnist", dir=folder, **{"num_points": 500, "seed": 0, **changes})
        return open_dataset(config, progress=False)

    return open_


def test_colours_are_digits_and_the_label_is_their_number(opened):
    dataset = opened()
    assert len(dataset.class_names) == 1_000
    assert dataset.class_names[42] == "042"
    for split, count in (("train", 500), ("test", 50)):
        images, labels = dataset.splits[split]
        assert (images.shape, images.dtype) == ((count, 28, 28, 3), np.uint8)
        digits = images[:, 0, 0].astype(int)
        np.testing.assert_array_equal(labels, 100 * digits[:, 0] + 10 * digits[:, 1] + digits[:, 2])
        assert (images[:, 0, 2] == (split == "test")).all()  # from its own split alone
        # All examples of MNIST occur, in each colour apart.
        examples = images[:, 0, 1].astype(int)
        if split == "train":
            assert all(set(examples[:, channel]) == set(range(40)) for channel in range(3))
            assert abs(np.corrcoef(examples.T)[np.triu_indices(3, 1)]).max() < 0.2


def test_the_seed_draws_other_triples(opened):
    first, same, other = opened(), opened(), opened(seed=1)
    np.testing.assert_array_equal(first.splits["train"].images, same.splits["train"].images)
    assert (first.splits["train"].labels != other.splits["train"].labels).mean() > 0.9


def test_only_the_wanted_split_is_read(folder, opened):
    for path in folder.glob("t10k*"):
        path.unlink()
    assert list(opened(test_split="").splits) == ["train"]
    with pytest.raises(UserError, match="t10k"):
        opened()


@pytest.mark.parametrize(("changes", "words"), [({"num_points": 9}, "at least 10"), ({"seed": -1}, "data.seed=-1")])
def test_what_cannot_be_is_refused(opened, changes, words):
    with pytest.raises(UserError, match=words):
        opened(**changes)
