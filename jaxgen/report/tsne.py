"""t-SNE of all models of a section with the real data, from the features that their evaluations left."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.report import plots
from jaxgen.report.pictures import TSNE, pictured_run
from jaxgen.report.sections import Section

_FILE = "evaluation/features.npz"
_POINTS, _EACH = 2000, 300  # in all, and of each set at most


class SampleFeatures(NamedTuple):
    """The features of one run's evaluation: of samples [n, D] and of real examples [m, D], with the network.

    kind: features of one kind lie in one space and have the same real examples.
    """

    real: np.ndarray
    fake: np.ndarray
    extractor: str
    kind: tuple[str, str]


def read(path: Path) -> SampleFeatures | None:
    """The file's features, None if it is missing or damaged."""
    try:
        # np.load(path) leaks the open file if it is damaged
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            real, fake = (np.asarray(file[name], np.float32) for name in ("real", "fake"))
            extractor = str(file["extractor"])
    except Exception:  # a damaged byte of a zip or of an array's header fails in any layer
        return None
    whole = real.ndim == fake.ndim == 2 and real.shape[1] == fake.shape[1] and len(real) and len(fake)
    kind = extractor, hashlib.sha256(np.ascontiguousarray(real).tobytes()).hexdigest()
    return SampleFeatures(real, fake, extractor, kind) if whole and np.isfinite(real).all() else None


def plane(section: Section, prefix: str) -> tuple[str, str] | None:
    """The figure of a section and its caption. None if no run has features, or if its own picture shows them all."""
    if len(section.models) == 1 and pictured_run(section, section.models[0]).files(TSNE):
        return None
    left = {model.number: read(pictured_run(section, model).folder / _FILE) for model in section.models}
    left = {number: features for number, features in left.items() if features is not None}
    kinds = [features.kind for features in left.values()]
    usual = max(kinds, key=kinds.count, default=None)
    used = {n: part for n, part in left.items() if part.kind == usual and np.isfinite(part.fake).all()}
    if not used:
        return None
    each = min(_EACH, _POINTS // (len(used) + 1))
    first = next(iter(used.values()))
    parts = {None: first.real, **{n: features.fake for n, features in used.items()}}
    parts = {n: part[np.linspace(0, len(part) - 1, min(each, len(part))).astype(int)] for n, part in parts.items()}
    places, how = _places(np.concatenate(list(parts.values())), first.real, first.extractor)
    names = {model.number: model.name for model in section.models} | {None: "real data"}
    ends = np.cumsum([len(part) for part in parts.values()])[:-1]
    by_name = dict(zip((names[n] for n in parts), np.split(places, ends), strict=True))
    figure = plots.plane(by_name, {names[n]: n for n in parts}, prefix)
    absent = ", ".join(model.name for model in section.models if model.number not in used)
    return figure, how + (f" Without such features: {absent}." if absent else "")


def _places(points: np.ndarray, real: np.ndarray, extractor: str) -> tuple[np.ndarray, str]:
    """Points in the plane [n, 2], and how they came there."""
    if points.shape[1] == 2 and not extractor:
        return points, "The points themselves, since the data have two dimensions."
    of = f"{extractor} features"
    if not extractor:  # columns of a table, each in its own unit
        of, points = "standardised columns", (points - real.mean(0)) / np.maximum(real.std(0), 1e-12)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    points = points.astype(np.float64)
    with threadpool_limits(1):
        few = PCA(min(50, *points.shape), random_state=0).fit_transform(points)
        perplexity = min(30.0, (len(few) - 1) / 3)
        places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(few)
    how = (
        f"One t-SNE (van der Maaten and Hinton 2008) of {of} of all models and the real data together, "
        "on 50 principal components. A good model's points mix with the real points. Distances between far groups, and "
        "the axes, mean nothing."
    )
    return places, how
