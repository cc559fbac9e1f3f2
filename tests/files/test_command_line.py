"""Arguments of every command: what is a path is read by one rule."""

import argparse
import importlib
from pathlib import Path

import pytest

from jaxgen.errors import UserError
from jaxgen.files import command_line

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("jaxgen/*.py"), *ROOT.glob("jaxgen/*/__main__.py")]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(FILES)
    if "def _parser()" in path.read_text(encoding="utf-8")
]
PATHS = (command_line.path, command_line.optional_path, command_line.spec)


def actions(module):
    """Arguments of a command that take text."""
    for action in importlib.import_module(module)._parser()._actions:
        if action.nargs != 0 and action.type not in (int, float):
            yield action


def arguments():
    found = [(module, action) for module in MODULES for action in actions(module) if action.type in PATHS]
    return [pytest.param(m, action, id=f"{m} {action.dest}") for m, action in found]


def test_the_commands_are_found():
    assert {"jaxgen.evaluate", "jaxgen.convert", "jaxgen.export", "jaxgen.weights"} <= set(MODULES)
    assert "jaxgen.report.__main__" in MODULES


@pytest.mark.parametrize("module", MODULES)
def test_every_argument_of_text_says_whether_it_is_a_path(module):
    for action in actions(module):
        assert action.type in (*PATHS, command_line.name), f"{module} {action.dest}: type=path, spec or name"


@pytest.mark.parametrize(("module", "action"), arguments())
def test_a_path_in_an_argument_is_filled_in(monkeypatch, tmp_path, module, action):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "/data é")
    monkeypatch.delenv("NOPE", raising=False)
    parser = importlib.import_module(module)._parser()
    needed = [a for a in parser._actions if a.dest != action.dest and a.required]

    def parsed(text):
        begin = [f"{a.option_strings[0]}=x" if a.option_strings else "x" for a in needed]
        given = [f"{action.option_strings[0]}={text}"] if action.option_strings else [text]
        value = getattr(parser.parse_args([*begin, *given]), action.dest)
        return value[0] if isinstance(value, list) else value

    kind = Path if action.type is command_line.path else str
    for text, expected in (("~/x", f"{tmp_path}/x"), ("$DATA/x", "/data é/x"), ("${DATA}/x y", "/data é/x y")):
        assert parsed(text) == kind(expected)
        if action.type is command_line.spec:
            assert parsed(f"run:{text}") == f"run:{expected}"
            assert parsed(f"{text}.zip:part") == f"{expected}.zip:part"
    with pytest.raises(UserError, match="NOPE"):
        parsed("$NOPE/x")
    if action.type is command_line.path:
        with pytest.raises(UserError, match="empty"):
            parsed("")


@pytest.mark.parametrize("which", ["latest", "best", "0", "12"])
def test_a_checkpoint_has_a_name_or_a_step(which):
    assert command_line.check_checkpoint(which) == which


@pytest.mark.parametrize("which", ["", "newest", "-1", "1.5", " 3", "1e3", "٣", "²"])
def test_another_checkpoint_is_refused(which):
    with pytest.raises(UserError, match="choices: latest, best"):
        command_line.check_checkpoint(which)


def test_paths_for_argparse_raise_what_it_shows():
    with pytest.raises(argparse.ArgumentTypeError, match="'~nosuchuser/x'"):
        command_line.optional_path("~nosuchuser/x")
