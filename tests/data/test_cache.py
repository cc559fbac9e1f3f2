import logging
import os
from pathlib import Path

import numpy as np
import pytest

from jaxgen.data import cache, folder
from jaxgen.data.base import open_dataset


@pytest.fixture
def images(tmp_path, save_image):
    for i in range(6):
        save_image(tmp_path / "images" / f"{i}.png", i * 10)
    return tmp_path / "images"


@pytest.fixture
def loads(monkeypatch):
    """Counts calls of the loader: a cached set needs none."""
    calls, load = [], folder.load
    monkeypatch.setattr(folder, "load", lambda config: (calls.append(1), load(config))[1])
    return calls


def kept(config):
    return list((Path(config.cache_dir) / "decoded").iterdir())


def same(a, b):
    assert a.splits.keys() == b.splits.keys()
    assert (a.name, a.class_names, a.info) == (b.name, b.class_names, b.info)
    for name in a.splits:
        np.testing.assert_array_equal(a.splits[name].images, b.splits[name].images)
        assert a.splits[name].labels is b.splits[name].labels is None


def test_second_start_reads_the_cache(data_config, images, loads):
    config = data_config(name="folder", dir=images)
    same(open_dataset(config, progress=False), open_dataset(config, progress=False))
    assert len(loads) == 1


@pytest.mark.parametrize(
    "change", [{"image_size": 4}, {"channels": 3}, {"limit": 2}, {"resize": "nearest"}, {"test_fraction": 0.5}]
)
def test_an_option_that_changes_pixels_has_its_own_entry(data_config, images, loads, change):
    open_dataset(data_config(name="folder", dir=images), progress=False)
    open_dataset(data_config(name="folder", dir=images, **change), progress=False)
    assert len(loads) == 2


@pytest.mark.parametrize("change", [{"flip": True}, {"download": True}])
def test_other_options_share_the_entry(data_config, images, loads, change):
    open_dataset(data_config(name="folder", dir=images), progress=False)
    open_dataset(data_config(name="folder", dir=images, **change), progress=False)
    assert len(loads) == 1


def test_a_changed_or_added_file_is_noticed(data_config, images, save_image, loads):
    config = data_config(name="folder", dir=images)
    open_dataset(config, progress=False)
    before = (images / "0.png").stat()
    save_image(images / "0.png", 99)
    os.utime(images / "0.png", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert open_dataset(config, progress=False).splits["train"].images[0, 0, 0, 0] == 99
    save_image(images / "6.png", 99)
    assert open_dataset(config, progress=False).info["file_count"] == 7
    assert len(loads) == 3


def flip_byte(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: flip_byte(d, len(d) // 2), lambda d: b"x" * len(d)],
    ids=["truncated", "empty", "flipped", "overwritten"],
)
def test_a_damaged_entry_is_rebuilt_loudly(data_config, images, loads, damage, caplog):
    config = data_config(name="folder", dir=images)
    first = open_dataset(config, progress=False)
    (entry,) = kept(config)
    entry.write_bytes(damage(entry.read_bytes()))
    with caplog.at_level(logging.WARNING):
        same(first, open_dataset(config, progress=False))
    assert f"{entry} is damaged" in caplog.text
    assert len(loads) == 2
    same(first, open_dataset(config, progress=False))
    assert len(loads) == 2


def test_every_flipped_byte_is_noticed_or_harmless(data_config, images):
    config = data_config(name="folder", dir=images, image_size=2)
    first = open_dataset(config, progress=False)
    (entry,) = kept(config)
    data = entry.read_bytes()
    for at in range(0, len(data), 37):
        entry.write_bytes(flip_byte(data, at))
        again = open_dataset(config, progress=False)
        np.testing.assert_array_equal(first.splits["train"].images, again.splits["train"].images)


def test_a_whole_entry_with_other_pixels_is_rebuilt(data_config, images, caplog):
    config = data_config(name="folder", dir=images)
    first = open_dataset(config, progress=False)
    (entry,) = kept(config)
    with np.load(entry) as arrays:
        changed = dict(arrays)
    changed["images0"][0] += 1
    np.savez(entry, **changed)
    same(first, open_dataset(config, progress=False))
    assert "the hash of train does not match" in caplog.text


def test_an_interrupted_write_leaves_nothing(data_config, images, monkeypatch):
    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    config = data_config(name="folder", dir=images)
    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_dataset(config, progress=False)
    assert kept(config) == []


def test_a_full_disk_costs_the_cache_only(data_config, images, monkeypatch, caplog):
    def full(file, **arrays):
        raise OSError(28, "No space left on device")

    config = data_config(name="folder", dir=images)
    monkeypatch.setattr(np, "savez", full)
    with caplog.at_level(logging.WARNING):
        assert len(open_dataset(config, progress=False).splits["train"].images) == 5
    assert "No space left on device" in caplog.text
    assert kept(config) == []


def test_root_follows_config_then_environment(data_config, monkeypatch, tmp_path):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    assert cache.root(data_config(cache_dir="")) == tmp_path
    assert cache.root(data_config(cache_dir="/a")) == Path("/a")
    monkeypatch.delenv("JAXGEN_CACHE")
    assert cache.root(data_config(cache_dir="")) == Path("~/.cache/jaxgen").expanduser()


def test_content_hash_covers_shape_and_labels():
    images = np.arange(8, dtype=np.uint8)
    labels = np.zeros(2, np.int32)
    hashes = {
        cache.content_hash(images.reshape(2, 2, 2, 1), labels),
        cache.content_hash(images.reshape(2, 4, 1, 1), labels),
        cache.content_hash(images.reshape(2, 2, 2, 1), labels + 1),
        cache.content_hash(images.reshape(2, 2, 2, 1), None),
    }
    assert len(hashes) == 4
