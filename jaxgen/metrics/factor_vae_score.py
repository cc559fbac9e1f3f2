"""FactorVAE's score (Kim and Mnih 2018, section 4): which code varies least tells which factor was held fixed.

The paper encodes new images for each vote. Here each vote draws among images that are encoded once, which needs some
10,000 encodings in place of 960,000. The number of images is in the record.
"""

import numpy as np

from jaxgen.metrics import disentanglement
from jaxgen.metrics.collected import no_number
from jaxgen.metrics.disentanglement import Codes

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "FactorVAE score", ""
MEANING = "How often the code that varies least among images with one factor fixed tells which factor is fixed."
SETTINGS = ("factors", "images_of_a_vote", "votes")
MIN_SAMPLES = disentanglement.MIN_SAMPLES
FEWEST = 2
EXTRACTOR = None
USES = disentanglement.USES
IMAGES = 64  # of one vote
VOTES = {"train": 10_000, "test": 5_000}
UNUSED = 0.05  # Codes with a smaller standard deviation take no part.
_AT_ONCE = 500


def votes_of(codes: np.ndarray, factors: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Votes [count, 2]: the code with the least variance, and the fixed factor.

    The variance is that of 64 images with one value of the factor, over the variance of all images. The value is that
    of a random image. The 64 are drawn with replacement.

    Args:
      codes: [N, Z], each with a variance above 0. factors: [N, K].
    """
    normalised = codes / codes.std(0)
    fixed = random.integers(0, factors.shape[1], count)
    value = factors[random.integers(0, len(codes), count), fixed]
    votes = np.zeros((count, 2), np.int64)
    for factor in range(factors.shape[1]):
        order = np.argsort(factors[:, factor], kind="stable")
        edges = np.searchsorted(factors[order, factor], np.arange(factors[:, factor].max() + 2))
        mine = np.flatnonzero(fixed == factor)
        for some in np.split(mine, range(_AT_ONCE, len(mine), _AT_ONCE)):
            first, last = edges[value[some]], edges[value[some] + 1]
            places = first[:, None] + (random.random((len(some), IMAGES)) * (last - first)[:, None]).astype(np.int64)
            votes[some, 0] = normalised[order[places]].var(1).argmin(1)
    votes[:, 1] = fixed
    return votes


@disentanglement.on_codes
def start(codes: Codes) -> dict:
    """The test accuracy of the majority vote. A model without codes above the threshold has 0, as in the paper's code.

    `chance` is the accuracy of the most frequent factor.
    """
    used = codes.codes.std(0) >= UNUSED
    if not used.any():
        return {**no_number("no code varies"), "value": 0.0, "used_codes": 0}
    random = np.random.default_rng(codes.seed)
    train, test = (votes_of(codes.codes[:, used], codes.factors, count, random) for count in VOTES.values())
    table = np.zeros((used.sum(), codes.factors.shape[1]), np.int64)
    np.add.at(table, tuple(train.T), 1)
    right = table.argmax(1)[test[:, 0]] == test[:, 1]
    return {
        "value": float(right.mean()),
        "spread": float(np.sqrt(right.mean() * (1 - right.mean()) / len(right))),
        "spread_kind": "standard error over votes",
        "chance": float(np.bincount(test[:, 1]).max() / len(test)),
        "of_each_factor": codes.by_name(
            np.array([right[test[:, 1] == j].mean() for j in range(codes.factors.shape[1])])
        ),
        "used_codes": int(used.sum()),
        "images": len(codes.codes),
        "images_of_a_vote": IMAGES,
        "votes": list(VOTES.values()),
    }
