"""Checks what a mode of `jaxgen.main` is asked for, before data are opened and programs are compiled.

A mode checks what it will use, and nothing else. What depends on the data themselves is checked when they are open.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict
from PIL import Image

from jaxgen.commands import existing_run, sample_request, style_projection
from jaxgen.data import image_options
from jaxgen.data.base import may_stream
from jaxgen.errors import UserError
from jaxgen.evaluation import baseline_evaluation, latent_samplers
from jaxgen.files import outputs, workdir
from jaxgen.metrics.base import CHOSEN, SAMPLE_VIEWS
from jaxgen.metrics.extractors import perceptual
from jaxgen.metrics.extractors.automatic import AUTO
from jaxgen.metrics.extractors.weights import Weights, obtain
from jaxgen.metrics.selection import Extractors, Selected, few_samples
from jaxgen.pictures import video
from jaxgen.recipes.base import Recipe
from jaxgen.runs import restoring, session, source_names
from jaxgen.settings import lookup
from jaxgen.training import objective

SPACES = ("z", "w", "w_plus")
_OF_IMAGES = ("digits", "folder", "covid_radiography", "ieee8023")  # and all sources that tell of their examples


def check(mode: str, config: ConfigDict, folder: Path, checkpoint: str) -> None:
    """Refuses a mistake that shows in the config, in the names of files, and in the rights of folders.

    Args:
      folder: the work directory. checkpoint: the value of --checkpoint, for modes that read one.

    Raises:
      UserError: one line with the key or flag, and the mend.
    """
    _CHECKS[mode](config, folder, checkpoint)


def _train(config: ConfigDict, folder: Path, _: str) -> None:
    outputs.check_folder(folder, "--workdir")
    if (folder / "config.json").exists():
        workdir.check(folder, config)
    check_training(config, is_new=not workdir.checkpoint_steps(folder))


def check_training(config: ConfigDict, is_new: bool) -> None:
    """Refuses a training that cannot be, wherever it is to be.

    Args:
      is_new: the training begins. One that goes on needs `config.init_from` no more.

    Raises:
      UserError: as for `check`.
    """
    _check_evaluation(config)
    _check_networks(config)
    if _has_images(config):
        _check_counts(config.evaluation)
    if config.init_from and is_new:
        _check_start(Path(config.init_from))


def _evaluate(config: ConfigDict, folder: Path, checkpoint: str) -> None:
    workdir.check(folder, config)
    existing_run.check(folder, checkpoint)
    _check_evaluation(config)


def _sample(config: ConfigDict, folder: Path, checkpoint: str) -> None:
    workdir.check(folder, config)
    existing_run.check(folder, checkpoint)
    request = sample_request.request_of(config.sample)
    video.check(request.video)
    if request.styles and not Path(request.styles).is_file():
        raise UserError(f"config.sample.styles={request.styles!r}: no such file")
    _check_samplers((config.sample.latent_sampler,), "config.sample.latent_sampler")


def _project(config: ConfigDict, folder: Path, checkpoint: str) -> None:
    contents = workdir.check(folder, config)
    existing_run.check(folder, checkpoint)
    check_projection(config.project)
    known = session.data_shape_of(contents)
    if known is not None:
        check_projected(config, tuple(_recipe(config, *known).views))


def _benchmark(config: ConfigDict, folder: Path, _: str) -> None:
    del folder
    _check_networks(config)


def _plan(*_: object) -> None:
    """The plan looks at its hardware first, and opens no data that it can do without."""


_CHECKS: Mapping[str, Callable[[ConfigDict, Path, str], None]] = {
    "train": _train,
    "evaluate": _evaluate,
    "sample": _sample,
    "project": _project,
    "benchmark": _benchmark,
    "plan": _plan,
}


def check_projection(settings: ConfigDict) -> None:
    """Refuses values of `config.project` that no model can use, and images that are not there."""
    if settings.space not in SPACES:
        raise UserError(lookup.unknown("config.project.space", settings.space, list(SPACES)))
    if settings.images:
        path = Path(settings.images)
        if not (path.is_file() and path.suffix.lower() in Image.registered_extensions()):
            source_names.find(settings.images, "config.project.images")
    if settings.space != "z":
        perceptual.check(settings.perceptual, "config.project.perceptual")
        style_projection.check(settings)


def check_projected(config: ConfigDict, views: tuple[str, ...]) -> None:
    """Refuses a model that has no such latents to search. views: names of its recipe's views."""
    if config.project.space != "z" and "mapping" not in views:
        raise UserError(
            f"config.project.space={config.project.space!r} is for models with styles (stylegan2). "
            f"{config.model.name} has none. Use z"
        )
    if "points" in views:
        raise UserError(f"--mode=project is for images, but {config.data.name} has vectors")
    if not {"latents", "decode"} <= set(views):
        raise UserError(f"--mode=project: the recipe {config.recipe.name!r} has no latents to search")


