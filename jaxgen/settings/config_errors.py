"""Describes in one line an error that occurred while a config was read."""

import difflib
import re
import traceback
from pathlib import Path

from absl import flags

from jaxgen.errors import UserError
from jaxgen.settings import default
from jaxgen.settings.configuration import flatten

# The keys for names that other trainers have.
_OTHER_NAMES = dict.fromkeys(("epochs", "iterations", "iters", "updates"), "config.steps")
_OTHER_NAMES |= dict.fromkeys(("lr", "learning_rate"), "config.optimizers.NAME.learning_rate")


def describe_error(error: BaseException, path: str | None, argv: list[str]) -> str:
    """One line about an error of reading a config: the file and line, or the flag, and the nearest key.

    Args:
      error: the parser's error. The errors behind it tell the place.
      path: the config file.
      argv: the command line, for the full name of an override. It is empty if the file alone was read.
    """
    chain = _chain(error)
    file = path and path.split(":")[0]
    key = next(filter(None, map(_misspelt_key, chain)), None)
    # What an experiment that this one builds on raised names its own file and line.
    cause = next((link for link in chain if isinstance(link, UserError)), chain[-1])
    if isinstance(cause, UserError):
        reason = _plain(cause)
    elif key:
        reason = f"unknown config key {key}"
    else:
        reason = f"{type(cause).__name__}: {cause.msg if isinstance(cause, SyntaxError) else _plain(cause)}"
    if isinstance(cause, AttributeError) and cause.name == "get_config":
        return f"{file}: it has no get_config()"
    if file and (line := _line_in(file, chain)):
        return f"{file}:{line}: {reason}"
    if key:
        name = key.split("'")[1]
        override = next(
            (a.partition("=")[0] for a in argv if name in a.partition("=")[0].split(".")[1:]), f"config.{name}"
        )
        return f"{override}: unknown config key {key}"
    if isinstance(error, flags.Error):
        # The parser puts the whole traceback into the message if get_config itself cannot be called.
        return f"--config={path}: {reason}" if "Traceback" in str(error) else _plain(error)
    if isinstance(cause, UserError) and not file:  # of a run's config.json, which the line names
        return reason
    return _plain(error) if _plain(error).startswith("--") else f"{'config' if argv else file}: {_plain(error)}"


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error, followed by the errors that caused it."""
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _plain(error: BaseException) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split())


def _misspelt_key(error: BaseException) -> str | None:
    """`'stepz': did you mean 'steps'?` of ml_collections' errors for a key that a config does not have."""
    if not isinstance(error, KeyError | AttributeError):
        return None
    text = _plain(error)
    if match := re.search(r'Did you mean "(.+?)" instead of "(.+?)"', text):
        name, near = match[2], match[1]
    elif match := re.fullmatch(r"'(\w+)'|(\w+)", text):  # an override that resembles no key
        name, near = match[1] or match[2], None
    elif match := re.search(r'Key "(.+?)" does not exist.*Other fields present: "\{(.*)', text):
        name = match[1]
        near = next(iter(difflib.get_close_matches(name, re.findall(r"'(\w+)':", match[2]), n=1)), None)
    else:
        return None
    # A near key of the same part that ends alike is the likeliest: `sampler_steps` for `sampling_steps`.
    alike = near and near.rpartition("_")[2] == name.rpartition("_")[2] and name not in _OTHER_NAMES
    meant = near if alike else _key_of_words(name) or near or _key_elsewhere(name)
    return f"{name!r}: " + (f"did you mean {meant!r}?" if meant else "jaxgen/settings/default.py lists all keys")


def _key_of_words(name: str) -> str | None:
    """The full name of the key that `name`, or its last words, mean: `config.steps` for `epochs` and `num_steps`."""
    words = name.split("_")
    ends = ["_".join(words[start:]) for start in range(len(words))]
    names = {key: f"config.{key}" for key in _keys() if "." not in key and key != name} | _OTHER_NAMES
    return next((names[end] for end in ends if end in names), None)


def _key_elsewhere(name: str) -> str | None:
    """The full name of the key that another part of the config has under this name, such as `config.steps`."""
    return next((f"config.{key}" for key in _keys() if key.rpartition(".")[2] == name), None)


def _keys() -> list[str]:
    """The full names of all keys with a value, without `config.`, those of the top level first."""
    return sorted(flatten(default.get_config().to_dict()), key=lambda key: key.count("."))


def _line_in(path: str, chain: list[BaseException]) -> int | None:
    """The line of the file at `path` where the errors come from, or None if it was not at work."""
    for error in chain:
        if isinstance(error, SyntaxError) and error.filename and Path(error.filename).name == Path(path).name:
            return error.lineno
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).absolute() == Path(path).absolute()]
        if lines:
            return lines[-1]
    return None
