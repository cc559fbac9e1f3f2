"""Compare images with images by every metric. No training is needed.

    python -m jaxgen.evaluate --real cifar10.zip:test --fake samples/ --metrics fid,kid,precision,recall
    python -m jaxgen.evaluate --real mnist:test --fake run:runs/dcgan_mnist --extractor efficientnet_lite0 --metrics fid
    python -m jaxgen.evaluate --real cifar10:train --save_statistics cifar10_train.npz

SPEC names images: a folder or zip, an .npz or .npy of uint8 [N, H, W, C], a split (mnist:test) or a run (run:DIR).
SPEC can also be a statistics file (.npz with mu and sigma). FOLDER:part and FILE.zip:part name a part of an archive.
From Python this module is a function: `jaxgen.evaluate(real=..., fake=...)`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from jaxgen.errors import UserError
from jaxgen.files import command_line
from jaxgen.files.command_line import keep_compiled, name, optional_path, path, spec
from jaxgen.settings import lookup

TYPE_CHECKING = False  # as in jaxgen/__init__.py
if TYPE_CHECKING:
    import numpy as np

    from jaxgen.interface import Run


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser("evaluate", __doc__)
    add = parser.add_argument
    add("--real", type=spec, required=True, metavar="SPEC", help="the reference images, or their saved statistics")
    add("--fake", type=spec, metavar="SPEC", help="the images to judge")
    add("--train", type=spec, metavar="SPEC", help="the training images, for memorisation, parzen and class_histogram")
    add("--metrics", type=name, default="fid", help="metric names or import paths, by commas (default: fid)")
    add("--extractor", type=name, default="inception", help="inception (default) or efficientnet_lite0")
    add("--extractor_weights", type=optional_path, default="", metavar="FILE", help="weights instead of the usual ones")
    add("--allow_other_weights", action="store_true", help="accept weights with another hash (marked in the output)")
    add("--resize", type=name, default="", help="how inception resizes: tf1 (default, canonical), pytorch or clean")
    add("--allow_few_samples", action="store_true", help="compute metrics on too few images, and mark the numbers")
    add("--pairs", action="store_true", help="the fakes are copies of the reals in the same order (psnr, ssim, ...)")
    add("--num_samples", type=int, default=0, help="number of fakes, drawn by --seed (default: all, 10,000 of a run)")
    add("--num_train", type=int, default=10_000, help="number of training images used, 0: all (default: 10,000)")
    add("--batch_size", type=int, default=100, help="images per batch (does not change the results)")
    add("--seed", type=int, default=0, help="seed of subsets, splits and the samples of a run")
    add("--channels", type=int, default=0, choices=(0, 1, 3), help="0: keep the channels, 1 or 3: convert all images")
    add("--data_dir", type=optional_path, default="", help="folder with the archives of a dataset:split")
    add("--cache_dir", type=optional_path, default="", help="for data, statistics and weights (default: $JAXGEN_CACHE)")
    add("--checkpoint", type=name, default="latest", help="checkpoint of a run: latest, best or a step")
    add("--latent_sampler", type=name, default="prior", help="prior, or a density fitted to the latents of a run")
    add("--save_statistics", type=path, metavar="FILE.npz", help="write the feature statistics of --real")
    add("--pictures", type=path, metavar="DIR", help="folder for t-SNE, nearest neighbours, real and fake images")
    add("--out", type=path, metavar="FILE.json", help="the results as JSON")
    return parser


def main(argv: list[str]) -> int:
    """Parses, evaluates and prints a table. Bad input prints one line and exits with code 2."""

    def work():
        arguments = _parser().parse_args(argv)
        command_line.check_checkpoint(arguments.checkpoint)
        for metric in lookup.listed(arguments.metrics, "--metrics", "fid"):
            lookup.check_spelling("metrics", metric, "--metrics")
        keep_compiled(cache_dir=arguments.cache_dir)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import compare
        from jaxgen.metrics.records import format_table

        if results := compare.run(arguments, ["python", "-m", "jaxgen.evaluate", *argv]):
            print(format_table(results))
            for name, read in results["_run"]["read"].items():
                print(f"--{name}: {read}")

    return command_line.run(work)


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
      options: further options of the command, with the same names: extractor="efficientnet_lite0", num_samples=2000,
        allow_few_samples=True, train=... (the same types as `real`), pictures=DIR.

    Returns:
      The content of the file --out: {metric: {value, spread, n_real, n_fake, ...}, "_skipped": ..., "_run": ...}.

    Raises:
      UserError: the command would refuse the input.
    """
    import jax
    import numpy as np

    from jaxgen.commands import compare
    from jaxgen.runs.sources import GivenArray

    names = metrics if isinstance(metrics, str) else ",".join(metrics)
    arguments = _parser().parse_args(["--real=", f"--metrics={names}"])
    for option, value in {"real": real, "fake": fake, **options}.items():
        if option not in arguments:
            raise UserError(lookup.unknown("jaxgen.evaluate", option, sorted(vars(arguments))))
        if isinstance(value, np.ndarray):
            value = GivenArray(value)
        elif isinstance(value, str | Path):  # as on the command line
            value = getattr(_parser().parse_args(["--real=", f"--{option}={value}"]), option)
        setattr(arguments, option, value)
    if jax.config.jax_compilation_cache_dir is None:
        keep_compiled(cache_dir=str(arguments.cache_dir))
    return compare.run(arguments)


class _CallableModule(ModuleType):
    """This module, which is `jaxgen.evaluate` as soon as it is imported: the function of that name, too."""

    __call__ = staticmethod(evaluate)


sys.modules[__name__].__class__ = _CallableModule


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
