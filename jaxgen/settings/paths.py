"""What a path means that a person writes, in a flag and in a config key, for every command alike.

`~` and `~name` at the beginning are home folders. `$NAME` and `${NAME}` are variables of the environment. A path that
exists as it is written is taken as it is written. A relative path counts from the folder in which the command starts.
A run keeps the paths of its config absolute, so that it can go on from any folder.
"""

import os
import re

from jaxgen.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml_collections import ConfigDict

# Config keys whose value is a path. "" stands for a default.
KEYS = (
    "init_from",
    "compilation_cache",
    "data.dir",
    "data.cache_dir",
    "evaluation.extractor_weights",
    "evaluation.real_statistics",
    "project.images",
    "sample.styles",
)
# Keys that may also hold the name of images, such as `mnist:test`.
_SPECS = ("project.images",)
# Values of these keys that are no paths.
_WORDS = {"compilation_cache": "auto"}
_SHOWN = 80  # characters of an impossible path in its error line
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)


def resolved(text: str, where: str = "") -> str:
    """The path with its home folder and its variables filled in. "" stays "".

    Args:
      text: as a person wrote it. It may be followed by a part, as in `FILE.zip:part`.
      where: the flag or key, for the error line. "" leaves it out.

    Raises:
      UserError: an unknown variable or user, or a text that no file system takes as a path.
    """
    if not text or _exists(text, where):
        return text
    filled = _VARIABLE.sub(lambda match: _variable(match, where, text), text)
    if not filled.startswith("~"):
        return filled
    at_home = os.path.expanduser(filled)
    if at_home == filled:
        user = filled.split("/")[0]
        raise UserError(
            f"{_told(where, text)}: the home folder of {user!r} is unknown here. Write the whole path, or ./{text} for "
            "a file of that name"
        )
    return at_home


def _told(where: str, text: str) -> str:
    return f"{where}={text!r}" if where else repr(text)


def _variable(match: re.Match[str], where: str, text: str) -> str:
    name = match[1].strip("{}")
    if name not in os.environ:
        raise UserError(
            f"{_told(where, text)}: the environment has no variable {name!r}. Set it, or write the whole path"
        )
    return os.environ[name]


def _exists(text: str, where: str) -> bool:
    try:
        os.lstat(text)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its characters"
        shown = text if len(text) < _SHOWN else f"{text[:_SHOWN]}..."
        raise UserError(f"{_told(where, shown)} cannot be a path ({reason}). Write the path again") from None
    return True


def resolve_keys(config: "ConfigDict") -> None:
    """Makes the paths of a run's config absolute, in place.

    Raises:
      UserError: one line with the key, as for `resolved`.
    """
    for key in KEYS:
        *groups, name = key.split(".")
        group = config
        for part in groups:
            group = group[part]
        value = group[name]
        if value and value != _WORDS.get(key) and "://" not in value:
            path = resolved(value, f"config.{key}")
            is_name = key in _SPECS and not os.path.lexists(path) and not os.path.lexists(path.rpartition(":")[0])
            group[name] = path if is_name else os.path.abspath(path)


def same(one: object, other: object) -> bool:
    """Whether two values of a key in `KEYS` name one place. Runs of earlier versions kept relative paths."""
    texts = [one, other]
    return all(isinstance(text, str) and text for text in texts) and os.path.abspath(one) == os.path.abspath(other)
