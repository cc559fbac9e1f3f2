"""Lists sentences that are too long, and semicolons, in the prose of Markdown pages.

    python tools/check_prose.py README.md docs/guides/*.md

Code, tables' rules, links' addresses and pictures are left out. A list item, a table cell and a heading end a sentence.
"""

import re
import sys
from pathlib import Path

LONGEST = 25  # words in a sentence

_FENCE = re.compile(r"^\s*(```|~~~)")
_ITEM = re.compile(r"^\s*([-*+]|\d+\.)\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?:])[\"')\]*_]*\s+(?=[\"'(\[*_`]*[A-Z0-9`])")
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


def complaints(markdown: str) -> list[str]:
    """One line for each sentence of more than `LONGEST` words and for each semicolon."""
    lines = []
    for number, text in paragraphs(markdown):
        for sentence in sentences(text):
            words = [word for word in re.split(r"[\s\u00a0]+", sentence) if re.search(r"\w", word)]
            if len(words) > LONGEST:
                lines.append(f"{number}: {len(words)} words: {sentence}")
            if ";" in sentence:
                lines.append(f"{number}: a semicolon: {sentence}")
    return lines


def main(arguments: list[str]) -> int:
    bad = [f"{name}:{line}" for name in arguments for line in complaints(Path(name).read_text())]
    print("\n".join(bad) or f"{len(arguments)} pages: no sentence over {LONGEST} words, no semicolon")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
