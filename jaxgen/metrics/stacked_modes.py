"""Covered modes of Stacked MNIST (Metz et al. 2017): of 1,000 triples of digits, those that a classifier finds.

The classifier reads each colour by itself. It is trained on the training images, whose labels name the digits. Its
accuracy on the real test images is given beside the number. A mistake of the classifier can add a mode that no sample
shows.

The KL divergence is that of the triples' shares to equal shares. A perfect sampler has about 999 / 2n with n samples.
The real images have another value, because digits of MNIST are not equally frequent.
"""

import numpy as np

from jaxgen.metrics import classifier
from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "stacked modes covered", "modes"
MEANING = "Number of the 1,000 triples of digits that occur among the samples."
SETTINGS = ("modes", "classifier_examples", "classifier_steps")
MIN_SAMPLES = 10_000  # a perfect sampler misses 0.05 modes of 1,000
EXTRACTOR = None
USES = ("train.images", "train.labels:1000", "real.images", "real.labels:1000")
FEW = "few samples miss modes"
_MODES = 1_000
_PLACES = np.array([100, 10, 1])
_CLASSIFIER_IMAGES = 20_000  # training images whose 60,000 digits the classifier learns


def unsuitable(image_shape: tuple[int, ...]) -> str | None:
    """The reason against images that cannot hold three digits."""
    return None if image_shape[-1] == 3 else "needs three digits in three colours"


def shares(triples: np.ndarray) -> dict:
    """The number of different triples [n], and their divergence in nats from equal shares of 1,000 triples.

    kl_floor: the divergence that n samples of equal shares have on average, to first order.
    """
    counts = np.bincount(triples, minlength=_MODES)
    share = counts[counts > 0] / len(triples)
    kl = float(np.sum(share * np.log(share * _MODES)))
    return {"covered": int((counts > 0).sum()), "kl": max(kl, 0.0), "kl_floor": (_MODES - 1) / (2 * len(triples))}


def single(images: np.ndarray) -> np.ndarray:
    """uint8 [n, H, W, 3] -> the colours one after the other, [3 n, H, W, 1]."""
    return np.ascontiguousarray(np.moveaxis(images, 3, 1)).reshape(-1, *images.shape[1:3], 1)


def digits_of(labels: np.ndarray) -> np.ndarray:
    """Labels 0 to 999, [n] -> the digits of each image, [n, 3]."""
    return labels[:, None] // _PLACES % 10


def single_digits(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, H, W, 3] with labels [n] -> images of one digit [3 n, H, W, 1], and these digits [3 n]."""
    return single(images), digits_of(labels).ravel()


def start(context: Context) -> Collected:
    """An accumulator of the number of covered modes."""
    real = context.real
    reader = classifier.of(context.train, 10, _CLASSIFIER_IMAGES, single_digits)

    def finish(samples: np.ndarray) -> dict:
        def read(images: np.ndarray) -> np.ndarray:
            return reader.classes_of_all(single(images)).reshape(-1, 3)

        of_real, truth = read(np.asarray(real.images[: len(real.images)])), digits_of(real.labels)
        found, found_real = (shares(digits @ _PLACES) for digits in (read(samples), of_real))
        return {
            "value": float(found["covered"]),
            "spread": None,
            "spread_kind": "none: a count over all samples",
            "modes": _MODES,
            "kl_to_uniform": found["kl"],
            "kl_floor": found["kl_floor"],
            "samples": len(samples),
            "modes_real": found_real["covered"],
            "kl_to_uniform_real": found_real["kl"],
            "kl_floor_real": found_real["kl_floor"],
            "classifier_accuracy": float(np.mean(of_real == truth)),
            "classifier_accuracy_of_triples": float(np.mean((of_real == truth).all(1))),
            "classifier_examples": reader.examples,
            "classifier_steps": reader.steps,
        }

    return Collected(lambda batch: batch.host(batch.fake), finish)
