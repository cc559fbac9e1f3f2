"""Makes the page "Config keys" of jaxgen/settings/default.py and default_study.py: keys, defaults and their comments.

A comment at the end of a line, or right above it, belongs to the key of that line. Other comments are headings. A
second comment below a heading is a paragraph.
"""

import ast
import html
import io
import json
import re
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen.settings import default, default_study
from jaxgen.settings.configuration import flatten

INTRODUCTION = """# Config keys

A config has the keys of this page. `jaxgen/settings/default.py` sets their defaults. An experiment is a short Python
file that changes some of them, and the command line can change any key:

```bash
python -m jaxgen.main --config configs/dcgan_digits.py --config.batch_size=32 \\
  --config.evaluation.metrics="('psnr','ssim')"
```

A value must have the type of the default. A whole number also fits a `float`. A `tuple` is written in quotes, as
above, and a single entry needs a comma: `"('psnr',)"`. A `bool` is `True` or `False`.

A misspelt key, a wrong type or an impossible combination is one line with the nearest valid choice, and exit code 2. A
changed key of `config.model` or `config.recipe` that the chosen model and recipe do not read is an error, too.
"""
STUDY = """## Keys of a study

A study has every key above without a value, except `config.seed`, `config.num_seeds` and `config.budget`. A key that is
set holds for all runs of the study. A study also has the keys below, from `jaxgen/settings/default_study.py`. The guide
[Seeds and studies](../guides/seeds_and_studies.md) shows how to use them.
"""
ENTRY = """## Keys of an entry of a study

`default_study.add(study, name, experiment)` returns an entry. An entry has every key above without a value, and these
keys:
"""


class Heading(NamedTuple):
    """A heading, or a paragraph below one."""

    text: str


class Key(NamedTuple):
    """A key or a group of keys, with its comment ("": it has none)."""

    name: str
    comment: str
    is_group: bool


class _Comments:
    """The comments of a source file, by their lines."""

    def __init__(self, source: str):
        self.at_end: dict[int, str] = {}
        self._alone: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                (self._alone if alone else self.at_end)[token.start[0]] = token.string.lstrip("# ").rstrip()

    def blocks(self, first: int, last: int) -> Iterator[tuple[int, str]]:
        """(last line, text) of each run of comment lines between two lines, both included."""
        lines = []
        for line in range(first, last + 2):
            if line in self._alone and line <= last:
                lines.append(self._alone[line])
            elif lines:
                yield line - 1, " ".join(lines)
                lines = []

    def of(self, node: ast.AST, after: int) -> tuple[list[Heading], str]:
        """The headings above a node, which begins behind line `after`, and the comment that belongs to it."""
        blocks = list(self.blocks(after + 1, node.lineno - 1))
        own = [text for line, text in blocks if line == node.lineno - 1]
        own += [self.at_end[line] for line in range(node.lineno, node.end_lineno + 1) if line in self.at_end]
        if len(own) > 1:
            raise ValueError(f"line {node.lineno} has a comment above it and one at its end: {own}")
        return [Heading(text) for line, text in blocks if line != node.lineno - 1], "".join(own)


def read(source: str, function: str, variable: str) -> list[Heading | Key]:
    """The keys that `function` sets in `variable`, in their order, and the headings between them.

    Args:
      source: text of a Python file. Values of keys may be calls of functions in it that fill a dict `values`.
      function: its name.
      variable: name of the config in the function. Names of keys begin behind it.
    """
    tree, comments = ast.parse(source), _Comments(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found, after = [], functions[function].lineno
    for node in functions[function].body:
        if isinstance(node, ast.Assign) and (name := _key_of(node.targets[0], variable)):
            headings, comment = comments.of(node, after)
            inner = _keys_of_call(node.value, functions, comments, name)
            is_new = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "ConfigDict"
            found += [*headings, Key(name, comment, bool(inner) or is_new), *inner]
        after = node.end_lineno
    return found


def _key_of(target: ast.expr, variable: str) -> str:
    """`data.name` of `config.data.name`; "" of anything else."""
    dotted = ast.unparse(target)
    return dotted.removeprefix(f"{variable}.") if dotted.startswith(f"{variable}.") else ""


def _keys_of_call(value: ast.expr, functions: Mapping, comments: _Comments, group: str) -> list[Key]:
    """The keys of the dict `values` in the function that is called."""
    function = functions.get(getattr(value.func, "id", "")) if isinstance(value, ast.Call) else None
    for node in function.body if function else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "values":
            keys, after = [], node.lineno
            for key, inner in zip(node.value.keys, node.value.values, strict=True):
                pair = ast.Dict(lineno=key.lineno, end_lineno=inner.end_lineno)
                keys.append(Key(f"{group}.{key.value}", comments.of(pair, after)[1], False))
                after = inner.end_lineno
            return keys
    return []


def page() -> str:
    """The page, as Markdown.

    Raises:
      ValueError: a key has no comment, or two.
    """
    of_run = Path(default.__file__).read_text(encoding="utf-8")
    of_study = Path(default_study.__file__).read_text(encoding="utf-8")
    study = default_study.get_config()
    entry = default_study.add(study, "name", "experiment")
    parts = [
        INTRODUCTION,
        render(read(of_run, "get_config", "config"), flatten(default.get_config().to_dict()), "config."),
        STUDY,
        render(read(of_study, "get_config", "study"), flatten(study.to_dict()), "config.", anchor="study."),
        ENTRY,
        render(read(of_study, "add", "entry"), flatten(entry.to_dict()), "config.entries.NAME.", anchor="entry."),
    ]
    return "\n".join(parts)


def render(items: list[Heading | Key], values: Mapping[str, Any], prefix: str, anchor: str = "") -> str:
    """Markdown of keys: definition lists below headings.

    Args:
      values: the default of each key.
      prefix: what stands before a key on the command line.
      anchor: prefix of a key in the names of anchors. "" takes `prefix`.
    """
    without = [prefix + item.name for item in items if isinstance(item, Key) and not item.comment]
    if without:
        raise ValueError(f"keys without a comment: {', '.join(without)}")
    lines, before = [], None
    for item in items:
        if isinstance(item, Heading):
            lines += [escaped(item.text), ""] if isinstance(before, Heading) else [f"## {escaped(item.text)}", ""]
        else:
            name = f"{anchor or prefix}{item.name}"
            term = f"[`{prefix}{item.name}`](#{name}){{ #{name} .config-key }}"
            if not item.is_group:
                term += f" `{type(values[item.name]).__name__}`, default `{shown(values[item.name])}`"
            lines += [term, f":   {escaped(item.comment)}", ""]
        before = item
    return "\n".join(lines)


def shown(value: Any) -> str:
    """A default as it stands in Python, with double quotes."""
    if isinstance(value, tuple):
        inner = ", ".join(map(shown, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def escaped(text: str) -> str:
    """Plain text with code in backticks, as Markdown."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*\[\]])", r"\\\1", html.escape(part, quote=False))
        for part in parts
    )
