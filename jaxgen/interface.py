"""The Python interface beside `jaxgen.evaluate`: `train`, `load`, and the class `Run` that both return.

Arrays are NumPy arrays. Wrong input raises `jaxgen.UserError`. Messages go to the logger "jaxgen".
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.commands import run_request, sample, sample_request
from jaxgen.commands import train as train_command
from jaxgen.commands.painter import Painter
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.files.command_line import keep_compiled
from jaxgen.metrics.image_set import ImageSource
from jaxgen.recipes.base import PyTree
from jaxgen.runs import restoring, run_views
from jaxgen.runs.restoring import Trained
from jaxgen.runs.session import Session
from jaxgen.runs.sources import Options, open_run
from jaxgen.settings import checks, default, paths
from jaxgen.study import definition
from jaxgen.training.lanes import folder_of, seeds_of
from jaxgen.views.views import classes_for, in_batches

__all__ = ["Run", "load", "train"]


class Run:
    """A trained run at one of its checkpoints. `jaxgen.load` and `jaxgen.train` make it.

    Each method computes `batch_size` examples at a time and compiles once. The last batch is filled up, and the filling
    is dropped. Example i does not depend on n. H, W and C are those of the run's images.

    Attributes:
      folder: the work directory (with several seeds: the folder of one seed). step: the step of the checkpoint.
      config: the run's config, locked.
      offers: names of the model's views, such as sample, points, latents, decode, reconstruct, encode, log_likelihood.
        A method without its view raises a UserError.
    """

    def __init__(self, folder: Path, trained: Trained):
        self.folder, self.step, self.config = folder, trained.step, trained.config
        self.offers: tuple[str, ...] = trained.opened.views.names
        self._opened, self._players = trained.opened, trained.players

    def __str__(self) -> str:
        return f"run:{self.folder}"

    def __repr__(self) -> str:
        return f"<jaxgen.Run {self.folder}, step {self.step}: {self.config.model.name} by {self.config.recipe.name}>"

    def sample(
        self,
        n: int | None = None,
        *,
        seed: int = 0,
        labels: int | Sequence[int] | np.ndarray | None = None,
        truncation: float = 1.0,
        latents: np.ndarray | None = None,
        batch_size: int = sample.BATCH,
    ) -> np.ndarray:
        """Samples 0 to n - 1 of a seed: images uint8 [n, H, W, C], or vectors and rows of a table float32 [n, D].

        They equal the samples of `--mode=sample --config.evaluation.seed=SEED`. Only vectors open the data set.

        Args:
          n: number of samples. The default is 16, or the number of latents.
          labels: a class for all samples, or int [n]. None: all classes in turn, or as frequent as in a table.
          truncation: psi of models with styles. It pulls styles to their average: 0.7 is usual, 1 is no truncation.
          latents: float [n, ...] in place of the seed's latents. StyleGAN2 then adds its constant noise.

        Raises:
          UserError: wrong shapes or classes, or the model does not offer this.
        """
        if latents is not None and n not in (None, len(latents)):
            raise UserError(f"n={n}, but there are {len(latents)} latents. Leave n out")
        n = (16 if latents is None else len(latents)) if n is None else n
        opened, ids = self._with_seed(seed), np.arange(_at_least_one(n, "n"))
        key = run_views.evaluation_key(opened.config)
        if latents is None and labels is None and truncation == 1:
            view = self._view("points" if "points" in self.offers else "sample")
            return _batched(lambda ids: view(self._players, key, ids), batch_size, ids)
        decode, noise = self._view("decode"), "const"
        if latents is None:
            latents, noise = np.asarray(self._view("latents")(key, ids)), "random"
        latents, classes = self._latents(latents), self._classes(labels, n)
        if "mapping" not in self.offers and truncation == 1:
            return _batched(lambda *part: decode(self._players, *part), batch_size, latents, classes)
        opened.config.sample.update({**default.get_config().sample, "truncation": float(truncation)})
        request = sample_request.request_of(opened.config.sample)
        sample_request.check(request, opened)
        painter = Painter(opened, self._players, request)
        return np.concatenate(list(painter.of_latents(latents, classes, ids, usual_noise=noise)))

    def decode(
        self, latents: np.ndarray, *, labels: int | Sequence[int] | np.ndarray | None = None, batch_size: int = 64
    ) -> np.ndarray:
        """Decodes latents float [n, ...]. `labels` is as for `sample`.

        Returns: images uint8 [n, H, W, C], or vectors float32 [n, D].
        """
        return self.sample(latents=latents, labels=labels, batch_size=batch_size)

    def reconstruct(
        self, images: np.ndarray, *, labels: int | Sequence[int] | np.ndarray | None = None, batch_size: int = 64
    ) -> np.ndarray:
        """Reconstructions of images. Both are uint8 [n, H, W, C].

        labels: the images' classes, for a conditional model.
        """
        return self._of_images("reconstruct", images, labels, batch_size)

    def encode(
        self, images: np.ndarray, *, labels: int | Sequence[int] | np.ndarray | None = None, batch_size: int = 64
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of the latents of images uint8 [n, H, W, C]. Both are float32 [n, Z].

        labels: the images' classes, for a conditional model.
        """
        return self._of_images("encode", images, labels, batch_size)

    def log_likelihood(
        self,
        images: np.ndarray,
        *,
        labels: int | Sequence[int] | np.ndarray | None = None,
        seed: int = 0,
        samples: int = 0,
        batch_size: int = 64,
    ) -> np.ndarray:
        """A lower bound in nats, float32 [n], on the log-likelihood of images uint8 [n, H, W, C].

        Args:
          labels: the images' classes, for a conditional model. The bound is then on log p(image | class).
          samples: draws from the posterior of each image. 0 takes `config.evaluation.likelihood_samples`.
        """
        key = jax.random.fold_in(run_views.evaluation_key(self._with_seed(seed).config), 1)
        draws = samples or self.config.evaluation.likelihood_samples
        return self._of_images("log_likelihood", images, labels, batch_size, key=key, samples=draws)

    def open(self, options: Options, flag: str) -> ImageSource:
        """This run as `--real` or `--fake` of `jaxgen.evaluate` (`jaxgen.runs.sources.open_source`)."""
        return open_run(self.folder, options._replace(checkpoint=str(self.step)), flag)

    def _view(self, name: str) -> Callable:
        if name not in self.offers:
            raise UserError(
                f"{self.folder}: {self.config.model.name} trained by the recipe {self.config.recipe.name!r} has no "
                f"{name}. It offers {', '.join(sorted(self.offers))}"
            )
        return getattr(self._opened.views, name)

    def _of_images(
        self,
        name: str,
        images: np.ndarray,
        labels: int | Sequence[int] | np.ndarray | None,
        batch_size: int,
        **given: Any,
    ) -> PyTree:
        """A view of images, and of their classes where the model needs them. given: other arguments of the view."""
        view, images = self._view(name), self._images(images)
        conditional = bool(classes_for(view, None))
        if conditional and labels is None:
            raise UserError(f"{self.folder}: the model knows the class of an image. Give {name}() the labels of images")
        numbers = np.arange(len(images))
        classes = numbers if labels is None else self._classes(labels, len(images))

        def of_batch(images, ids, classes):
            more = {"ids": ids} if given else {}
            return view(self._players, images, **given, **more, **classes_for(view, classes))

        return _batched(of_batch, batch_size, images, numbers, classes)

    def _with_seed(self, seed: int) -> Session:
        config = self._opened.config.copy_and_resolve_references()
        config.evaluation.seed = int(seed)
        return self._opened._replace(config=config)

    def _images(self, images: np.ndarray) -> np.ndarray:
        images, shape = np.asarray(images), self._opened.example_shape
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            wanted = ", ".join(map(str, shape))
            raise UserError(f"images are {images.dtype} {list(images.shape)}. This run takes uint8 [n, {wanted}]")
        return images

    def _latents(self, latents: np.ndarray) -> np.ndarray:
        latents = np.asarray(latents, np.float32)
        shape = self._view("latents")(jax.random.key(0), np.arange(1)).shape[1:]
        if latents.shape[1:] != shape or not len(latents):
            wanted = ", ".join(map(str, shape))
            raise UserError(f"latents are {list(latents.shape)}. This run takes float32 [n, {wanted}]")
        return latents

    def _classes(self, labels: int | Sequence[int] | np.ndarray | None, n: int) -> np.ndarray:
        """The class of each of n samples, int [n], as `decode` takes it; 0, 1, ... where they come in turn."""
        if labels is None:
            return np.arange(n)
        count = self._opened.num_classes
        if self._opened.table is not None or not (count and self.config.model.conditional):
            raise UserError(f"{self.folder}: the model is unconditional and takes no labels. Leave labels out")
        classes = np.broadcast_to(np.asarray(labels), (n,)) if np.ndim(labels) == 0 else np.asarray(labels)
        if classes.shape != (n,) or not np.issubdtype(classes.dtype, np.integer):
            raise UserError(
                f"labels are {classes.dtype} {list(classes.shape)}. They must be one integer, or {n} integers"
            )
        if classes.min() < 0 or classes.max() >= count:
            raise UserError(
                f"labels go from {classes.min()} to {classes.max()}. This run has the classes 0 to {count - 1}"
            )
        return classes


