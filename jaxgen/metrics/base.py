"""The parts of a metric module and its inputs. Read this page before writing a metric.

A metric `name` is a module `jaxgen.metrics.<name>` (or the user's own, by import path). It has these parts:

- `NEEDS`: the view that it measures, one of `VIEWS` or another view of the user's own recipe.
- `DIRECTION`: "lower" or "higher" for the better direction, the best value ("0.5" means near 0.5), or "none".
- `MIN_SAMPLES`: with fewer images on either side, evaluation refuses the metric, or computes and marks it.
- Optionally `FEWEST`: with fewer images on either side the number does not exist, and evaluation refuses the metric,
  whatever is allowed. The default is 1.
- `EXTRACTOR`: a feature network's name (`jaxgen.metrics.extractors.<name>`), `CHOSEN` for the user's network, or None.
- `start(context) -> accumulator`. The accumulator has `update(batch)` for each batch and `result()` at the end, which
  returns `{"value": float, "spread": float or None, "spread_kind": str, ...}`. Further keys are free. All processes
  start and update, each with its rows of the batch. The first process alone computes the result. Slow work, such as the
  features of real sets, belongs in `start` or `update`.
- Optionally `USES`: further inputs out of `USES_KNOWN`. If an input is missing, the metric is skipped with the reason.
  `real.labels:1000` asks for labels of 1,000 classes.
- Optionally `unsuitable(image_shape) -> reason or None`: the reason to skip the metric for images [H, W, C].
- Optionally `PREFIX` and `LABELLED` (see `result_name`), and `EPSILON`, the value for a view with `epsilon`.
- For reports: `TITLE`, the common name. `UNIT` ("" for a plain number). `MEANING`, one sentence about the number.
  Optionally `CANONICAL_TITLE`, the title for the canonical network only. Optionally `SETTINGS`, the keys of the result
  that are settings. Numbers under different settings do not compare.
"""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple, Protocol

from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.image_set import ImageSet, OutputBatch
from jaxgen.settings import lookup

CHOSEN = "chosen"
_SAMPLERS = lookup.choices("evaluation.samplers")
# The views that the metrics here measure, in the order in which they are measured; any other view comes after them. A
# view is called with those of `ids` int32 [n], real `images` uint8 [n, H, W, C] and `epsilon` that its parameters name.
VIEWS = {
    "sample": "generated images: ids -> uint8 [n, H, W, C]",
    **{f"sample_{name}": f"generated images from latents of a fitted {name}: as sample" for name in _SAMPLERS},
    "points": "generated points: ids -> float32 [n, D]",
    "reconstruct": "copies of real images: images -> uint8 [n, H, W, C]",
    "project": "projections of real images: images, ids -> uint8 [n, H, W, C]",
    "log_likelihood": "images, ids -> nats per image, float32 [n]",
    "encode": "images -> posterior mean and log-variance, float32 [n, Z] each",
    "clusters": "images -> the cluster of each, int32 [n]",
    "path": "ids, epsilon -> images float32 [n, H, W, C] in [-1, 1] at t and at t + epsilon between latents",
    "path_z_end": "the same at t = 0: as path",
    "path_w_full": "the same between points of w: as path",
    "path_w_end": "the same at t = 0: as path",
}
PAIR_VIEWS = ("reconstruct", "project")
PATH_VIEWS = ("path", "path_z_end", "path_w_full", "path_w_end")
SAMPLE_VIEWS = ("sample", *(f"sample_{name}" for name in _SAMPLERS))
USES_KNOWN = (
    "real.statistics",  # context.real.statistics(extractor)
    "real.features",  # context.real.features(extractor), .logits(extractor)
    "real.images",  # context.real.images
    "real.labels",  # context.real.labels, .class_names
    "real.factors",  # context.real.factors: true factors of variation, name -> int32 [N]
    "train.features",  # the same of the training split, context.train
    "train.images",
    "train.labels",
    "facts.centres",  # context.info["points"]["centres"] and ["std"]: the mixture that the points are drawn from
    "facts.labels",  # context.info["sample"]["labels"]: the classes that samples are made for (`sample_labels`)
    "facts.columns",  # context.info["points"]["columns"]: [name, categories, whether it is the label] of each
)


class Context(NamedTuple):
    """The facts that a metric may use before the first batch.

    extractor: the argument of `batch.features`, `real.features` and so on. None for EXTRACTOR = None.
    real: the reference split. train: the training split, or None.
    image_shape: (H, W, C) of the generated images, (D,) of points.
    info: further facts about the model, by view, such as info["points"]["centres"], info["log_likelihood"]["units"].
    extract: any number of uint8 images [n, H, W, C] -> (features, logits) under `extractor`, for images outside
      batches.
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
    """A metric during evaluation."""

    def update(self, batch: OutputBatch) -> None: ...

    def result(self) -> dict: ...


def path_view(space: str, sampling: str) -> str:
    """The view of paths in "z" or "w", with t uniform ("full") or 0 ("end")."""
    return "path" if (space, sampling) == ("z", "full") else f"path_{space}_{sampling}"


def result_name(name: str, module: ModuleType, view: str, extractor: Extractor | None) -> str:
    """The key of a number in evaluation.json, which names its conditions.

    The canonical network on its canonical input path (and a fixed or no extractor) gives the metric's own name.
    Another network gives that name, or the module's `PREFIX`, with the extractor's label: `fd_efficientnet_lite0`.
    Pairs from projection are marked: `psnr_inversion`. So are samples from a fitted density of latents:
    `fid_gaussian_mixture`, and paths in w: `perceptual_path_length_w_full`. With LABELLED the name always has the
    network.
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
