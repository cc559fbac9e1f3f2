"""A name in a config becomes the module of that name; an import path becomes the user's own module."""

import difflib
import importlib
import importlib.util
import pkgutil
from types import ModuleType

from jaxgen.errors import UserError

# Modules that are shared parts of their package, not choices.
_SHARED = {
    "data": {
        "base",
        "image_files",
        "image_options",
        "download",
        "idx",
        "cache",
        "container",
        "reading",
        "order",
        "mixture",
        "table",
        "table_codec",
    },
    "models": {"base", "sizes", "causal_transformer"},
    "recipes": {
        "base",
        "optimizers",
        "constraints",
        "augmentation",
        "lazy_regularization",
        "frozen_layers",
        "stylegan2_settings",
        "stylegan2_views",
        "observations",
        "tables",
    },
    "metrics": {
        "base",
        "collected",
        "extractors",
        "frechet",
        "image_set",
        "manifold",
        "records",
        "remembered",
        "selection",
        "streaming",
        "subset",
        "table",
        "tabular",
    },
    "metrics.extractors": {
        *(
            "base",
            "torch_file",
            "statistics_file",
            "features_file",
            "weights_file",
            "winograd",
            "chunks",
            "input_paths",
        ),
        *("inception_network", "inception_params"),
        *("lpips_vgg", "perceptual"),
    },
}


def choices(kind: str) -> list[str]:
    """Names of the built-in modules of `jaxgen.<kind>`, such as `models` or `data`."""
    package = importlib.import_module(f"jaxgen.{kind}")
    shared = _SHARED.get(kind, set())
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in shared)


def module(kind: str, name: str, key: str) -> ModuleType:
    """The module that `name` means: built-in (`dcgan`) or an import path (`my_package.my_model`).

    Args:
      kind: package under `jaxgen` that holds the built-in ones.
      name: the value in the config.
      key: the config key it came from, for the error line.

    Raises:
      UserError: no such module; the line lists the choices.
    """
    known = choices(kind)
    if name in known:
        return importlib.import_module(f"jaxgen.{kind}.{name}")
    if "." in name:
        return _import_path(name, key)
    raise UserError(unknown(key, name, known, "an import path such as my_package.my_module"))


def member(path: str, name: str, key: str):
    """The object called `name` in the module `path`, or the module at an import path with the same attributes."""
    owner = importlib.import_module(path)
    known = sorted(owner.CHOICES)
    if name in known:
        return owner.CHOICES[name]
    if "." in name:
        return _import_path(name, key)
    raise UserError(unknown(key, name, known, "an import path such as my_package.my_module"))


def need(owner, attribute: str, key: str):
    """`owner.attribute`, or the error line that says which function a user's own module lacks."""
    if not hasattr(owner, attribute):
        raise UserError(
            f"{key}: {owner.__name__} has no {attribute}(); the README's 'Extending' shows what it must hold"
        )
    return getattr(owner, attribute)


def near(name: str, known: list[str], count: int = 3) -> list[str]:
    """Of the known names those that resemble `name`, the nearest first."""
    return difflib.get_close_matches(str(name), known, n=count)


def unknown(key: str, name: str, known: list[str], other: str = "") -> str:
    """One line for an unknown name: the nearest choice first, then all of them."""
    nearest = near(name, known, 1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"{key}={name!r} is unknown: {hint}choices: {', '.join(known)}{', or ' + other if other else ''}"


def _import_path(name: str, key: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A missing import *inside* the user's module is the user's to see whole; only the path itself is bad input.
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise UserError(f"{key}={name!r}: no module {error.name!r} can be imported; check PYTHONPATH") from None
        raise
