"""The classifier of real images, and the metrics of conditional models that ask it, on images whose class is known."""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgen.metrics import classification_accuracy_score, classifier, conditional_accuracy, intra_class_fid
from jaxgen.metrics.image_set import ImageSet, ImageSource
from jaxgen.metrics.sample_labels import labels_of, of_samples
from jaxgen.metrics.streaming import ExampleStream

from .stand_ins import Images, NearestMean, given, measure

CLASSES = 4
NAMES = ("top left", "top right", "bottom left", "bottom right")


def corners(count, seed):
    """Gray 8x8 images with one white quarter, whose place is the class, under noise. Labels take turns."""
    labels = np.arange(count, dtype=np.int32) % CLASSES
    images = np.random.default_rng(seed).integers(0, 40, (count, 2, 4, 2, 4, 1))
    images[np.arange(count), labels // 2, :, labels % 2] += 200
    return images.reshape(count, 8, 8, 1).astype(np.uint8), labels


def info(num_classes=CLASSES, shares=()):
    return {"sample": {"labels": {"num_classes": num_classes, "class_shares": shares}}}


@pytest.fixture
def nearest(monkeypatch):
    monkeypatch.setattr(classifier, "train", NearestMean)


@pytest.fixture(scope="module")
def sets():
    train, real = corners(160, 0), corners(80, 1)
    return {"train": Images(*train, NAMES), "real": Images(*real, NAMES)}


def image_set(folder, images, labels):
    source = ImageSource(images, labels, NAMES, split="corners:train")
    return ImageSet(source, lambda name: None, ExampleStream(50), np.asarray, folder)


def test_labels_of_samples_take_turns_or_follow_the_shares():
    assert labels_of(np.arange(7), 3).tolist() == [0, 1, 2, 0, 1, 2, 0]
    labels = labels_of(np.arange(1000), 3, (0.5, 0.2, 0.3))
    np.testing.assert_allclose(np.bincount(labels) / 1000, [0.5, 0.2, 0.3], atol=0.003)
    assert np.array_equal(of_samples(info(shares=(0.5, 0.5)), 20), labels_of(np.arange(20), CLASSES, (0.5, 0.5)))


def test_it_learns_classes_of_unseen_images(monkeypatch):
    for name, value in {"FEWEST_STEPS": 40, "EPOCHS": 0, "BATCH": 32, "WIDTHS": {1: 8}}.items():
        monkeypatch.setattr(classifier, name, value)
    trained = classifier.train(*corners(160, 0), CLASSES)
    images, labels = corners(150, 2)
    assert trained.accuracy(images, labels) > 0.97
    assert (trained.examples, trained.steps) == (160, 40)
    seen = trained.classes_of_all(images)
    assert np.array_equal(seen[:3], np.asarray(trained.classes_of(images[:3])))
    spread = jax.device_put(images[:148], NamedSharding(Mesh(jax.devices()[:4], "x"), PartitionSpec("x")))
    assert np.array_equal(np.asarray(trained.classes_of(spread)), seen[:148])


def test_shifted_images_are_parts_of_their_padded_selves():
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 30, 3), np.uint8)
    moved = classifier._shifted(images, np.random.default_rng(1))
    assert moved.shape == images.shape
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    found = {
        next((y, x) for y in range(5) for x in range(5) if np.array_equal(padded[i, y : y + 28, x : x + 30], moved[i]))
        for i in range(64)
    }
    assert len(found) > 15  # 25 places


