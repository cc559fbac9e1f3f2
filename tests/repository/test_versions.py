"""Two files of constraints, the lowest series of JAX and the newest: they keep to pyproject.toml, and CI uses both."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = ("constraints.txt", "constraints-newest.txt")
EXTRAS = ("test", "lint", "docs", "plan")
DIRECT = [
    Requirement(text)
    for text in (
        *PROJECT["dependencies"],
        *(line for name in EXTRAS for line in PROJECT["optional-dependencies"][name]),
    )
]


def _pins(name):
    lines = (line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize("name", FILES)
def test_every_direct_dependency_is_pinned_within_its_bounds(name):
    pins = _pins(name)
    assert {canonicalize_name(wanted.name) for wanted in DIRECT} <= pins.keys()
    outside = [str(wanted) for wanted in DIRECT if pins[canonicalize_name(wanted.name)] not in wanted.specifier]
    assert not outside


def test_the_two_files_are_the_ends_of_the_range_of_jax():
    (bounds,) = (wanted.specifier for wanted in DIRECT if wanted.name == "jax")
    oldest, newest = (_pins(name)["jax"] for name in FILES)
    assert f"{oldest.major}.{oldest.minor}" in bounds
    assert f"{oldest.major}.{oldest.minor - 1}.999" not in bounds
    assert f"{newest.major}.{newest.minor}" in bounds
    assert f"{newest.major}.{newest.minor + 1}" not in bounds


def test_no_pin_of_the_newest_is_older():
    oldest, newest = map(_pins, FILES)
    assert [name for name in newest if name in oldest and newest[name] < oldest[name]] == []


def test_ci_runs_both_and_the_page_names_the_range():
    text = (ROOT / ".ci/run").read_text()
    assert re.findall(r"-c (constraints[\w-]*\.txt)", text)[-1] == "constraints-newest.txt"
    assert {*re.findall(r"-c (constraints[\w-]*\.txt)", text)} == set(FILES)
    oldest, newest = (_pins(name)["jax"] for name in FILES)
    page = (ROOT / "docs/start/installation.md").read_text()
    assert f"| JAX | {oldest.major}.{oldest.minor} to {newest.major}.{newest.minor}" in page
