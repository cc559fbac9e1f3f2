"""Reads a JSON object of a file, or says in words what is wrong with the file."""

import json
from pathlib import Path
from typing import Any


class Damaged(Exception):
    """The file is there, and cannot be used. The message says why, in words that follow "is unreadable"."""


def read_bytes(path: Path) -> bytes:
    """The contents of a file.

    Raises:
      FileNotFoundError: there is no such file.
      Damaged: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(str(path)) from None
    except IsADirectoryError:
        raise Damaged("a folder is in its place") from None
    except OSError as error:
        raise Damaged(error.strerror or str(error)) from None


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object of some bytes.

    Raises:
      Damaged: there is no such object.
    """
    if not data.strip():
        raise Damaged("it is empty")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Damaged("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Damaged(f"its JSON is cut short or damaged at line {error.lineno}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets without an end
        raise Damaged("its JSON is damaged") from None
    if not isinstance(content, dict):
        raise Damaged("it holds no JSON object")
    return content


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
      FileNotFoundError: there is no such file.
      Damaged: the file cannot be read, or holds no whole JSON object.
    """
    return parse(read_bytes(path))
