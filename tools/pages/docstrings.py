"""Brings docstrings into the form that mkdocstrings reads: each field and each argument gets an entry of its own.

jaxgen writes the fields of a NamedTuple as `name: meaning` in its docstring, and arguments of one kind as
`a, b: meaning`.
"""

import re
from collections.abc import Collection

import griffe

_ITEM = re.compile(r"( *)(\w+(?:, \w+)*): (.*)", re.DOTALL)


class Sections(griffe.Extension):
    """The extension of griffe that mkdocs.yml names."""

    def on_class(self, *, cls: griffe.Class, **_) -> None:
        """Makes a section of the fields."""
        if cls.docstring:
            cls.docstring.value = of_class(
                cls.docstring.value, [name for name, member in cls.members.items() if member.is_attribute]
            )

    def on_function(self, *, func: griffe.Function, **_) -> None:
        """Gives each argument a line."""
        if func.docstring:
            func.docstring.value = of_function(func.docstring.value)


def of_class(text: str, fields: Collection[str]) -> str:
    """The docstring of a class with a section "Attributes" of the fields that it explains."""
    if not fields:
        return text
    before, mark, section = text.partition("\nAttributes:\n")
    prose, items = before.split("\n"), re.split(r"\n(?=  \w)", section) if mark else []
    if not mark:
        starts = [
            i for i, line in enumerate(prose) if (match := _ITEM.match(line)) and set(match[2].split(", ")) <= {*fields}
        ]
        if not starts:
            return text
        prose, rest = prose[: starts[0]], prose[starts[0] :]
        items = re.split(rf"\n(?=(?:{'|'.join(fields)})\b[^\n]*: )", "\n".join(rest))
    named = "|".join(fields)
    # Short ones share a line: `folder: the work directory. step: of the checkpoint.`
    items = [part for item in items for part in re.split(rf"(?<=\.) (?=(?:{named}): )", item)]
    lines = [line for item in items if item.strip() for line in _alone(item)]
    return _plain("\n".join([*prose, "", "Attributes:", *lines]))


def of_function(text: str) -> str:
    """The docstring of a function, where each argument has a line of its own."""
    before, mark, section = text.partition("\nArgs:\n")
    if not mark:
        return _plain(text)
    section, end, after = section.partition("\n\n")
    lines = [line for item in re.split(r"\n(?=  \w)", section) for line in _alone(item)]
    return _plain(f"{before}{mark}" + "\n".join(lines) + end + after)


def _alone(item: str) -> list[str]:
    """`a, b: meaning` as the entries of a and of b; values that a text lists in lines of their own become a list."""
    match = _ITEM.fullmatch(item.rstrip())
    if not match:
        return [item]
    first, *more = (line.strip() for line in match[3].split("\n"))
    text, in_list = [first], False
    for line in more:
        if re.match(r'"\w+": ', line):
            text += [] if in_list else [""]
            in_list = True
            text.append(f"- {line}")
        else:
            text.append(f"  {line}" if in_list else line)
    body = "\n".join(f"        {line}".rstrip() for line in text).lstrip()
    return [f"    {name}: {body}" for name in match[2].split(", ")]


def _plain(text: str) -> str:
    """Square brackets after square brackets are indices here, and no links."""
    return "".join(part if part.startswith("`") else part.replace("][", r"]\[") for part in re.split("(`[^`]*`)", text))
