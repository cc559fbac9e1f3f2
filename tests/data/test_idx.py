import gzip
import shutil

import numpy as np
import pytest

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError

NAMES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.fixture
def write(random_images):
    """write(folder, gz) -> arrays by (split, kind), written as MNIST's four files."""

    def make(folder, gz=True, labels=None):
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {}
        for i, (split, n) in enumerate((("train", 12), ("test", 5))):
            arrays[split, "images"] = random_images((n, 28, 28), i)
            arrays[split, "labels"] = np.arange(n, dtype=np.uint8) % 10 if labels is None else labels
        for key, array in arrays.items():
            data = idx_bytes(array)
            (folder / (NAMES[key] + ".gz" * gz)).write_bytes(gzip.compress(data) if gz else data)
        return arrays

    return make


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("below", [True, False])
def test_reads_the_four_files(data_config, tmp_path, write, name, gz, below):
    arrays = write(tmp_path / name if below else tmp_path, gz)
    dataset = open_dataset(data_config(name=name, dir=tmp_path, labels=True), progress=False)
    assert dataset.name == name
    assert len(dataset.class_names) == 10
    for split in ("train", "test"):
        np.testing.assert_array_equal(dataset.splits[split].images[..., 0], arrays[split, "images"])
        np.testing.assert_array_equal(dataset.splits[split].labels, arrays[split, "labels"])


def test_only_the_named_splits_are_needed(data_config, tmp_path, write):
    write(tmp_path)
    for path in tmp_path.glob("train*"):
        path.unlink()
    dataset = open_dataset(data_config(name="mnist", dir=tmp_path, train_split="test"), progress=False)
    assert list(dataset.splits) == ["test"]


def damaged(data, how):
    plain = gzip.decompress(data)
    return {
        "truncated": data[: len(data) // 2],
        "crc": data[:-8] + bytes([data[-8] ^ 1]) + data[-7:],
        "short": gzip.compress(plain[:-1]),
        "long": gzip.compress(plain + b"0"),
        "magic": gzip.compress(b"\x00\x00\x0d\x03" + plain[4:]),
        "empty": b"",
        "nothing": bytes([0, 0, 8, 3]) + (2**31).to_bytes(4, "big") * 2 + bytes(4),
        "overflow": bytes([0, 0, 8, 3]) + (2**31).to_bytes(4, "big") * 2 + (4).to_bytes(4, "big"),
        "header": plain[:9],
    }[how]


@pytest.mark.parametrize(
    "how", ["truncated", "crc", "short", "long", "magic", "empty", "nothing", "overflow", "header"]
)
def test_a_damaged_file_is_named(data_config, tmp_path, write, how):
    write(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(
        UserError, match=r"train-images-idx3-ubyte\.gz (is truncated or damaged|is no IDX file|holds nothing)"
    ):
        open_dataset(data_config(name="mnist", dir=tmp_path), progress=False)


def test_a_small_file_unpacks_to_no_more_than_its_header_says(data_config, tmp_path, write, monkeypatch):
    write(tmp_path)
    read, sizes = gzip.GzipFile.read, []
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, size=-1: sizes.append(size) or read(file, size))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((1, 28, 28), np.uint8)) + bytes(10**7), 1))
    with pytest.raises(UserError, match="it has 785 bytes, but its header says"):
        open_dataset(data_config(name="mnist", dir=tmp_path), progress=False)
    assert sizes == [16, 785]


def test_images_and_labels_must_match(data_config, tmp_path, write):
    write(tmp_path)
    shutil.copy(tmp_path / "t10k-labels-idx1-ubyte.gz", tmp_path / "train-labels-idx1-ubyte.gz")
    with pytest.raises(UserError, match=r"12 images, but .* 5 labels"):
        open_dataset(data_config(name="mnist", dir=tmp_path), progress=False)


def test_labels_beyond_the_classes_are_refused(data_config, tmp_path, write):
    write(tmp_path, labels=np.full(12, 10, np.uint8))
    with pytest.raises(UserError, match=r"holds the label 10\. There are 10 classes"):
        open_dataset(data_config(name="mnist", dir=tmp_path, test_split=""), progress=False)
