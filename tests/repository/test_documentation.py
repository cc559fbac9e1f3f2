"""The walks through the code of docs/concepts/architecture.md lead where they say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALKS = {"a": 8, "b": 8, "c": 9, "d": 9, "e": 9}  # at most so many files


def steps_of_walks():
    """(walk, file, names in it) of each numbered line of docs/concepts/architecture.md."""
    walk, steps = "", []
    for line in (ROOT / "docs" / "concepts" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"### \((\w)\)", line):
            walk = heading[1]
        if step := re.match(r"\d+\. `([^`]+)`: (?:`(\w+)(?:\(\))?`|)(?:.*?`(\w+)\(\)`)?", line):
            steps.append((walk, step[1], [name for name in step.groups()[1:] if name]))
    return steps


def test_walks_through_the_code_are_short():
    lengths = {walk: [w for w, *_ in steps_of_walks()].count(walk) for walk in WALKS}
    assert all(3 < lengths[walk] <= most for walk, most in WALKS.items()), lengths


@pytest.mark.parametrize(("walk", "file", "names"), steps_of_walks())
def test_steps_of_walks_are_there(walk, file, names):
    assert names or file.startswith("configs/")
    text = (ROOT / file).read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), name
