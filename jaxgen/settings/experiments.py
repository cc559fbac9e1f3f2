"""Experiments by their names: the files of `configs/`, which a wheel holds as `jaxgen/experiments/`."""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.settings import config_errors, lookup

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """The folder of the experiments that come with jaxgen: in the wheel, or in the checkout that is installed."""
    shipped = _PACKAGE / "experiments"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "configs"


def names() -> list[str]:
    """All experiments that come with jaxgen, studies among them."""
    return sorted(path.stem for path in folder().glob("*.py"))


def find(name: str, asked_as: str = "") -> Path:
    """The file of an experiment.

    Args:
      name: a path to a file, or the bare name of an experiment that comes with jaxgen, such as "dcgan_mnist".
      asked_as: how the error line begins; "": as the command line has it.

    Raises:
      UserError: neither; the line lists near names.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if name.isidentifier() and (shipped := folder() / f"{name}.py").is_file():
        return shipped
    begin = asked_as or f"--config={name}"
    if path.suffix == ".py" and path.stem in names():
        raise UserError(f"{begin}: no such file; the experiment of jaxgen is called {path.stem}, without folder")
    if path.suffix == ".py" or len(path.parts) > 1:
        raise UserError(f"{begin}: no such file" + _near(path.stem))
    raise UserError(f"{begin}: no file and no experiment of that name" + _near(name))


def _near(name: str) -> str:
    near = lookup.near(name, names())
    return f"; near: {', '.join(near)}" if near else f"; {folder()} holds all {len(names())} experiments"


def experiment(name: str) -> ConfigDict:
    """A fresh config of an experiment, to change and to train.

    Args:
      name: "dcgan_mnist", or a path to a file that has `get_config()`; what follows a colon is its argument, as in
        "stylegan2_auto:256,8".

    Raises:
      UserError: no such experiment, or any mistake in its file; the line names the file and the line in it.
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
