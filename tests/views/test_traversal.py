"""Latent traversals walk along the axes that matter."""

import numpy as np
import pytest

from jaxgen.pictures.evaluation_pictures import traversal as picture_of
from jaxgen.views import traversal


def test_walk_changes_one_coordinate_a_row():
    start = np.array([0.1, 0.2, 0.3, 0.4])
    latents = traversal.walk(start, [2, 0], [-3.0, 0.0, 3.0]).reshape(2, 3, 4)
    assert latents.dtype == np.float32
    np.testing.assert_allclose(latents[0, :, 2], [-3, 0, 3])
    np.testing.assert_allclose(latents[1, :, 0], [-3, 0, 3])
    np.testing.assert_allclose(latents[0][:, [0, 1, 3]], np.tile(start[[0, 1, 3]], (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(latents[1][:, 1:], np.tile(start[1:], (3, 1)), rtol=1e-6)


class Toy:
    """Views of a model whose pixel i shows latent i, `gain[i]` gray levels a unit."""

    gain = np.array([1.0, 20.0, 0.0, 5.0])
    names = ("latents", "decode")

    def latents(self, key, ids):
        return np.full((len(ids), 4), 0.5)

    def decode(self, players, latents, ids):
        assert set(ids) == {0}
        return (128 + latents * self.gain).astype(np.uint8).reshape(-1, 2, 2, 1)

    def encode(self, players, images):
        """Means that say which image it is; a KL that grows with the number of the latent."""
        mean = images.reshape(len(images), 4) / 100.0
        return mean, np.zeros_like(mean)


@pytest.fixture
def toy(tiny_config):
    config = tiny_config()
    config.sample.rows = 3
    images = np.arange(0, 20, dtype=np.uint8)[:, None] * np.array([0, 1, 3, 2], np.uint8)
    split = type("Split", (), {"images": images.reshape(-1, 2, 2, 1)})
    recipe = type("Recipe", (), {"facts": {}})
    return type("Opened", (), {"config": config, "views": Toy(), "recipe": recipe, "train": split, "test": split})


@pytest.fixture
def drawn(monkeypatch):
    """What `traversal` hands to the picture."""
    calls = []
    monkeypatch.setattr(traversal.evaluation_pictures, "traversal", lambda *parts: calls.append(parts) or "picture")
    return calls


def test_axes_of_a_generator_are_those_that_change_the_image_most(toy, drawn):
    assert traversal.draw(toy, None) == "picture"
    images, names, values = drawn[0]
    # 6 units of 20, 5 and 1 gray levels on one of four pixels.
    assert names == ["z[1]  30.00 gray levels", "z[3]  7.50 gray levels", "z[0]  1.50 gray levels"]
    np.testing.assert_allclose(values, np.linspace(-3, 3, 9))
    rows = images.reshape(3, 9, 4).astype(int)
    np.testing.assert_array_equal(rows[0, :, 1], (128 + values * 20).astype(int))
    assert np.all(rows[0][:, [0, 2, 3]] == [128, 128, 130])  # the other latents stay at 0.5


def test_axes_of_a_vae_are_those_of_the_largest_kl_around_a_posterior_mean(toy, drawn):
    toy.views.names = ("latents", "decode", "encode")
    toy.config.evaluation.batch_size = 7  # does not divide the 20 images
    traversal.draw(toy, None)
    images, names, _ = drawn[0]
    # KL of N(m, 1) to N(0, 1) is m^2 / 2.
    squares = [np.mean((np.arange(20) * k / 100) ** 2) / 2 for k in (3, 2, 1)]
    assert names == [f"z[{i}]  {kl:.2f} nats" for i, kl in zip((2, 3, 1), squares, strict=True)]
    assert np.all(images.reshape(3, 9, 4)[0][:, [0, 1, 3]] == 128)  # the first test image's mean is 0


def test_codes_come_first_and_move_through_their_values(toy, drawn):
    toy.recipe.facts = {"latents": {"layout": (("normal", 1), ("one_hot", 2), ("uniform", 1))}}
    toy.config.sample.rows = 2
    traversal.draw(toy, None)
    images, names, columns, title = drawn[0]
    assert names == ["code of 2 values", "z[3]  -1 to 1"]
    assert title == "one latent at a time, the others fixed"
    code, uniform = images.reshape(2, len(columns), 4).astype(int)
    # Pixels 1 and 2 show the code: gains 20 and 0. The rest of its row is white.
    np.testing.assert_array_equal(code[:2], [[128, 148, 128, 130], [128, 128, 128, 130]])
    assert np.all(code[2:] == 255)
    np.testing.assert_array_equal(uniform[:, 3], (128 + 5 * np.linspace(-1, 1, 9)).astype(int))
    assert np.all(uniform[:, :3] == [128, 138, 128])
    # A third row has room for the one normal latent.
    toy.config.sample.rows = 3
    traversal.draw(toy, None)
    images, names, *_ = drawn[1]
    assert names[2] == "z[0]  -3 to 3  1.50 gray levels"
    np.testing.assert_array_equal(images.reshape(3, 9, 4)[2, [0, -1], 0], [125, 131])


def test_latents_that_are_no_vectors_have_no_axes(toy):
    toy.views.latents = lambda key, ids: np.zeros((1, 2, 2))
    assert traversal.draw(toy, None) is None


def test_the_picture_has_a_named_row_for_each_latent():
    images = np.zeros((3 * 9, 16, 16, 1), np.uint8)
    picture = picture_of(images, ["z[1]  0.50 nats", "z[0]", "z[2]"], np.linspace(-3, 3, 9))
    side = 3 * 16 + 2
    assert picture.height > 3 * side
    shown = np.asarray(picture.convert("L"))
    assert (shown == 0).sum() >= 3 * 9 * 48 * 48  # every tile is there
    label = shown[-3 * side :, : picture.width - 9 * side - 2]
    assert all((label[row * side : (row + 1) * side] < 100).any() for row in range(3))
