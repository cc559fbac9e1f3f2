"""Texts in the code are plain: no sentence over 25 words and no semicolon in strings and public docstrings."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("jaxgen", "configs", "tools", "benchmarks", "launch")
LONG = " ".join(["word"] * 26)


@pytest.fixture(scope="module")
def check_prose():
    spec = importlib.util.spec_from_file_location("check_prose", ROOT / "tools" / "check_prose.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_text_in_the_code_is_long_or_has_a_semicolon(check_prose):
    files = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    assert len(files) > 300
    bad = [
        f"{file.relative_to(ROOT)}:{line}" for file in files for line in check_prose.complaints(file.read_text(), True)
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f'raise UserError("{LONG}")', "1: 26 words"),
        (f'x = "{LONG[:40]} "\ny = f"{{a}} {LONG[5:]} {{b:.2f}}"', "2: 27 words"),
        (f'raise UserError(\n    "{LONG[:64]} "\n    f"{LONG[:64]} " + name\n)', "2: 27 words"),
        ('"""A module; it has a semicolon."""', "1: a semicolon"),
        (f'class A:\n    """One line."""\n\n    def b(self):\n        """{LONG}"""', "5: 26 words"),
        (f'def f():\n    """One line.\n\n    Args:\n      a, b: {LONG}\n    """', "5: 27 words"),
        ('log.info("one %s; another", f"{c}")', "1: a semicolon"),
    ],
)
def test_bad_texts_are_found(check_prose, source, words):
    found = check_prose.complaints(source, True)
    assert len(found) == 1, found
    assert found[0].startswith(words)


@pytest.mark.parametrize(
    "source",
    [
        f'def _private():\n    """{LONG}; {LONG}"""',
        f'def outer():\n    """A line."""\n\n    def inner():\n        """{LONG}"""',
        '"""A line:\n\n    m0 = d0 w0; m1 = d1 w1\n\nMore.\n"""',
        f'"""{LONG[:64]}. {LONG[:64].capitalize()}."""',
        'class A:\n    """A line.\n\n    a: of this.\n    b: [B, H]. c: of that.\n    """',
        'text = "; ".join(parts)',
        "x = '<svg style=\"a: b; c: d\">'",
    ],
)
def test_good_texts_pass(check_prose, source):
    assert check_prose.complaints(source, True) == []


def test_the_command_tells_files_and_lines(check_prose, tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(f'"""A line."""\n\nx = "{LONG}"\n')
    command = [sys.executable, ROOT / "tools" / "check_prose.py", file]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"{file}:3: 26 words")
