"""Finds the module that a name in a config means: a module of jaxgen, or a user's module by its import path."""

import ast
import difflib
import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar

from jaxgen.errors import UserError

# What a module defines at its top level if it is a choice; all others of the package are helpers. A user's own module
# must hold the first.
_MARKS = {
    "data": ("load",),
    "models": ("build",),
    "recipes": ("build",),
    "recipes.posteriors": ("build",),
    "recipes.priors": ("build",),
    "losses.reconstruction": ("build",),
    "processes": ("START",),
    "losses.regularizers": ("build",),
    "evaluation.samplers": ("fit", "restore"),
    "metrics": ("NEEDS", "start"),
    "metrics.extractors": ("load", "WEIGHTS"),
    "trackers": ("open_tracker",),
}
# A table may have thousands of columns.
_MOST_LISTED = 100
Fields = TypeVar("Fields", bound=NamedTuple)


def choices(kind: str) -> list[str]:
    """Names of the built-in modules of `jaxgen.<kind>`, such as `models` or `data`."""
    return list(marked_modules(Path(__file__).parents[1].joinpath(*kind.split(".")), _MARKS[kind]))


@functools.cache
def marked_modules(folder: Path, marks: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the modules in `folder` that define all of `marks`. They are read as text, since JAX loads slowly."""
    files = {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
    files |= {path.parent.name: path for path in folder.glob("*/__init__.py")}
    return tuple(sorted(name for name, path in files.items() if set(marks) <= _top_level(path.read_bytes())))


def _top_level(source: bytes) -> set[str]:
    """Names that a module's own statements define, assign or import."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def module(kind: str, name: str, key: str) -> ModuleType:
    """The module that `name` means: a built-in module (`dcgan`) or an import path (`my_package.my_model`).

    Args:
      kind: package of jaxgen with the built-in modules.
      name: the value in the config.
      key: the config key of this value, for the error line.

    Raises:
      UserError: no such module (the line lists the choices), or a user's module lacks the required function.
    """
    known = choices(kind)
    if name in known:
        return importlib.import_module(f"jaxgen.{kind}.{name}")
    own = _import_path(name, known, key)
    need(own, _MARKS[kind][0], key)
    return own


def check_spelling(kind: str, name: str, key: str) -> None:
    """Refuses a name that is neither built in nor an import path. Nothing is imported. Arguments as for `module`.

    Raises:
      UserError: the line lists the choices.
    """
    known = choices(kind)
    if name not in known and "." not in name and ":" not in name:
        raise UserError(unknown(key, name, known, "an import path such as my_package.my_module"))


def member(members: Mapping, name: str, key: str):
    """`members[name]`, or the module with the import path `name`."""
    return members[name] if name in members else _import_path(name, sorted(members), key)


def as_fields(owner: ModuleType, kind: type[Fields], key: str) -> Fields:
    """A `kind` whose fields are attributes of a user's module. Fields without a default must be defined there.

    Raises:
      UserError: the module lacks such a field.
    """
    needed = {name: need(owner, name, key) for name in kind._fields if name not in kind._field_defaults}
    return kind(**needed, **{name: getattr(owner, name) for name in kind._field_defaults if hasattr(owner, name)})


def need(owner: ModuleType, attribute: str, key: str):
    """`owner.attribute`, or an error line that names the function that a user's module lacks."""
    if not hasattr(owner, attribute):
        raise UserError(
            f"{key}: {owner.__name__} has no {attribute}(). The pages docs/extend/ show which functions it needs"
        )
    return getattr(owner, attribute)


def listed(text: str, key: str, example: str) -> tuple[str, ...]:
    """The names in a list by commas, each once, in their order.

    Raises:
      UserError: there is none, or nothing stands between two commas.
    """
    names = [name.strip() for name in text.split(",")]
    if not any(names):
        raise UserError(f"{key} is empty. Name at least one, such as {example}")
    if "" in names:
        raise UserError(f"{key}={text!r} has a comma too many. Write {','.join(filter(None, names)) or example!r}")
    return tuple(dict.fromkeys(names))


def near(name: str, known: list[str], count: int = 3) -> list[str]:
    """The known names that resemble `name`, the nearest first."""
    return difflib.get_close_matches(str(name), known, n=count)


def unknown(key: str, name: str, known: list[str], other: str = "") -> str:
    """One line for an unknown name: the nearest choice first, then all choices."""
    nearest = near(name, known, 1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    shown = known if len(known) <= _MOST_LISTED else [*known[:_MOST_LISTED], f"{len(known) - _MOST_LISTED:,} more"]
    return f"{key}={name!r} is unknown: {hint}choices: {', '.join(shown)}{', or ' + other if other else ''}"


def _import_path(name: str, known: list[str], key: str) -> ModuleType:
    if "." not in name or not all(part.isidentifier() for part in name.split(".")):
        raise UserError(unknown(key, name, known, "an import path such as my_package.my_module"))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A missing import *inside* the user's module is the user's to see whole; only the path itself is bad input.
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise UserError(f"{key}={name!r}: no module {error.name!r} can be imported. Check PYTHONPATH") from None
        raise
