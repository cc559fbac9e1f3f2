import numpy as np

from jaxgen.metrics.image_set import Chosen, content_digest

IMAGES = np.random.default_rng(0).integers(0, 256, (2500, 2, 3, 1), dtype=np.uint8)


def test_chosen_images_are_read_when_they_are_asked_for():
    class Streamed:
        shape = IMAGES.shape
        asked = 0

        def __getitem__(self, ids):
            self.asked += len(ids)
            return IMAGES[ids]

    source = Streamed()
    ids = np.array([7, 3, 2000, 11])
    chosen = Chosen(source, ids)
    assert (len(chosen), chosen.shape, source.asked) == (4, (4, 2, 3, 1), 0)
    assert np.array_equal(chosen[np.array([2, 0])], IMAGES[[2000, 7]])
    assert np.array_equal(chosen[1:3], IMAGES[[3, 2000]])
    assert source.asked == 4


def test_the_digest_is_of_pixels_and_shape_wherever_they_lie(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    digest = content_digest(IMAGES)
    assert content_digest(np.load(tmp_path / "x.npy", mmap_mode="r")) == digest
    assert content_digest(Chosen(IMAGES, np.arange(len(IMAGES)))) == digest
    assert content_digest(IMAGES.reshape(2500, 3, 2, 1)) != digest
    changed = IMAGES.copy()
    changed[2400, 1, 2, 0] ^= 1
    assert content_digest(changed) != digest
