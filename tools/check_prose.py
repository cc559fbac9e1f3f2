"""Lists sentences that are too long, and semicolons, in the prose of Markdown pages and of Python files.

    python tools/check_prose.py README.md docs/guides/*.md jaxgen/errors.py

Code, tables' rules, links' addresses and pictures are left out. A list item, a table cell and a heading end a sentence.
In a Python file, the prose is every string and the docstrings of public things. A value in an f-string is one word.
"""

import ast
import inspect
import re
import sys
from pathlib import Path

LONGEST = 25  # words in a sentence

_FENCE = re.compile(r"^\s*(```|~~~)")
_ITEM = re.compile(r"^\s*([-*+]|\d+\.)\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?:])[\"')\]*_]*\s+(?=[\"'(\[*_`]*[A-Z0-9`])")
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
_NAMES = re.compile(r"(?:^ {2}|^|(?<=\. ))[a-z]\w*(?:, \w+)*: ")
_ABBREVIATIONS = ("e.g.", "i.e.", "et al.", "vs.", "cf.", "Fig.", "eq.", "Eq.", "p.")


def paragraphs(markdown: str):
    """Yields (line number, text) for each paragraph, list item, heading and table cell, without code and markup."""
    markdown = re.sub(r"\A---\n.*?\n---\n", lambda m: "\n" * m[0].count("\n"), markdown, flags=re.S)
    markdown = re.sub(r"<!--.*?-->", lambda m: "\n" * m[0].count("\n"), markdown, flags=re.S)
    fenced, start, lines = False, 0, []
    for number, line in enumerate([*markdown.splitlines(), ""], 1):
        if _FENCE.match(line):
            fenced = not fenced
        boundary = fenced or _FENCE.match(line) or not line.strip() or _ITEM.match(line) or line.lstrip()[:1] in "#|!<:"
        if boundary and lines:
            yield start, _plain(" ".join(lines))
            lines = []
        if fenced or _FENCE.match(line) or not line.strip():
            continue
        if line.lstrip().startswith("|"):
            yield from ((number, _plain(cell)) for cell in re.split(r"(?<!\\)\|", line) if re.search("[A-Za-z]", cell))
        elif line.lstrip().startswith(("#", "!!!", "???")):
            yield number, _plain(line.lstrip("#!? "))
        else:
            start = start if lines else number
            lines.append(_ITEM.sub("", line).strip())


def _plain(text: str) -> str:
    text = re.sub(r"`[^`]*`", "CODE", text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)(\{[^}]*\})?", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+", "URL", text)
    text = re.sub(r"<[^>]+>|&\w+;", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def sentences(text: str) -> list[str]:
    for abbreviation in _ABBREVIATIONS:
        text = text.replace(abbreviation + " ", abbreviation + "\u00a0")
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def python_paragraphs(source: str):
    """Yields (line number, text) for each paragraph of the public docstrings and of the strings of a Python file.

    Indented blocks of a docstring are code or equations, and are left out. An argument's description is an item.
    """
    tree = ast.parse(source)
    docstrings = {id(node.body[0].value): public for node, public in _documented(tree, True)}
    for first, text, public in _strings(tree, docstrings):
        if re.search(r"(?m)^(def|import|from) ", text):  # a program in a string
            continue
        if public is None:
            text = re.sub(r'\w+="[^"]*"', "CODE", text)
            yield from ((first + number - 1, paragraph) for number, paragraph in paragraphs(text))
        elif public:
            yield from ((first + number - 1, paragraph) for number, paragraph in paragraphs(_as_markdown(text)))


def _as_markdown(docstring: str) -> str:
    lines = [""]
    for line in inspect.cleandoc(docstring).splitlines():
        code = line.startswith("    ") and not lines[-1]
        named = _NAMES.match(line) and lines[-1][-1:] in ("", ".")
        item = "- " if named or re.match(r" {2}\S", line) else ""
        lines.append("" if code or _SECTION.fullmatch(line) else item + _NAMES.sub("CODE: ", line).strip())
    return "\n".join(lines[1:])


def _documented(node: ast.AST, public: bool):
    """Yields (node, whether a user sees it) for each module, class and function with a docstring."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
        yield node, public
    inside = public and not isinstance(node, ast.FunctionDef)
    for child in getattr(node, "body", ()):
        yield from _documented(child, inside and not getattr(child, "name", "").startswith("_"))


def _strings(node: ast.AST, docstrings: dict[int, bool]):
    """Yields (line, text, None or whether a docstring is public) for each string; a sum of strings is one string."""
    text = _text(node)
    if text is not None:
        yield node.lineno, text, docstrings.get(id(node))
    for child in _values(node) if text is not None else ast.iter_child_nodes(node):
        yield from _strings(child, docstrings)


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "CODE" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [_text(node.left), _text(node.right)]
        return None if parts == [None, None] else "".join("CODE" if part is None else part for part in parts)
    return None


def _values(node: ast.AST) -> list[ast.AST]:
    """The expressions inside a string, which hold strings of their own."""
    if isinstance(node, ast.JoinedStr):
        return [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    if isinstance(node, ast.BinOp):
        return [
            value for part in (node.left, node.right) for value in ([part] if _text(part) is None else _values(part))
        ]
    return []


def complaints(page: str, python: bool = False) -> list[str]:
    """One line for each sentence of more than `LONGEST` words and for each semicolon."""
    lines = []
    for number, text in python_paragraphs(page) if python else paragraphs(page):
        for sentence in sentences(text):
            words = [word for word in re.split(r"[\s\u00a0]+", sentence) if re.search(r"\w", word)]
            if len(words) > LONGEST:
                lines.append(f"{number}: {len(words)} words: {sentence}")
            if re.search(r"[\w)];(\s|$)", sentence) and words:
                lines.append(f"{number}: a semicolon: {sentence}")
    return lines


def main(arguments: list[str]) -> int:
    bad = [f"{name}:{line}" for name in arguments for line in complaints(Path(name).read_text(), name.endswith(".py"))]
    print("\n".join(bad) or f"{len(arguments)} files: no sentence over {LONGEST} words, no semicolon")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
