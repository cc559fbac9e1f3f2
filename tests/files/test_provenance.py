"""What a result says of the code that made it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from jaxgen.files import provenance

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_the_commit_is_that_of_the_checkout():
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert provenance.git_commit().removesuffix("-dirty") == head.stdout.strip()


def test_a_package_without_metadata_is_not_installed(monkeypatch):
    """A checkout on the path of a machine that lacks some packages."""
    monkeypatch.setattr(provenance, "_PACKAGES", ("numpy", "no-such-package"))
    assert provenance.software()["packages"] == {"numpy": np.__version__, "no-such-package": "not installed"}


def test_a_process_keeps_the_commit_that_it_began_with(monkeypatch):
    commit = provenance.git_commit()
    monkeypatch.setattr(provenance.subprocess, "run", lambda *arguments, **options: 1 / 0)
    assert provenance.git_commit() == commit