def _check_evaluation(config: ConfigDict) -> None:
    """Names and files of an evaluation."""
    settings = config.evaluation
    for key in ("metrics", "metrics_in_training"):
        for name in settings[key]:
            lookup.module("metrics", name, f"config.evaluation.{key}")
    if settings.extractor != AUTO:
        lookup.module("metrics.extractors", settings.extractor, "config.evaluation.extractor")
    if settings.extractor_weights and not Path(settings.extractor_weights).is_file():
        raise UserError(f"config.evaluation.extractor_weights={settings.extractor_weights!r}: no such file")
    if settings.extractor != AUTO and (settings.resize or settings.extractor_weights):
        Extractors(settings)(settings.extractor)  # whether it has such an input path, and whether the weights fit
    if _has_images(config):
        _fetch_weights(settings)
    session.check_paths(settings)
    _check_samplers(settings.latent_samplers, "config.evaluation.latent_samplers")
    for name in settings.baselines:
        if name not in baseline_evaluation.BASELINES:
            known = list(baseline_evaluation.BASELINES)
            raise UserError(lookup.unknown("config.evaluation.baselines", name, known))


def _fetch_weights(settings: ConfigDict) -> None:
    """Fetches the weights of the feature networks if they are missing, before the data are read."""
    for name in settings.metrics:
        network = getattr(lookup.module("metrics", name, "config.evaluation.metrics"), "EXTRACTOR", None)
        network = settings.extractor if network == CHOSEN else network
        if network in (None, AUTO) or settings.extractor_weights:  # auto is settled by the run
            continue
        known = getattr(lookup.module("metrics.extractors", network, "config.evaluation.extractor"), "WEIGHTS", None)
        if isinstance(known, Weights):  # a network of the user's may have none, or a WEIGHTS of its own kind
            obtain(known)


def _check_counts(settings: ConfigDict) -> None:
    """Refuses fewer samples than a metric needs."""
    for name in settings.metrics:
        module = lookup.module("metrics", name, "config.evaluation.metrics")
        if getattr(module, "NEEDS", "") in SAMPLE_VIEWS:
            few_samples(
                Selected(name, name, module, module.NEEDS, None), None, settings.num_samples, settings.allow_few_samples
            )


def _check_samplers(names: tuple[str, ...], key: str) -> None:
    known = [latent_samplers.PRIOR, *latent_samplers.FITTED]
    for name in names:
        if name not in known:
            raise UserError(lookup.unknown(key, name, known))


def _check_networks(config: ConfigDict) -> None:
    """Builds the recipe for images of the config's size, which finds unknown names and impossible combinations."""
    data = config.data
    image_options.check(data)
    may_stream(data, 0.0)
    objective.check_sampling(config)
    facts = getattr(_source(config), "EXAMPLES", {})
    side, channels = data.image_size or facts.get("side", 0), data.channels or facts.get("channels", 0)
    if not _has_images(config) or not side or not channels:
        lookup.module("models", config.model.name, "config.model.name")
        lookup.module("recipes", config.recipe.name, "config.recipe.name")
        return
    # Only conditional networks look at the number of classes, and any number shows a mistake in a name.
    classes = facts.get("classes", data.num_classes) or (2 if config.model.conditional or data.labels else 0)
    _recipe(config, (side, side, channels), classes)


def _source(config: ConfigDict) -> ModuleType:
    name = config.data.name
    return lookup.module("data", "tfds" if name.startswith("tfds:") else name, "data.name")


def _has_images(config: ConfigDict) -> bool:
    """Whether the data are images for sure, before they are opened."""
    name = config.data.name
    return bool(getattr(_source(config), "EXAMPLES", {})) or name.startswith("tfds:") or name in _OF_IMAGES


def _recipe(config: ConfigDict, shape: tuple[int, ...], num_classes: int) -> Recipe:
    return lookup.module("recipes", config.recipe.name, "config.recipe.name").build(config, shape, num_classes)


def _check_start(source: Path) -> None:
    """The run of `config.init_from`, or the checkpoint in it."""
    of_step = source.parent.name == "checkpoints" and source.name.isdecimal()
    folder = source.parents[1] if of_step else source
    try:
        restoring.config_of_one_seed(folder)
        existing_run.check(folder, source.name if of_step else "latest")
    except UserError as error:
        raise UserError(f"config.init_from={str(source)!r}: {error}") from None
