"""Finds experiments by name: the files of `configs/`, which a wheel holds as `jaxgen/experiments/`."""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.settings import config_errors, lookup, paths

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """The folder of jaxgen's experiments, in the wheel or in the installed checkout."""
    shipped = _PACKAGE / "experiments"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "configs"


def names() -> list[str]:
    """The names of all jaxgen's experiments, studies included."""
    return sorted(path.stem for path in folder().glob("*.py"))


def find(name: str, asked_as: str = "") -> Path:
    """The file of an experiment.

    Args:
      name: a path to a file, or the bare name of an experiment of jaxgen, such as "dcgan_mnist".
      asked_as: the start of the error line. "" quotes the flag --config.

    Raises:
      UserError: there is no such file or experiment. The line lists similar names.
    """
    path = Path(paths.resolved(name))
    if path.is_file():
        return path
    if name.isidentifier() and (shipped := folder() / f"{name}.py").is_file():
        return shipped
    begin = asked_as or f"--config={name}"
    if path.suffix == ".py" and path.stem in names():
        raise UserError(f"{begin}: no such file. Write {path.stem} alone for the experiment of jaxgen")
    if path.suffix == ".py" or len(path.parts) > 1:
        raise UserError(f"{begin}: no such file" + _near(path.stem))
    raise UserError(f"{begin}: no file and no experiment of that name" + _near(name))


def _near(name: str) -> str:
    near = lookup.near(name, names())
    return f". Similar: {', '.join(near)}" if near else f". {folder()} holds all {len(names())} experiments"


def experiment(name: str) -> ConfigDict:
    """A fresh config of an experiment, which you may change and train.

    Args:
      name: "dcgan_mnist", or a path to a file with `get_config()`. Text after a colon is the function's argument, as in
        "stylegan2_auto:256,8".

    Raises:
      UserError: no such experiment, or a mistake in its file. The message names the file and line.
    """
    stem, colon, argument = name.partition(":")
    path = find(stem, asked_as=f"experiment({name!r})")
    spec = importlib.util.spec_from_file_location(f"_jaxgen_experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config(argument) if colon else module.get_config()
    except Exception as error:
        raise UserError(config_errors.describe_error(error, str(path), [])) from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"{path}: get_config() returned {type(config).__name__}, not a config")
    return config
