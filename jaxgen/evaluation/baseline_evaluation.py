"""Computes a run's metrics for samplers that learn nothing, on the same rows, into baselines.json.

A number means little alone. It is compared with real rows against real rows and with a Gaussian copula. Each sampler
takes training rows and gives as many new rows: `(rows [N, C], categories [C], label, rng) -> rows [N, C]`.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from jaxgen.data.table import columns_of, label_place
from jaxgen.errors import UserError
from jaxgen.evaluation import engine
from jaxgen.files import caches
from jaxgen.files.workdir import write_atomic
from jaxgen.metrics import tabular
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.records import aligned
from jaxgen.settings import json_file, lookup

log = logging.getLogger(__name__)
NAME = "baselines.json"


class Baseline(NamedTuple):
    """A sampler and its title."""

    title: str
    sample: Callable[[np.ndarray, tuple[int, ...], int | None, np.random.Generator], np.ndarray]


def draw(name: str, rows: np.ndarray, categories: tuple[int, ...], label: int | None, seed: int) -> np.ndarray:
    """Rows float32 [N, C] of the baseline `name`, drawn by `seed`."""
    rng = np.random.default_rng((seed, 5))
    return BASELINES[name].sample(np.asarray(rows), categories, label, rng).astype(np.float32)


def _real(rows, categories, label, rng) -> np.ndarray:
    """The training rows themselves: the ceiling, as near to the test split as other real rows are."""
    return rows


def _bootstrap(rows, categories, label, rng) -> np.ndarray:
    """Training rows drawn with replacement: perfect copies."""
    return rows[rng.integers(len(rows), size=len(rows))]


def _all_shuffled(rows, categories, label, rng) -> np.ndarray:
    """Each column shuffled by itself, the label's staying where it is: right columns, no dependence at all."""
    out = _shuffled(rows, np.array(categories), rng)
    if label is not None:
        out[:, label] = rows[:, label]
    return out


def _by_class(sampler: Callable, rows, categories, label, rng) -> np.ndarray:
    """`sampler(rows of a class, categories, rng)` for each class, rows in the places of their class."""
    rows, out = rows.astype(np.float64), np.empty(rows.shape)
    labels = np.zeros(len(rows)) if label is None else rows[:, label]
    counts = np.array(categories)
    if label is not None:
        counts[label] = 0
    for value in np.unique(labels):
        of_class = labels == value
        out[of_class] = sampler(rows[of_class], counts, rng)
    if label is not None:
        out[:, label] = labels
    return out


def _shuffled(rows: np.ndarray, counts: np.ndarray, rng) -> np.ndarray:
    """Within a class: right columns, no dependence beside that on the class."""
    return np.stack([rng.permutation(column) for column in rows.T], axis=1)


def _gaussian(rows: np.ndarray, counts: np.ndarray, rng) -> np.ndarray:
    """A Gaussian with the class's mean and covariance; categories are drawn by their shares."""
    out, numbers = _shuffled(rows, counts, rng), counts == 0
    part = rows[:, numbers]
    out[:, numbers] = part.mean(0) + _correlated(np.cov(part.T, ddof=min(1, len(part) - 1)), len(part), rng)
    return out


def _copula(rows: np.ndarray, counts: np.ndarray, rng) -> np.ndarray:
    """A Gaussian copula: each column as it is distributed in the class, correlated as normal scores are."""
    out, numbers = _shuffled(rows, counts, rng), np.flatnonzero((counts == 0) & (np.ptp(rows, axis=0) > 0))
    if not len(numbers):
        return out
    part, places = rows[:, numbers], (np.arange(len(rows)) + 0.5) / len(rows)
    scores = ndtri((rankdata(part, axis=0) - 0.5) / len(part))
    levels = ndtr(_correlated(np.corrcoef(scores.T), len(part), rng))
    for column, level, values in zip(numbers, levels.T, np.sort(part, axis=0).T, strict=True):
        out[:, column] = np.interp(level, places, values)
    return out


def _correlated(covariance: np.ndarray, count: int, rng) -> np.ndarray:
    """Normal rows [count, C] of mean 0; nearly singular covariances do."""
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    return (rng.standard_normal((count, len(values))) * np.sqrt(np.maximum(values, 0))) @ vectors.T


BASELINES: dict[str, Baseline] = {
    "real": Baseline("real training rows", _real),
    "bootstrap": Baseline("bootstrap copy", _bootstrap),
    "class_copula": Baseline("class Gaussian copula", partial(_by_class, _copula)),
    "class_gaussian": Baseline("class Gaussian", partial(_by_class, _gaussian)),
    "class_shuffled": Baseline("columns shuffled within class", partial(_by_class, _shuffled)),
    "shuffled": Baseline("columns shuffled", _all_shuffled),
}


def check(settings: ConfigDict, columns: list) -> None:
    """Refuses unknown names in `config.evaluation.baselines`, and any baseline if the data are no table.

    Raises:
      UserError: an unknown name, or data that are no table.
    """
    for name in settings.baselines:
        if name not in BASELINES:
            raise UserError(lookup.unknown("config.evaluation.baselines", name, list(BASELINES)))
    if settings.baselines and not columns:
        raise UserError("config.evaluation.baselines sample tables, but these data are no table. Set it to ()")
    if settings.baselines and settings.baseline_draws < 1:
        raise UserError(f"config.evaluation.baseline_draws={settings.baseline_draws}: it must be at least 1")


