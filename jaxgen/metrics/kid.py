"""Kernel inception distance (Binkowski et al. 2018). Unlike the Frechet distance, it is unbiased at any sample size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, of_features

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "kernel distance", ""
CANONICAL_TITLE = "KID"
MEANING = "Distance between the features of samples and of real images, unbiased at any number of images."
SETTINGS = ("subsets", "subset_size", "kernel")
SUBSETS, SUBSET_SIZE = 100, 1000
MIN_SAMPLES, FEWEST = SUBSET_SIZE, 2
EXTRACTOR = CHOSEN
USES = ("real.features",)
FEW = "a subset would hold all images, and the spread over subsets would mean nothing"


@jax.jit
def _row_sums(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Row sums of the kernel minus 1 within x, within y (both without the diagonal) and between x and y."""

    def kernel(a, b):
        t = jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST) / a.shape[1]
        return t * (t * (t + 3) + 3)

    def off_diagonal(a):
        return jnp.where(jnp.eye(len(a), dtype=bool), 0, kernel(a, a)).sum(1)

    return off_diagonal(x), off_diagonal(y), kernel(x, y).sum(1)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, eq. 4 and section 3.3.

    The kernel's constant 1 cancels between the three means and is left out, so that float32 rounds less. Sums over
    rows are in float64.

    Args:
      x, y: features [m, D], [n, D], with m and n at least 2.
    """
    of_rows = _row_sums(jnp.asarray(x), jnp.asarray(y))
    within_x, within_y, between = (np.asarray(sums, np.float64).sum() for sums in of_rows)
    m, n = len(x), len(y)
    return float(within_x / (m * (m - 1)) + within_y / (n * (n - 1)) - 2 * between / (m * n))


def kernel_distance(real: np.ndarray, fake: np.ndarray, seed: int) -> dict:
    """Mean and standard deviation of `squared_mmd` over random subsets of features [n_real, D] and [n_fake, D].

    Subsets overlap, so the mean's standard error counts only as many subsets as could be disjoint.
    """
    size = min(SUBSET_SIZE, len(real), len(fake))
    if size < 2:
        raise UserError(f"kid: {len(real)} real and {len(fake)} generated images are too few. It needs two of each")
    random = np.random.default_rng(seed)
    draw = functools.partial(random.choice, size=size, replace=False)
    values = [squared_mmd(real[draw(len(real))], fake[draw(len(fake))]) for _ in range(SUBSETS)]
    disjoint = min(SUBSETS, min(len(real), len(fake)) // size)
    return {
        "value": float(np.mean(values)),
        "spread": float(np.std(values)),
        "spread_kind": "standard deviation over subsets",
        "standard_error": float(np.std(values) / np.sqrt(disjoint)),
        "subsets": SUBSETS,
        "subset_size": size,
        "kernel": "(x.y/D + 1)^3",
    }


def start(context: Context) -> Collected:
    """An accumulator of the distance."""
    real = context.real.features(context.extractor)
    return of_features(context.extractor, lambda features: kernel_distance(real, features, context.seed))
