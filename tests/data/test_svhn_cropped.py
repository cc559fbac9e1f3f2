import numpy as np
import pytest
from scipy.io import savemat

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError


@pytest.fixture
def write(tmp_path, random_images):
    """write(split, n, **changes) -> images [32, 32, 3, N], saved as SVHN's .mat file."""

    def make(split, n, **changes):
        images = random_images((32, 32, 3, n), n)
        labels = (np.arange(n, dtype=np.uint8)[:, None] % 10) + 1
        savemat(tmp_path / f"{split}_32x32.mat", {"X": images, "y": labels, **changes}, do_compression=True)
        return images

    return make


def test_reads_both_files(data_config, tmp_path, write):
    train, test = write("train", 12), write("test", 4)
    dataset = open_dataset(data_config(name="svhn_cropped", dir=tmp_path, labels=True), progress=False)
    assert list(dataset.splits) == ["train", "test"]
    np.testing.assert_array_equal(dataset.splits["train"].images[7], train[..., 7])
    np.testing.assert_array_equal(dataset.splits["test"].images[3], test[..., 3])
    assert dataset.splits["train"].labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


def test_extra_is_read_when_named(data_config, tmp_path, write):
    write("extra", 3), write("test", 2)
    config = data_config(name="svhn_cropped", dir=tmp_path, train_split="extra")
    assert len(open_dataset(config, progress=False).splits["extra"].images) == 3


def test_extra_is_missing_when_named(data_config, tmp_path, write):
    write("train", 3), write("test", 2)
    with pytest.raises(UserError, match=r"extra_32x32\.mat is not here .* \(1329\.3 MB\)"):
        open_dataset(data_config(name="svhn_cropped", dir=tmp_path, train_split="extra"), progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.ones((2, 1), np.uint8)}, "holds 3 images but 2 labels"),
        ({"y": np.zeros((3, 1), np.uint8)}, r"holds labels from 0 to 0\. SVHN has 1 to 10"),
        ({"X": np.zeros((32, 32, 3, 3))}, r"X is float64 \[32, 32, 3, 3\]"),
        ({"X": np.zeros((3, 32, 32, 3), np.uint8)}, r"X is uint8 \[3, 32, 32, 3\]"),
    ],
)
def test_wrong_contents_are_named(data_config, tmp_path, write, changes, message):
    write("train", 3, **changes)
    with pytest.raises(UserError, match=message):
        open_dataset(data_config(name="svhn_cropped", dir=tmp_path, test_split=""), progress=False)


def test_missing_keys_are_named(data_config, tmp_path):
    savemat(tmp_path / "train_32x32.mat", {"digitStruct": np.zeros(3)})
    with pytest.raises(UserError, match="lacks X and y"):
        open_dataset(data_config(name="svhn_cropped", dir=tmp_path, test_split=""), progress=False)


@pytest.mark.parametrize("keep", [0.5, 0.999, 0])
def test_a_truncated_file_is_named(data_config, tmp_path, write, keep):
    write("train", 30)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(UserError, match=r"train_32x32\.mat (is truncated or damaged|lacks)"):
        open_dataset(data_config(name="svhn_cropped", dir=tmp_path, test_split=""), progress=False)
