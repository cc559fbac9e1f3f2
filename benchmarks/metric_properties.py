"""The metrics' values for real images that were damaged on purpose: a table that shows how far to trust them.

    python benchmarks/metric_properties.py --real mnist:test --train mnist:train --data_dir DIR
    python benchmarks/metric_properties.py --real cifar10.zip:test --train cifar10.zip:train

Each row is a set of training images, damaged or thinned out. It is measured against the test set like samples.
The metrics have not seen these images, except in the row of copies.
"""

import argparse
import io
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from ml_collections import ConfigDict
from PIL import Image
from scipy.ndimage import gaussian_filter

from jaxgen.data.cache import root
from jaxgen.evaluation import engine
from jaxgen.files import provenance
from jaxgen.metrics.image_set import ImageSet
from jaxgen.metrics.selection import Extractors
from jaxgen.metrics.streaming import ExampleStream
from jaxgen.runs.sources import Options, open_source

METRICS = ("fid", "kid", "precision", "recall", "density", "coverage", "duplicates", "memorisation")
METRICS += ("class_histogram", "pairwise_ms_ssim")


def jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    """Each image through JPEG at that quality."""
    out = []
    for image in images:
        data = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(data, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(data)).reshape(image.shape))
    return np.stack(out)


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian noise of `sigma` gray levels added."""
    noise = np.random.default_rng(1).normal(0, sigma, images.shape)
    return np.clip(np.round(images + noise), 0, 255).astype(np.uint8)


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of `sigma` pixels."""
    return (
        np.stack([gaussian_filter(image.astype(float), (sigma, sigma, 0)) for image in images]).round().astype(np.uint8)
    )


def rows(pool: np.ndarray, labels: np.ndarray, seen: np.ndarray, seen_labels: np.ndarray, test: np.ndarray, count: int):
    """(name, images) of each set, made when its turn comes."""
    fresh, classes = pool[:count], np.unique(labels)
    few = pool[np.isin(labels, classes[: len(classes) // 2])][:count]
    repeated = fresh.copy()
    repeated[-max(count // 100, 1) :] = repeated[: max(count // 100, 1)]
    one = pool[labels == classes[min(1, len(classes) - 1)]][:count]

    def planted(images: np.ndarray, of: np.ndarray, share: float) -> np.ndarray:
        """The images, with this share of them replaced by training images."""
        copies = of[: max(round(share * len(images)), 1)]
        return np.concatenate([copies, images[len(copies) :]])

    yield "the test set itself", lambda: test
    yield "training images", lambda: fresh
    for sigma in (4, 8, 16):
        yield f"noise, {sigma} of 255", lambda sigma=sigma: noisy(fresh, sigma)
    for sigma in (0.5, 0.7, 1.0):
        yield f"blur, {sigma} pixels", lambda sigma=sigma: blurred(fresh, sigma)
    for quality in (75, 50, 25):
        yield f"JPEG {quality}", lambda quality=quality: jpeg(fresh, quality)
    yield f"{len(classes) // 2} of {len(classes)} classes", lambda: few
    yield f"1 of {len(classes)} classes", lambda: one
    yield "1% repeated", lambda: repeated
    yield "1% copies of training images", lambda: planted(fresh, seen, 0.01)
    same = seen[np.isin(seen_labels, classes[: len(classes) // 2])]
    yield f"{len(classes) // 2} of {len(classes)} classes, 2% copies", lambda: planted(few, same, 0.02)
    yield "copies of training images", lambda: seen[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--real", default="mnist:test", help="as of jaxgen.evaluate")
    add("--train", default="mnist:train", help="training images with class labels, as for jaxgen.evaluate")
    add("--data_dir", default="")
    add("--extractor", default="efficientnet_lite0")
    add("--samples", type=int, default=4000, help="images in a row")
    add("--num_train", type=int, default=4000, help="images that memorisation knows as training images")
    add("--rows", nargs="*", help="only those whose names begin so")
    add("--metrics", nargs="*", default=METRICS, choices=METRICS, help="only these columns")
    add("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    if arguments.num_train < arguments.samples:
        parser.error(
            f"--num_train={arguments.num_train}: the row of copies needs --samples={arguments.samples} of them"
        )
    print(f"| images | {' | '.join(arguments.metrics)} |\n|{'---|' * (len(arguments.metrics) + 1)}")
    logging.basicConfig(level=logging.WARNING)
    options = Options(data_dir=arguments.data_dir)
    real, train = (open_source(getattr(arguments, name), options, f"--{name}") for name in ("real", "train"))
    order = np.random.default_rng(0).permutation(len(train.images))
    known, others = np.sort(order[: arguments.num_train]), order[arguments.num_train :]
    seen, pool = train.images[known], train.images[others]
    settings = {
        "metrics": tuple(arguments.metrics),
        "batch_size": 100,
        "seed": 0,
        "allow_few_samples": False,
        "num_samples": 1,
    }
    settings = ConfigDict({**settings, "num_samples": 1, "extractor": arguments.extractor})
    # Features of real images that an earlier evaluation kept are not made again.
    kept = root(ConfigDict({"cache_dir": ""})) / "statistics"
    parts = Extractors(settings), ExampleStream(100), lambda batch: batch, kept
    reference = ImageSet(real, *parts)
    training = ImageSet(train._replace(images=seen, labels=train.labels[known]), *parts)
    table, test = {}, real.images[np.arange(len(real.images))]
    for name, make in rows(pool, train.labels[others], seen, train.labels[known], test, arguments.samples):
        if arguments.rows and not any(name.startswith(part) for part in arguments.rows):
            continue
        images = make()
        settings.num_samples = len(images)
        views = {"sample": lambda ids, images=images: images[ids]}
        results = engine.evaluate(settings, reference, views, train=training, progress=sys.stderr.isatty())
        table[name] = {record["metric"]: record for key, record in results.items() if not key.startswith("_")}
        print(line(name, table[name], arguments.metrics), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"rows": table, **provenance.software()}, indent=1) + "\n")


def line(name: str, records: dict, metrics: Sequence[str]) -> str:
    """One row of the Markdown table. Duplicates and memorisation are in per cent, with a mark if they are found."""
    cells = []
    for metric in metrics:
        record = records[metric]
        if metric in ("duplicates", "memorisation"):
            value = "-" if record["value"] is None else f"{100 * record['value']:.1f}%"
            cells.append(value + (" found" if record.get("found") else ""))
        else:
            cells.append(f"{record['value']:.{4 if metric == 'kid' else 3}f}")
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