def measure(
    settings: ConfigDict,
    real: ImageSource,
    train: ImageSource,
    facts: Mapping[str, dict],
    cache_dir: Path | None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, dict]:
    """{baseline: {metric: record}}. Each record is as in evaluation.json, and its value is the mean over draws.

    `spread` is the standard deviation over the draws. `seeds` holds every value. The result is kept in `cache_dir`,
    since all runs on the same split share it.

    Args:
      settings: `config.evaluation`. Reads `baselines`, `baseline_draws` and the settings of `evaluation.evaluate`.
      real, train: the reference split, and the training split that baselines draw from.
      facts: facts about the data, with its columns.

    Raises:
      evaluation.Stopped: `stop()` was true.
    """
    out = {}
    for name in settings.baselines:
        path = None if cache_dir is None else cache_dir / f"baseline_{_digest(name, settings, real, train, facts)}.json"
        if path is not None and (kept := _kept(path)) is not None:
            out[name] = kept
            continue
        log.info("measuring the baseline %r ...", BASELINES[name].title)
        out[name] = _measure(name, settings, real, train, facts, stop)
        if path is not None and caches.can_keep(path.parent):
            try:
                write_atomic(path, json.dumps(out[name]) + "\n")
            except (OSError, UserError) as error:
                log.warning("%s: a baseline could not be cached: %s", path, error)
    return out


def _kept(path: Path) -> dict[str, dict] | None:
    """The records in a file of the cache. None without a whole file."""
    try:
        records = json_file.read_object(path)
    except FileNotFoundError:
        return None
    except json_file.Damaged as damage:
        log.warning("%s is unreadable: %s. The baseline is measured again", path, damage)
        return None
    whole = all(isinstance(record, dict) and "value" in record for record in records.values())
    return records if whole else None


def _measure(name: str, settings, real, train, facts, stop) -> dict:
    columns = columns_of(facts["points"])
    categories, label = tuple(len(column.categories) for column in columns), label_place(columns)
    settings = settings.copy_and_resolve_references().unlock()
    settings.num_samples = len(train.images)
    options = {"train": train, "facts": facts, "place": np.asarray, "progress": False, "stop": stop}
    draws = []
    for seed in range(settings.baseline_draws):
        rows = draw(name, train.images, categories, label, seed)
        # The rows of the training split are the same at every draw; what folds and forests make of them is not.
        settings.seed = seed
        views = {"points": lambda ids, rows=rows: rows[ids]}
        draws.append(engine.evaluate(settings, real, views, **options))
    return {key: _over([draw[key] for draw in draws]) for key in draws[0] if not key.startswith("_")}


def _over(records: list[dict]) -> dict:
    """One record of several: means of numbers, the first one's words."""
    out = dict(records[0])
    for key, first in records[0].items():
        numbers = [record[key] for record in records]
        if isinstance(first, float) and all(isinstance(number, float) for number in numbers):
            out[key] = float(np.mean(numbers))
    # Rounding of the same number in another order is no spread.
    values = [None if record["value"] is None else round(record["value"], 9) for record in records]
    if None not in values:
        out["value"] = round(float(np.mean(values)), 9)
    known = len(values) > 1 and None not in values
    return {
        **out,
        "spread": float(np.std(values, ddof=1)) if known else None,
        "spread_kind": f"standard deviation over {len(values)} draws",
        "seeds": {str(seed): value for seed, value in enumerate(values)},
        **({"found": 2 * sum(record["found"] for record in records) > len(records)} if "found" in out else {}),
    }


def _digest(name: str, settings, real, train, facts) -> str:
    """The inputs of the numbers: rows, columns, settings, and the code."""
    digest = hashlib.sha256()
    keys = ("metrics", "batch_size", "allow_few_samples", "num_train", "baseline_draws")
    digest.update(json.dumps([name, {key: settings[key] for key in keys}, facts], default=str).encode())
    for rows in (real.images, train.images):
        digest.update(np.ascontiguousarray(rows).tobytes())
    modules = [Path(tabular.__file__), Path(__file__)]
    modules += [Path(lookup.module("metrics", metric, "evaluation.metrics").__file__) for metric in settings.metrics]
    for module in modules:
        digest.update(module.read_bytes())
    return digest.hexdigest()[:32]


def write(path: Path, measured: dict[str, dict], about: dict[str, Any]) -> None:
    """Writes baselines.json: {baseline: {"_title": ..., metric: record}, "_run": about}."""
    titled = {name: {"_title": BASELINES[name].title, **records} for name, records in measured.items()}
    write_atomic(path, json.dumps({**titled, "_run": about}, indent=1) + "\n")


def format_table(results: Mapping[str, Any], measured: Mapping[str, dict]) -> str:
    """A table of the run and the baselines: a row for each, a column for each metric, the run first."""
    metrics = [name for name in results if not name.startswith("_")]
    lines = [("", *metrics), ("this run", *(_number(results[name]) for name in metrics))]
    for name, records in measured.items():
        lines.append((BASELINES[name].title, *(_number(records.get(metric, {})) for metric in metrics)))
    return "\n".join(aligned(lines))


def _number(record: Mapping[str, Any]) -> str:
    value = record.get("value")
    return "-" if value is None else f"{value:.3f}{' copies' if record.get('found') else ''}"