def load(folder: str | Path, checkpoint: str | int = "latest", *, seed: int | None = None, data_dir: str = "") -> Run:
    """Loads a run, finished or not, with its own config. Nothing in its folder changes.

    Args:
      folder: the work directory. checkpoint: "latest", "best", or the number of a step.
      seed: picks one seed of a run that trained several.
      data_dir: the present folder of the data, if the data have moved.

    Raises:
      UserError: no run or checkpoint in the folder, a damaged checkpoint, or several seeds and no choice.
    """
    folder = Path(paths.resolved(str(folder)))
    if (folder / "study.json").exists():
        raise UserError(f"{folder} is a study. Load one of its runs, whose folders lie in it")
    if seed is not None and (of_seed := folder_of(folder, seed)).is_dir():
        folder = of_seed
    run = Run(folder, restoring.load(folder, str(checkpoint), paths.resolved(data_dir)))
    if seed not in (None, run.config.seed):
        raise UserError(f"{folder} holds no seed {seed}. It was trained with seed {run.config.seed}")
    return run


def train(config: ConfigDict, folder: str | Path) -> Run | tuple[Run, ...]:
    """Trains or resumes, then evaluates, like `python -m jaxgen.main --config ... --workdir FOLDER`.

    In the main thread, SIGTERM and Ctrl-C save and end the training early. The same call resumes it.

    Args:
      config: a config of `jaxgen.experiment`, with your changes.

    Returns:
      The run at its newest checkpoint. With `config.num_seeds` > 1: one run for each seed.

    Raises:
      UserError: an impossible config, a folder of another config or in use, or a training that failed.
    """
    folder = Path(paths.resolved(str(folder)))
    if definition.is_study(config):
        raise UserError(
            "a study trains many runs, each in its own process. Run: python -m jaxgen.main --config STUDY --workdir "
            f"{folder}"
        )
    checks.check(config)
    config = config.copy_and_resolve_references().lock()
    paths.resolve_keys(config)
    if jax.config.jax_compilation_cache_dir is None:
        keep_compiled(config.compilation_cache)
    if config.num_seeds > 1:
        with contextlib.suppress(RuntimeError):  # JAX is in use already, and its devices are what they are
            parallel.use_cores(config.num_seeds, config.seed_devices)
    run_request.check("train", config, folder, "latest")
    train_command.train(config, folder)
    if config.num_seeds == 1:
        return load(folder)
    return tuple(load(folder, seed=seed) for seed in seeds_of(config))


def _at_least_one(n: int, name: str) -> int:
    if n < 1:
        raise UserError(f"{name}={n}: it must be at least 1")
    return n


def _batched(view: Callable, batch_size: int, *arrays: np.ndarray) -> PyTree:
    """`view` of `batch_size` rows of the arrays at a time; NumPy."""
    parts = in_batches(view, _at_least_one(batch_size, "batch_size"), *arrays)
    return jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
