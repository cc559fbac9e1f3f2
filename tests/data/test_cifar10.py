import io
import tarfile

import numpy as np
import pytest

from jaxgen.data import cifar10
from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError

BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


@pytest.fixture
def batches(random_images):
    """The six files by name, three records each, as bytes."""
    files = {}
    for i, name in enumerate(BATCHES):
        records = random_images((3, 3073), i)
        records[:, 0] = [i, 9, 0]
        files[name] = records.tobytes()
    return files


def write_tar(path, files, folder="cifar-10-batches-bin/"):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {"readme.html": b"hello", **files}.items():
            member = tarfile.TarInfo(folder + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def check(dataset, files):
    train = dataset.splits["train"]
    assert train.images.shape == (15, 32, 32, 3)
    assert dataset.splits["test"].labels.tolist() == [5, 9, 0]
    assert train.labels.tolist() == [0, 9, 0, 1, 9, 0, 2, 9, 0, 3, 9, 0, 4, 9, 0]
    record = files["data_batch_2.bin"][3073 : 2 * 3073]  # the fifth training image
    for y, x, c in ((0, 0, 0), (3, 5, 1), (31, 30, 2)):
        assert train.images[4, y, x, c] == record[1 + c * 1024 + y * 32 + x]


def test_reads_the_archive(data_config, tmp_path, batches):
    write_tar(tmp_path / "cifar-10-binary.tar.gz", batches)
    check(open_dataset(data_config(name="cifar10", dir=tmp_path, labels=True), progress=False), batches)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
def test_reads_the_unpacked_folder(data_config, tmp_path, batches, below):
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    for name, data in batches.items():
        (tmp_path / below / name).write_bytes(data)
    check(open_dataset(data_config(name="cifar10", dir=tmp_path), progress=False), batches)


def test_members_paths_reach_no_disk(data_config, tmp_path, batches):
    (tmp_path / "inner").mkdir()
    write_tar(tmp_path / "inner" / "cifar-10-binary.tar.gz", batches, folder="../")
    check(open_dataset(data_config(name="cifar10", dir=tmp_path / "inner"), progress=False), batches)
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


@pytest.mark.parametrize("part", [0.5, -20, -6])
def test_a_truncated_archive_is_named(data_config, tmp_path, batches, part):
    path = write_tar(tmp_path / "cifar-10-binary.tar.gz", batches)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part) if part > 0 else part])
    with pytest.raises(UserError, match=r"cifar-10-binary\.tar\.gz is truncated or damaged"):
        open_dataset(data_config(name="cifar10", dir=tmp_path), progress=False)


def test_a_small_archive_cannot_take_gigabytes(data_config, tmp_path, batches, monkeypatch):
    write_tar(tmp_path / "cifar-10-binary.tar.gz", batches)
    monkeypatch.setattr(cifar10, "_LARGEST", 2 * 3073)
    with pytest.raises(UserError, match=r"data_batch_1\.bin has 9,219 bytes, more than a batch"):
        open_dataset(data_config(name="cifar10", dir=tmp_path), progress=False)


def test_a_flipped_byte_is_noticed(data_config, tmp_path, batches):
    path = write_tar(tmp_path / "cifar-10-binary.tar.gz", batches)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"cifar-10-binary\.tar\.gz"):
        open_dataset(data_config(name="cifar10", dir=tmp_path), progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("data_batch_3.bin"), r"lacks data_batch_3\.bin"),
        (lambda f: f.update({"data_batch_3.bin": f["data_batch_3.bin"][:-1]}), r"data_batch_3\.bin is truncated"),
        (lambda f: f.update({"test_batch.bin": b"\x0a" * 3073}), r"test_batch\.bin holds the label 10"),
    ],
)
def test_wrong_contents_are_named(data_config, tmp_path, batches, change, message):
    change(batches)
    write_tar(tmp_path / "cifar-10-binary.tar.gz", batches)
    with pytest.raises(UserError, match=message):
        open_dataset(data_config(name="cifar10", dir=tmp_path), progress=False)


def test_no_file_is_one_line_with_url_and_place(data_config, tmp_path):
    with pytest.raises(UserError, match=r"data\.download=False. Get https://\S+ \(170\.1 MB\) and put it at") as error:
        open_dataset(data_config(name="cifar10", dir=tmp_path), progress=False)
    assert str(tmp_path / "cifar-10-binary.tar.gz") in str(error.value)
    assert np.char.count(str(error.value), "\n") == 0
