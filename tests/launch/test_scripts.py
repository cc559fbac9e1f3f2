"""Every shell script of launch/: bash, strict, and nothing that shellcheck finds."""

import os

import pytest

from tests.launch.commands import LAUNCH, ROOT, run

SCRIPTS = [*sorted(LAUNCH.glob("*.sh")), ROOT / ".ci" / "run"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_strict(path):
    assert run(["bash", "-n", path]).returncode == 0
    assert "set -euo pipefail" in path.read_text()
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path, shellcheck):
    found = shellcheck(path)
    assert found.returncode == 0, found.stdout


def test_the_linter_refuses_what_is_wrong(shellcheck, tmp_path):
    (tmp_path / "wrong.sh").write_text("#!/usr/bin/env bash\ncd $1\n")
    assert "SC2086" in shellcheck(tmp_path / "wrong.sh").stdout


def test_there_is_a_page_for_every_launcher():
    page = (LAUNCH / "README.md").read_text()
    files = [path for path in LAUNCH.rglob("*") if path.is_file() and path.name != "README.md"]
    assert len(files) >= 7
    for path in files:
        assert f"`{path.relative_to(LAUNCH)}`" in page, path
