"""Measure images against images with every metric, without training anything.

    python -m jaxgen.evaluate --real cifar10.zip:test --fake samples/ --metrics fid,kid,precision,recall
    python -m jaxgen.evaluate --real mnist:test --fake run:runs/dcgan_mnist --extractor efficientnet_lite0 --metrics fid
    python -m jaxgen.evaluate --real cifar10:train --save_statistics cifar10_train.npz

SPEC is a folder or zip of images (FOLDER:part or FILE.zip:part for what lies below it), an .npz or .npy of uint8
[N, H, W, C], dataset:split (mnist:test), run:DIR, or a statistics file (.npz with mu and sigma).
From Python this module is a function: `jaxgen.evaluate(real=..., fake=...)`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from jaxgen.errors import UserError
from jaxgen.files.command_line import Parser, keep_compiled, run

TYPE_CHECKING = False  # as in jaxgen/__init__.py
if TYPE_CHECKING:
    import numpy as np

    from jaxgen.interface import Run


def _parser() -> argparse.ArgumentParser:
    parser = Parser("evaluate", __doc__)
    add = parser.add_argument
    add("--real", required=True, metavar="SPEC", help="the reference images, or their saved statistics")
    add("--fake", metavar="SPEC", help="the images to judge")
    add("--train", metavar="SPEC", help="the training images, for memorisation, parzen and class_histogram")
    add("--metrics", default="fid", help="names with commas between them, or import paths (default: fid)")
    add("--extractor", default="inception", help="inception (default) or efficientnet_lite0")
    add("--extractor_weights", default="", metavar="FILE", help="weights in place of those found or fetched")
    add("--allow_other_weights", action="store_true", help="accept weights with another hash; numbers say so")
    add("--resize", default="", help="input path of inception: tf1 (default, canonical), pytorch or clean")
    add("--allow_few_samples", action="store_true", help="compute and mark metrics with fewer images than they need")
    add("--pairs", action="store_true", help="fakes are copies of the reals, one to one in order: psnr, ssim, ...")
    add("--num_samples", type=int, default=0, help="so many fakes, drawn by --seed (default: all; 10,000 of a run)")
    add("--num_train", type=int, default=10_000, help="training images looked at, 0: all (default: 10,000)")
    add("--batch_size", type=int, default=100, help="images at a time; the results do not depend on it")
    add("--seed", type=int, default=0, help="of subsets, splits and a run's samples")
    add("--channels", type=int, default=0, choices=(0, 1, 3), help="0: as they come; 1 or 3: all are converted")
    add("--data_dir", default="", help="where the archives of a dataset:split lie")
    add("--cache_dir", default="", help="statistics, weights, data (default: $JAXGEN_CACHE or ~/.cache/jaxgen)")
    add("--checkpoint", default="latest", help="of a run: latest, best or a step")
    add("--latent_sampler", default="prior", help="of a run that encodes: prior (default), normal, gaussian_mixture")
    add("--save_statistics", type=Path, metavar="FILE.npz", help="write the feature statistics of --real")
    add("--pictures", type=Path, metavar="DIR", help="t-SNE, nearest neighbours, real beside fake")
    add("--out", type=Path, metavar="FILE.json", help="the results as JSON")
    return parser


def main(argv: list[str]) -> int:
    """Parses, evaluates, prints a table; bad input is one line and exit code 2."""

    def work():
        arguments = _parser().parse_args(argv)
        keep_compiled(cache_dir=arguments.cache_dir)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import compare
        from jaxgen.metrics.records import format_table

        if results := compare.run(arguments, ["python", "-m", "jaxgen.evaluate", *argv]):
            print(format_table(results))

    return run(work)


def evaluate(
    *,
    real: "str | Path | np.ndarray | Run",
    fake: "str | Path | np.ndarray | Run",
    metrics: str | Sequence[str] = ("fid",),
    **options: object,
) -> dict[str, dict]:
    """Measures images against images, or vectors against vectors, as `python -m jaxgen.evaluate` does.

    Args:
      real, fake: a SPEC of the command, an array uint8 [N, H, W, C] (vectors: float32 [N, D]), or a `jaxgen.Run`.
      metrics: names, or import paths.
      options: the command's other ones, under their names there: extractor="efficientnet_lite0", num_samples=2000,
        allow_few_samples=True, train=... (what `real` may be), pictures=DIR.

    Returns:
      What the command writes with --out: {metric: {value, spread, n_real, n_fake, ...}, "_skipped": ..., "_run": ...}.

    Raises:
      UserError: what the command refuses.
    """
    import jax
    import numpy as np

    from jaxgen.commands import compare
    from jaxgen.runs.sources import GivenArray
    from jaxgen.settings.lookup import unknown

    names = metrics.split(",") if isinstance(metrics, str) else metrics
    arguments = _parser().parse_args(["--real=", f"--metrics={','.join(names)}"])
    for name, value in {"real": real, "fake": fake, **options}.items():
        if name not in arguments:
            raise UserError(unknown("jaxgen.evaluate", name, sorted(vars(arguments))))
        if isinstance(value, np.ndarray):
            value = GivenArray(value)
        elif name in ("real", "fake", "train") and isinstance(value, Path):
            value = str(value)
        elif name in ("pictures", "out", "save_statistics") and value is not None:
            value = Path(value)
        setattr(arguments, name, value)
    if jax.config.jax_compilation_cache_dir is None:
        keep_compiled(cache_dir=str(arguments.cache_dir))
    return compare.run(arguments)


class _CallableModule(ModuleType):
    """This module, which is `jaxgen.evaluate` as soon as it is imported: the function of that name, too."""

    __call__ = staticmethod(evaluate)


sys.modules[__name__].__class__ = _CallableModule


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
