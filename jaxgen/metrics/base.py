"""What a metric module holds and what it is handed: the one page to read before writing a metric.

A metric `name` is a module `jaxgen.metrics.<name>` (or the user's own, by import path) with

- `NEEDS`: the view it measures: one of `VIEWS`, or a view of another name that the user's own recipe offers,
- `DIRECTION`: "lower" or "higher", whichever is better, or the best value ("0.5": the nearer to it the better, "none":
  neither),
- `MIN_SAMPLES`: below so many images on either side evaluation refuses, or computes and marks the number,
- `EXTRACTOR`: the name of the feature network it is bound to (`jaxgen.metrics.extractors.<name>`), `CHOSEN` for the
  one that the user chose, or None,
- `start(context) -> accumulator` with `update(batch)` for each batch and `result()` at the end, which gives
  `{"value": float, "spread": float or None, "spread_kind": str, ...}`, further keys as it likes. Of several processes
  all start and update alike, each with its rows of the batch, and the first alone makes the result: what takes long,
  such as the real sets' features, is asked for in `start` or `update`,
- optionally `USES`: what else it reads, any of `USES_KNOWN`. It is skipped, with the reason, where that is missing,
- optionally `unsuitable(image_shape) -> reason or None`: why images [H, W, C] cannot be measured. It is then skipped,
- optionally `PREFIX` and `LABELLED`: see `result_name`, `EPSILON`: what a view that takes `epsilon` is given,
- for reports: `TITLE`, the name that people know it by. `UNIT` ("" for a plain number). `MEANING`, one sentence of what
  the number says. Optionally `CANONICAL_TITLE`, which only the canonical network's number has, and `SETTINGS`, those
  keys of its result that are settings: numbers under different ones do not compare.
"""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple, Protocol

from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.image_set import ImageSet, OutputBatch

CHOSEN = "chosen"
# The views that the metrics here measure, in the order in which they are measured; any other view comes after them. A
# view is called with those of `ids` int32 [n], real `images` uint8 [n, H, W, C] and `epsilon` that its parameters name.
VIEWS = {
    "sample": "generated images: ids -> uint8 [n, H, W, C]",
    "sample_normal": "generated images from latents of a Gaussian fitted to the encoder's: as sample",
    "sample_gaussian_mixture": "the same from a Gaussian mixture: as sample",
    "points": "generated points: ids -> float32 [n, D]",
    "reconstruct": "copies of real images: images -> uint8 [n, H, W, C]",
    "project": "projections of real images: images, ids -> uint8 [n, H, W, C]",
    "log_likelihood": "images, ids -> nats per image, float32 [n]",
    "encode": "images -> posterior mean and log-variance, float32 [n, Z] each",
    "path": "ids, epsilon -> images float32 [n, H, W, C] in [-1, 1] at t and at t + epsilon between latents",
    "path_z_end": "the same at t = 0: as path",
    "path_w_full": "the same between points of w: as path",
    "path_w_end": "the same at t = 0: as path",
}
PAIR_VIEWS = ("reconstruct", "project")
PATH_VIEWS = ("path", "path_z_end", "path_w_full", "path_w_end")
SAMPLE_VIEWS = ("sample", "sample_normal", "sample_gaussian_mixture")
USES_KNOWN = (
    "real.statistics",  # context.real.statistics(extractor)
    "real.features",  # context.real.features(extractor), .logits(extractor)
    "real.images",  # context.real.images
    "real.labels",  # context.real.labels, .class_names
    "train.features",  # the same of the training split, context.train
    "train.images",
    "train.labels",
    "facts.centres",  # context.info["points"]["centres"] and ["std"]: the mixture that the points are drawn from
    "facts.columns",  # context.info["points"]["columns"]: [name, categories, whether it is the label] of each
)


class Context(NamedTuple):
    """What a metric may know before the first batch.

    extractor: the name to hand to `batch.features`, `real.features` and so on. For EXTRACTOR = None it is None.
    real: the reference split. train: the training split, where there is one.
    image_shape: (H, W, C) of the generated images, (D,) of points.
    info: further facts about the model, by view. Such as info["points"]["centres"], info["log_likelihood"]["units"].
    extract: uint8 images [n, H, W, C] of any count -> (features, logits) under `extractor`, for images that are in
      no batch.
    """

    n_real: int
    n_fake: int
    seed: int
    real: ImageSet | None = None
    train: ImageSet | None = None
    extractor: str | None = None
    image_shape: tuple[int, ...] = ()
    info: dict = {}  # noqa: RUF012
    extract: Callable | None = None


class Accumulator(Protocol):
    """A metric under way."""

    def update(self, batch: OutputBatch) -> None: ...

    def result(self) -> dict: ...


def path_view(space: str, sampling: str) -> str:
    """The view of paths in "z" or "w", with t uniform ("full") or 0 ("end")."""
    return "path" if (space, sampling) == ("z", "full") else f"path_{space}_{sampling}"


def result_name(name: str, module: ModuleType, view: str, extractor: Extractor | None) -> str:
    """The key of a number in evaluation.json, which says what it is of.

    With the canonical network on its canonical input path (and for a fixed or no extractor) the metric's own name.
    With another that name, or the module's `PREFIX`, and the extractor's label: `fd_efficientnet_lite0`. Pairs that
    come from projection are no reconstructions: `psnr_inversion`. Nor are samples from a fitted density of latents
    those of the model's prior: `fid_gaussian_mixture`. Nor are paths in w those in z: `perceptual_path_length_w_full`.
    With LABELLED the name always says the network.
    """
    label = name
    if module.EXTRACTOR == CHOSEN and (getattr(module, "LABELLED", False) or not extractor.canonical):
        prefix = getattr(module, "PREFIX", label)
        label = f"{prefix}_{extractor.label or extractor.name}"
    if view in SAMPLE_VIEWS[1:]:
        return f"{label}_{view.removeprefix('sample_')}"
    if view in PATH_VIEWS[1:]:
        return f"{label}_{view.removeprefix('path_')}"
    # A projection is called an inversion in files: that name is part of their format.
    return f"{label}_inversion" if view == "project" else label