def test_it_is_trained_once_and_kept_by_pixels_and_labels(tmp_path, monkeypatch):
    images, labels = corners(40, 0)
    counts = []
    monkeypatch.setattr(classifier, "train", lambda *given: counts.append(len(given[1])) or _untrained(images))
    first = classifier.of(image_set(tmp_path, images, labels), CLASSES)
    again = image_set(tmp_path, images, labels)
    assert classifier.of(again, CLASSES) is classifier.of(again, CLASSES)
    assert counts == [40]
    for ours, theirs in zip(*(_leaves(part.params) for part in (first, classifier.of(again, CLASSES))), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    classifier.of(again, CLASSES, count=16)
    classifier.of(image_set(tmp_path, images, labels[::-1].copy()), CLASSES)
    classifier.of(image_set(tmp_path, images[::-1].copy(), labels), CLASSES)
    assert counts == [40, 16, 40, 40]
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    classifier.of(image_set(tmp_path, images, labels), CLASSES)
    assert counts == [40, 16, 40, 40, 40]


def test_it_learns_pieces_of_images_and_keeps_them_apart(tmp_path, monkeypatch):
    images, labels = corners(40, 0)
    half, learned = images.shape[1] // 2, []
    monkeypatch.setattr(classifier, "train", lambda *given: learned.append(given) or _untrained(images))

    def halves(images, labels):
        return np.concatenate([images[:, :half], images[:, half:]]), np.tile(labels, 2)

    known = image_set(tmp_path, images, labels)
    classifier.of(known, CLASSES, count=16)
    classifier.of(known, CLASSES, 16, halves)
    assert [len(given[1]) for given in learned] == [16, 32]
    whole, pieces = learned
    np.testing.assert_array_equal(pieces[0][:16], whole[0][np.arange(16)][:, :half])
    assert classifier.of(image_set(tmp_path, images, labels), CLASSES, 16, halves).examples == 32  # from the file
    assert len(learned) == 2


def _untrained(images):
    network, random = classifier.Network(16, CLASSES), np.random.default_rng(0)
    shapes = jax.eval_shape(network.init, _key(), np.float32(images[:1]))["params"]
    params = jax.tree.map(lambda leaf: np.float32(random.normal(size=leaf.shape)), shapes)
    return classifier.Classifier(network, params, len(images), 1)


def _key():
    return jax.random.key(0)


def _leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(("shape", "sides"), [((28, 28, 1), 7), ((32, 32, 3), 8), ((16, 16, 1), 4), ((64, 64, 3), 8)])
def test_the_last_block_sees_about_eight_pixels(shape, sides):
    network = classifier.Network(8, 10)
    _, state = jax.eval_shape(
        lambda: network.init_with_output(_key(), np.zeros((1, *shape), np.float32), capture_intermediates=True)
    )
    last = [call for name, call in state["intermediates"].items() if name.startswith("Conv")]
    assert min(out.shape[1] for call in last for out in call["__call__"]) == sides


def test_conditional_accuracy_is_the_mean_over_classes(sets, nearest):
    images, labels = corners(120, 3)
    wrong = (labels == 3) | ((labels == 1) & (np.arange(120) % 8 == 1))  # all of one class, half of another
    images[wrong] = corners(120, 4)[0][(np.arange(120) + 1) % 120][wrong]
    result = measure(conditional_accuracy, images, **sets, info=info(), batch_size=50)
    assert result["real_accuracy"] > 0.97
    np.testing.assert_allclose(list(result["of_each_class"].values()), [1, 0.5, 1, 0], atol=0.05)
    assert list(result["of_each_class"]) == list(NAMES)
    assert result["value"] == pytest.approx(2.5 / 4, abs=0.03)
    assert result["spread"] == pytest.approx(np.sqrt(0.25 / 15) / 4, rel=0.3)
    # Each class counts alike, whatever its share: of the first class, which has most samples, none is right.
    shares = (0.7, 0.1, 0.1, 0.1)
    shown = np.maximum(labels_of(np.arange(400), CLASSES, shares), 1)
    unequal = corners(400, 5)[0][shown + 4 * (np.arange(400) // 4 % 50)]
    result = measure(conditional_accuracy, unequal, **sets, info=info(shares=shares))
    assert result["value"] == pytest.approx(3 / 4, abs=0.01)


def test_the_score_of_samples_is_high_for_real_images_and_low_for_wrong_labels(sets, nearest):
    fine = measure(classification_accuracy_score, corners(160, 3)[0], **sets, info=info())
    assert fine["value"] > 0.95
    assert fine["real_trained_accuracy"] > 0.95
    assert fine["classifier_examples"] == 160
    turned = measure(classification_accuracy_score, np.roll(corners(200, 3)[0], 4, axis=1), **sets, info=info())
    assert turned["value"] < 0.05
    assert turned["classifier_examples"] == 160  # as many as there are real images


def frechet(x, y):
    """By the square root of the product's eigenvalues, independently of jaxgen."""
    a, b = np.cov(x.T), np.cov(y.T)
    root = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a) + np.trace(b) - 2 * root


def test_the_distance_within_classes_is_their_mean():
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    draw = lambda scale: np.float32(random.normal(size=(90, 4)) * scale + 10 * labels[:, None])  # noqa: E731
    real, train, fake = draw(1), draw(1), draw(2)
    sets = {
        "real": Images(real, labels, ("a", "b", "c"), extractor=given()),
        "train": Images(train, labels, ("a", "b", "c"), extractor=given()),
    }
    result = measure(intra_class_fid, fake, **sets, extractor=given(), info=info(3))
    for value, set_ in (("value", fake), ("real_value", train)):
        expected = [frechet(set_[labels == c].astype(float), real[labels == c].astype(float)) for c in range(3)]
        assert result[value] == pytest.approx(np.mean(expected), rel=1e-5)
    assert result["images_of_a_class"] == 30
    assert result["value"] > 3 * result["real_value"]
    assert result["kernel_distance"] > result["real_kernel_distance"]
    # Samples that are right as a whole, and of the wrong classes.
    swapped = measure(intra_class_fid, np.roll(real, 1, axis=0), **sets, extractor=given(), info=info(3))
    assert swapped["value"] > 300


def test_classes_with_few_images_set_the_number_or_leave_none():
    random = np.random.default_rng(0)
    labels = np.array([0] * 50 + [1] * 8)
    real = Images(np.float32(random.normal(size=(58, 3))), labels, ("a", "b"), extractor=given())
    fake = np.float32(random.normal(size=(80, 3)))
    result = measure(intra_class_fid, fake, real=real, train=real, extractor=given(), info=info(2))
    assert result["images_of_a_class"] == 8
    one = Images(np.float32(random.normal(size=(51, 3))), labels[:51], ("a", "b"), extractor=given())
    result = measure(intra_class_fid, fake, real=one, train=real, extractor=given(), info=info(2))
    assert "'b' has 1" in result["note"]
