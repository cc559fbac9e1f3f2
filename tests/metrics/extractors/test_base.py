import os
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgen.errors import UserError
from jaxgen.metrics.extractors.base import in_chunks


def _images(n, channels=3):
    return np.random.default_rng(0).integers(0, 256, (n, 4, 5, channels), dtype=np.uint8)


def _sums(images):
    return images.astype(np.float32).sum((1, 2)), images[:, 0, 0, 0].astype(np.int32)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("count", [0, 1, 3, 7, 9])
def test_any_count_in_pieces_of_one_size(monkeypatch, backend, count):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    sizes = []

    def apply(images):
        sizes.append(len(images))
        return _sums(jnp.asarray(images))

    images = _images(count)
    got = in_chunks(apply, images, 3, 2)
    for a, b in zip(got, _sums(images), strict=True):
        np.testing.assert_array_equal(a, b)
    size = {"cpu": 3, "gpu": 2}[backend]
    assert sizes == [size] * max(-(-count // size), 1)


def test_float_images_stay_float():
    images = _images(4) / np.float32(7)
    np.testing.assert_array_equal(in_chunks(lambda x: (x,), images, 3, 3)[0], images)


def test_pieces_run_side_by_side_and_keep_their_order():
    together, peak, lock = [0], [0], threading.Lock()

    def apply(images):
        with lock:
            together[0] += 1
            peak[0] = max(peak[0], together[0])
        time.sleep(0.02 * (images[0, 0, 0, 0] % 3))
        with lock:
            together[0] -= 1
        return (images[:, 0, 0, 0],)

    images = _images(12)
    np.testing.assert_array_equal(in_chunks(apply, images, 1, 1)[0], images[:, 0, 0, 0])
    cores = len(os.sched_getaffinity(0))
    assert (peak[0] > 1) == (cores > 1)
    assert peak[0] <= cores


def test_an_error_stops_the_pieces_not_begun():
    begun = []

    def apply(images):
        begun.append(None)
        if len(begun) == 3:
            raise RuntimeError("no memory")
        time.sleep(0.02)
        return (images,)

    with pytest.raises(RuntimeError, match="no memory"):
        in_chunks(apply, _images(400), 1, 1)
    assert len(begun) < 100


def test_what_lies_on_several_devices_is_taken_whole():
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    images = jax.device_put(_images(8), NamedSharding(mesh, PartitionSpec("data")))
    seen = []

    def apply(images):
        seen.append(images)
        return (images,)

    in_chunks(apply, images, 3, 3)
    assert len(seen) == 1
    assert seen[0] is images


@pytest.mark.parametrize(
    "images",
    [_images(2, 4), _images(2)[0], _images(2).astype(np.int32), _images(2).astype(np.float64)],
    ids=["RGBA", "no batch", "int32", "float64"],
)
def test_other_images_are_refused(images):
    with pytest.raises(UserError, match="takes uint8"):
        in_chunks(lambda x: (x,), images, 2, 2)
